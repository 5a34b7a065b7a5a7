"""edgebench bench, end to end: a sweep with a good, a wrong, a broken and an impossible cell; formats, files, statuses, refusals."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from edgebench.cli import status
from edgebench.record import Record, Spec, append, read_lines

ROOT = Path(__file__).resolve().parent.parent.parent
REVIEWS = "sentence\tlabel\n" + "good film\t1\nbad film\t0\nfine\t1\na dull film\t0\n" * 2
DATASET = """\
schema = 1
name = "tiny"
task = "text-classification"
about = "eight reviews"
labels = ["negative", "positive"]
[[sets]]
name = "tiny-reviews"
about = ""
licence = ""
source = "made in a test"
text = "sentence"
label = "label"
"""


def listed(path: Path, name: str) -> str:
    data = path.read_bytes()
    return f'file = "{name}"\nsha256 = "{hashlib.sha256(data).hexdigest()}"\nsize_bytes = {len(data)}\n'


@pytest.fixture(scope="module")
def trio(bag_of_words: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the model "trio": "bag" as fp32, one that calls everything positive as int8, and no graph at all as int4."""
    onnx = pytest.importorskip("onnx", reason="the test model is written with onnx; install edgebench[test]")
    import numpy as np
    from onnx import numpy_helper

    home = tmp_path_factory.mktemp("home")
    models = home / "models"
    shutil.copytree(bag_of_words.parent / "bag", models / "bag")
    model: Any = onnx.load(models / "bag" / "bag.onnx")
    table = model.graph.initializer[0]
    table.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(table) + np.array([0, 9], np.float32), table.name))
    (models / "bag" / "int8.onnx").write_bytes(model.SerializeToString())
    (models / "bag" / "int4.onnx").write_bytes(b"no graph")
    (models / "datasets").mkdir()
    (models / "datasets" / "dev.tsv").write_text(REVIEWS)
    (models / "datasets" / "tiny.toml").write_text(f"{DATASET}[[sets.splits.dev]]\n{listed(models / 'datasets' / 'dev.tsv', 'dev.tsv')}")
    head, _, variant = bag_of_words.read_text().replace('"bag"', '"trio"').replace('"sst2"', '"tiny"').partition("[[variants]]")
    others = "".join(
        f'[[variants]]\nformat = "onnx"\nprecision = "{one}"\n{listed(models / "bag" / f"{one}.onnx", f"bag/{one}.onnx")}' for one in ("int8", "int4")
    )
    (models / "trio.toml").write_text(f"{head}[[variants]]{variant}{others}")
    return home


@pytest.fixture
def at(trio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, with the home of "trio"."""
    monkeypatch.setenv("EDGEBENCH_HOME", str(trio))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def start(home: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "edgebench", "bench", "trio", "--quick", *arguments]
    where = {"EDGEBENCH_HOME": str(home), "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    return subprocess.Popen(command, cwd=home, env=where, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def swept(trio: Path) -> tuple[int, list[str], list[str], list[Record]]:
    """Exit status, lines of stdout and of stderr, and the records of the whole sweep."""
    process = start(trio, "--backend", "onnxruntime,tflite", "--format", "json", "-o", "out/all.jsonl", "--report", "out/all.md")
    out, err = process.communicate(timeout=120)
    return process.returncode, out.splitlines(), err.splitlines(), read_lines(trio / "out" / "all.jsonl")


Swept = tuple[int, list[str], list[str], list[Record]]


def of(swept: Swept, precision: str) -> Record:
    (found,) = [one for one in swept[3] if one.spec.precision == precision]
    return found


def test_a_failed_cell_makes_the_status_1_and_the_others_stand(swept: Swept) -> None:
    code, _, _, records = swept
    assert code == 1
    verdicts = {(one.spec.backend, one.spec.precision): one.verdict for one in records}
    assert verdicts.pop(("onnxruntime", "fp32")) in ("valid", "noisy")
    assert verdicts == {("onnxruntime", "int8"): "invalid", ("onnxruntime", "int4"): "failed", ("tflite", "*"): "unsupported"}


def test_stdout_is_the_records_and_nothing_else(swept: Swept) -> None:
    _, out, _, records = swept
    assert sorted(json.loads(line)["id"] for line in out) == sorted(one.id for one in records)
    assert [json.loads(line)["spec"]["precision"] for line in out] == ["fp32", "int8", "int4", "*"]


def test_stderr_has_a_line_for_each_cell_and_names_the_file(swept: Swept) -> None:
    _, _, err, _ = swept
    assert len(err) == 6
    assert err[0].startswith("trio tflite * 1 thread: unsupported (tflite opens tflite files and card 'trio' has none")
    assert err[1].startswith("trio onnxruntime int4 1 thread: failed (")
    assert "is no ONNX file" in err[1]
    assert err[-2:] == ["records: out/all.jsonl", "report: out/all.md"]


def test_a_report_is_written_in_the_end_of_the_same_records(swept: Swept, trio: Path) -> None:
    from edgebench.reports import markdown

    given = [json.loads(line)["id"] for line in swept[1]]
    assert (trio / "out" / "all.md").read_text() == markdown.render(sorted(swept[3], key=lambda one: given.index(one.id)))


@pytest.mark.parametrize(
    ("report", "said"), [("a.pdf", "the ending of a.pdf says no format"), ("r.jsonl", "r.jsonl holds records, which a report must not replace")],
)
def test_a_report_that_cannot_be_written_is_refused_before_anything_is_measured(at: Path, capsys: pytest.CaptureFixture[str], report: str, said: str) -> None:
    assert status(["bench", "trio", "-b", "tflite", "-o", "r.jsonl", "--report", report]) == 2
    assert said in capsys.readouterr().err
    assert not (at / "r.jsonl").exists()


def test_the_right_cell_has_every_answer_right_and_is_its_own_reference(swept: Swept) -> None:
    record = of(swept, "fp32")
    assert record.accuracy is not None
    assert (record.accuracy.value, record.accuracy.n, record.accuracy.dataset) == (1.0, 8, "tiny-reviews")
    assert record.parity is not None
    assert (record.parity.reference, record.parity.max_difference, record.parity.agreement) == ("onnxruntime onnx/fp32", 0.0, 1.0)


def test_the_wrong_cell_is_timed_like_the_others_and_says_what_is_wrong(swept: Swept) -> None:
    record = of(swept, "int8")
    assert record.accuracy is not None
    assert record.accuracy.value == 0.5
    assert record.parity is not None
    assert record.parity.agreement == 0.5
    assert "accuracy is 50.0 % on 8 examples, 50.0 % below the reference; the card allows 1.0 %" in " ".join(record.reasons)
    assert record.latency is not None


def test_what_failed_has_no_number_and_a_reason(swept: Swept) -> None:
    record = of(swept, "int4")
    assert (record.outcome, record.latency, record.memory, record.accuracy, record.cold) == ("failed", None, None, None, [])
    assert "int4.onnx" in record.reasons[0]


def test_a_measured_cell_holds_its_samples_phases_memory_and_digest(swept: Swept, trio: Path) -> None:
    record = of(swept, "fp32")
    assert record.latency is not None
    assert record.memory is not None
    assert len(record.latency.samples_ns) >= 20
    assert all(sum(samples) >= 0.25e9 for samples in record.latency.processes_ns)  # --quick times for 0.3 s, the loop itself included
    assert list(record.latency.stages_ns) == ["tokenise", "run", "decode"]
    assert len(record.cold) == len(record.latency.processes_ns) == 3
    assert all(cold.process_start_ns + cold.import_ns + cold.load_ns + cold.first_answer_ns == cold.total_ns for cold in record.cold)
    assert 0 < record.memory.baseline_bytes <= record.memory.peak_bytes
    assert record.artifact["sha256"] == hashlib.sha256((trio / "models" / "bag" / "bag.onnx").read_bytes()).hexdigest()
    assert record.engine["library"] == "onnxruntime"
    assert record.host["cores"] >= record.host["usable_cores"] >= 1


def test_strict_makes_the_status_4_where_a_cell_is_invalid(trio: Path) -> None:
    process = start(trio, "--backend", "onnxruntime", "--precision", "int8", "--strict", "-o", "out/strict.jsonl")
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 4
    assert "invalid [1]" in out
    assert "no cell is valid, so none is called the fastest" in out


def test_a_broken_budget_is_status_5_and_said_on_stderr(trio: Path) -> None:
    asked = ("--backend", "onnxruntime", "--precision", "fp32", "-o", "out/budget.jsonl", "--budget")
    out, err = (broken := start(trio, *asked, "p90 <= 1 ns", "--budget", "accuracy >= 0.5")).communicate(timeout=60)
    assert broken.returncode == 5
    (said,) = [line for line in err.splitlines() if line.startswith("budget: ")]
    assert said.startswith("budget: trio onnxruntime fp32 1 thread: p90 is ")
    assert out.startswith("trio, 1 thread")
    kept = start(trio, *asked, "accuracy >= 0.5")
    kept.communicate(timeout=60)
    assert kept.returncode == 0


def test_interrupted_it_says_how_many_records_are_kept(trio: Path) -> None:
    process = start(trio, "--backend", "tflite,onnxruntime", "-o", "out/cut.jsonl")
    assert process.stderr is not None
    assert process.stderr.readline().startswith("trio tflite * 1 thread: unsupported")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == ""
    assert err.splitlines()[-1] == "interrupted: 1 record is in out/cut.jsonl; the same command with -o out/cut.jsonl --resume goes on"
    assert [one.verdict for one in read_lines(trio / "out" / "cut.jsonl")] == ["unsupported"]


@pytest.mark.parametrize(
    ("form", "first"),
    [("table", "trio, 1 thread, real inputs\n"), ("md", "trio, 1 thread, real inputs\n"), ("csv", "model,backend,"), ("json", '{"schema":1,"spec":{')],
)
def test_nothing_supported_is_status_3_and_a_row_with_its_reason_in_every_format(at: Path, capsys: pytest.CaptureFixture[str], form: str, first: str) -> None:
    assert status(["bench", "trio", "-b", "tflite", "--format", form, "-o", "r.jsonl"]) == 3
    out = capsys.readouterr().out
    assert out.startswith(first)
    assert "tflite opens tflite files and card 'trio' has none; it has onnx/fp32, onnx/int8, onnx/int4" in out
    assert len(read_lines(at / "r.jsonl")) == 1


def test_the_same_file_again_is_added_to(at: Path) -> None:
    old = Record(spec=Spec(model="old", format="onnx", precision="fp32", backend="onnxruntime"), outcome="ok", verdict="valid")
    append(at / "r.jsonl", old)
    status(["bench", "trio", "-b", "tflite", "-o", "r.jsonl"])
    first, second = read_lines(at / "r.jsonl")
    assert (first, second.spec.model) == (old, "trio")


def test_without_a_file_named_the_records_are_in_results(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status(["bench", "trio", "-b", "tflite"])
    (file,) = (at / "results").glob("????????T??????Z.jsonl")
    assert capsys.readouterr().err.splitlines()[-1] == f"records: results/{file.name}"


@pytest.mark.usefixtures("at")
def test_dry_run_says_what_would_be_measured_and_measures_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["-b", "onnxruntime,tflite", "-p", "fp32,int8", "-t", "1,2", "-l", "8", "--quick", "--examples", "5"]
    assert status(["bench", "trio", *asked, "--dry-run"]) == 0
    assert capsys.readouterr() == (
        "trio onnxruntime fp32 1 thread 8 tokens: accuracy, latency, memory, cold\n"
        "trio onnxruntime fp32 2 threads 8 tokens: accuracy, latency, memory, cold\n"
        "trio onnxruntime int8 1 thread 8 tokens: accuracy, latency, memory, cold\n"
        "trio onnxruntime int8 2 threads 8 tokens: accuracy, latency, memory, cold\n"
        "trio tflite * 1 thread: unsupported (tflite opens tflite files and card 'trio' has none; it has onnx/fp32, onnx/int8, onnx/int4)\n"
        "trio: 5 examples of tiny-reviews\n"
        "4 cells, about 0:44\n",
        "",
    )
    assert not Path("results").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trioo"], "tinybert-wnut17. Did you mean 'trio'?"),
        (["trio", "-b", "onxruntime"],
         "there is no backend 'onxruntime'; there are executorch, fake, onnxruntime, openvino, tflite, torchscript. Did you mean 'onnxruntime'?"),
        (["trio", "-p", "int9"], "there is no precision 'int9' in trio; there are fp32, int4, int8. Did you mean 'int8'?"),
        (["trio", "--format", "josn"],
         "there is no report 'josn'; there are csv, html, json, md, parquet, pytest-benchmark, scores, table. Did you mean 'json'?"),
        (["trio", "--quick", "--full"], "--quick and --full exclude each other; give one of them"),
        (["trio", "--budget", "peek <= 5 MB"], "Did you mean 'peak'?"),
        (["trio", "--bound", "50"], "'50' is no length of time; give a number and its unit, e.g. 50ms"),
        (["trio", "-s", "sever"], "Did you mean 'server'?"),
        (["trio", "-t", "1,0"], "'1,0' is no list of numbers from 1 on; give e.g. 1,2"),
        (["trio", "-b", "tflite,"], "'tflite,' has an empty name; give names with commas between"),
    ],
)
@pytest.mark.usefixtures("at")
def test_wrong_usage_is_status_2_and_one_sentence_that_helps(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    assert status(["bench", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith("error: ")
    assert err.splitlines()[-1].endswith(said)


def test_records_that_cannot_be_written_are_found_before_anything_is_measured(
    at: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("edgebench.bench.run.Sweep.run", lambda _: pytest.fail("it measures"))
    (at / "file").write_bytes(b"")
    assert status(["bench", "trio", "-o", "file/r.jsonl"]) == 1
    assert capsys.readouterr() == ("", "error: a record cannot be written to file/r.jsonl: File exists; name another file with -o, or make room\n")


def test_a_profile_gives_threads_and_how_far_to_cool_unless_told_otherwise(at: Path, trio: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (trio / "devices").mkdir(exist_ok=True)
    (trio / "devices" / "desk.toml").write_text('schema = 1\nname = "desk"\nabout = ""\nreach = "local"\nthreads = [2]\ncool_to_c = 40.5\n')
    planned: list[Spec] = []
    monkeypatch.setattr("edgebench.cli.sweep.measure", lambda plan, *_, **__: planned.extend(plan.cells) or [])
    for more in ([], ["--cool-to", "60", "--threads", "1"]):
        status(["bench", "trio", "-b", "onnxruntime", "-p", "fp32", "--profile", "desk", *more])
    assert [(one.profile, one.threads, one.cool_to_c) for one in planned] == [("desk", 2, 40.5), ("desk", 1, 60)]


@pytest.mark.usefixtures("at")
def test_a_profiles_budgets_hold(trio: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], swept: Swept) -> None:
    (trio / "devices").mkdir(exist_ok=True)
    (trio / "devices" / "strict.toml").write_text('schema = 1\nname = "strict"\nabout = ""\nreach = "local"\nbudgets = ["median <= 1 ns"]\n')
    right = [one for one in read_lines(trio / "out" / "all.jsonl") if one.verdict in ("valid", "noisy")]
    monkeypatch.setattr("edgebench.cli.sweep.measure", lambda *_, **__: right)
    assert status(["bench", "trio", "--profile", "strict"]) == 5
    assert capsys.readouterr().err.splitlines()[-1].startswith("budget: trio onnxruntime fp32 1 thread: median ")


@pytest.mark.usefixtures("at")
def test_a_profile_of_another_machine_is_status_3_before_anything_is_measured(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    assert status(["bench", "trio", "--profile", "raspberry-pi-5"]) == 3
    assert capsys.readouterr().err == (
        "error: profile 'raspberry-pi-5' is of a device with aarch64, and this machine is riscv64; run edgebench on the device itself\n"
    )


# a sweep that was cut off


def test_a_killed_sweep_goes_on_where_it_was(trio: Path) -> None:
    asked = ("--backend", "onnxruntime", "--precision", "fp32,int8", "--format", "json", "-o", "out/killed.jsonl")
    parts = trio / "out" / "killed.jsonl.parts"
    process = start(trio, *asked)
    while process.poll() is None and (not parts.exists() or parts.read_bytes().count(b"\n") < 6):  # accuracy and memory of two cells, two timings
        time.sleep(0.02)
    process.kill()
    process.communicate(timeout=30)
    known = parts.read_bytes().count(b"\n")
    out, err = start(trio, *asked, "--resume").communicate(timeout=120)
    assert err.splitlines()[0] == f"measured before and not again: 0 records, and {known} passes of other cells"
    assert sorted((one.spec.precision, len(one.cold)) for one in read_lines(trio / "out" / "killed.jsonl")) == [("fp32", 3), ("int8", 3)]
    assert [json.loads(line)["spec"]["precision"] for line in out.splitlines()] == ["fp32", "int8"]
    assert not parts.exists()


def test_a_sweep_that_ended_has_nothing_left_to_do(swept: Swept, trio: Path) -> None:
    before = read_lines(trio / "out" / "all.jsonl")
    process = start(trio, "--backend", "onnxruntime,tflite", "--format", "json", "-o", "out/all.jsonl", "--resume")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert err.splitlines()[0] == "measured before and not again: 3 records, and 0 passes of other cells"
    after = read_lines(trio / "out" / "all.jsonl")
    assert after[:-1] == before
    assert after[-1].spec.precision == "int4"  # what failed is tried again
    assert len(out.splitlines()) == 4


@pytest.mark.usefixtures("at")
def test_resume_needs_the_file_that_it_goes_on_with(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["bench", "trio", "--resume"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "error: --resume goes on with a file of records; name it with -o"
