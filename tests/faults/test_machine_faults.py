"""What may befall the machine: full and read-only disks, no more open files, two sweeps at once, Ctrl-C, a clock that goes back. No record is lost."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgebench import cli, record, whole
from edgebench.bench import verdict
from edgebench.bench.job import Answer, Job
from edgebench.bench.journal import Journal
from edgebench.devices.local import LocalExecutor
from edgebench.devices.profile import Profile
from edgebench.record import Record, Spec
from tests.faults import bundle
from tests.faults.conftest import Try

HERE = Profile(1, "host", "this machine", "local")
SPEC = Spec(model="bag", format="fake", precision="fp32", backend="fake")
ONE = Record(spec=SPEC, outcome="ok", verdict="valid", id="one", host={"text": "x" * 1000})


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 kB."""
    with mounted(tmp_path / "small", "size=64k") as folder:
        yield folder


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no file system may be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Leave no block free."""
    with contextlib.suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def missing(path: Path, ids: set[str]) -> int:
    """How many of the records are not in the file, or are there twice."""
    found = [one.id for one in record.read_lines(path)]
    return len(ids - set(found)) + len(found) - len(set(found))


# a full disk


def test_a_record_that_does_not_fit_leaves_the_file_as_it_was(try_out: Try, small: Path) -> None:
    path, kept = small / "records.jsonl", set[str]()

    def until_full() -> None:
        for number in range(1000):
            record.append(path, Record(spec=SPEC, outcome="ok", verdict="valid", id=f"{number}", host={"text": "x" * 1000}))
            kept.add(f"{number}")

    said = try_out("machine", "the disk is full: records", "EdgebenchError", until_full, lost=lambda: missing(path, kept))
    assert "No space left on device" in said
    assert kept


def test_an_answer_that_does_not_fit_in_the_journal_is_told(try_out: Try, small: Path) -> None:
    record.append(small / "records.jsonl", ONE)
    fill(small)

    def asked() -> None:
        with Journal(small / "records.jsonl", lambda _: Answer(notes=["x" * 5000]), machine="here", resume=False) as journal:
            journal(Job(spec=SPEC, part="cold", examples=[]))

    said = try_out("machine", "the disk is full: the journal", "EdgebenchError", asked, lost=lambda: missing(small / "records.jsonl", {"one"}))
    assert "No space left on device" in said


def test_a_report_that_does_not_fit_leaves_the_old_one(try_out: Try, small: Path, tmp_path: Path) -> None:
    record.append(tmp_path / "records.jsonl", ONE)
    (small / "report.html").write_text("the old one")
    fill(small)
    arguments = ["report", str(tmp_path / "records.jsonl"), "-o", str(small / "report.html")]
    try_out("machine", "the disk is full: a report", "exit 1", lambda: cli.status(arguments))
    assert sorted(os.listdir(small)) == ["filler", "report.html"]
    assert (small / "report.html").read_text() == "the old one"


def test_a_model_that_does_not_fit_is_not_added(
    try_out: Try, small: Path, bundled: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    card = bundled("onnx", bundle.onnx())
    monkeypatch.setenv("EDGEBENCH_HOME", str(small))
    fill(small)
    try_out("machine", "the disk is full: adding a model", "exit 1", lambda: cli.status(["models", "add", str(card)]))
    assert "No space left on device" in capsys.readouterr().err
    assert not (small / "models" / "model.toml").exists()


def test_a_full_temporary_folder_is_one_failed_pass(try_out: Try, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(small)
    monkeypatch.setattr("tempfile.tempdir", str(small))
    executor = LocalExecutor(HERE, worker=("-c", "pass"))
    said = try_out("machine", "the disk is full: the temporary folder", "DeviceError", lambda: executor.run(Job(spec=SPEC, part="cold", examples=["x" * 9000])))
    assert "No space left on device" in said
    assert os.listdir(small) == ["filler"]


# a disk that nobody may write to


@pytest.fixture
def sealed(tmp_path: Path) -> Iterator[Path]:
    """A disk that can only be read; it holds a report."""
    with mounted(tmp_path / "sealed", "size=64k") as folder:
        (folder / "report.html").write_text("the old one")
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        yield folder


READ_ONLY = {
    "records": lambda folder, card: ["bench", str(card), "-b", "fake", "-o", str(folder / "records.jsonl")],
    "a report": lambda folder, card: ["report", str(card.parent / "records.jsonl"), "-o", str(folder / "report.html")],
    "plots": lambda folder, card: ["report", str(card.parent / "records.jsonl"), "--plots", str(folder / "plots")],
}


@pytest.mark.parametrize("what", READ_ONLY)
def test_a_folder_that_can_only_be_read_is_one_sentence(
    try_out: Try, sealed: Path, bundled: Callable[..., Path], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    card = bundled("fake", bundle.FAKE.encode())
    record.append(card.parent / "records.jsonl", ONE)
    try_out("machine", f"a folder that can only be read: {what}", "exit 1", lambda: cli.status(READ_ONLY[what](sealed, card)))
    assert "Read-only file system" in capsys.readouterr().err
    assert (sealed / "report.html").read_text() == "the old one"


# no more open files


def test_no_more_open_files_is_one_failed_pass(try_out: Try) -> None:
    executor = LocalExecutor(HERE, worker=("-c", "pass"))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    kept = []

    def starved() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
        try:
            with contextlib.suppress(OSError):
                while True:
                    kept.append(os.open("/dev/null", os.O_RDONLY))
            executor.run(Job(spec=SPEC, part="cold", examples=[]))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for number in kept:
                os.close(number)

    assert "Too many open files" in try_out("machine", "no more files can be opened: a pass", "DeviceError", starved)


# several at once


def test_two_sweeps_do_not_share_a_file(try_out: Try, tmp_path: Path) -> None:
    record.append(tmp_path / "records.jsonl", ONE)
    with Journal(tmp_path / "records.jsonl", lambda _: Answer(), machine="here", resume=False) as one:
        one(Job(spec=SPEC, part="cold", examples=[]))
        second = lambda: Journal(tmp_path / "records.jsonl", lambda _: Answer(), machine="here", resume=False)  # noqa: E731
        said = try_out("machine", "two sweeps write to one file", "UsageError", second, lost=lambda: missing(tmp_path / "records.jsonl", {"one"}))
        assert "another sweep is writing" in said
        assert one.path.stat().st_size


def test_records_of_many_processes_are_all_there(try_out: Try, tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom edgebench import record\nfrom edgebench.record import Record, Spec\n"
        "for number in range(20):\n"
        "    spec = Spec(model='m', format='f', precision='p', backend='b')\n"
        "    record.append(Path(sys.argv[1]), Record(spec=spec, outcome='ok', verdict='valid', id=f'{sys.argv[2]}-{number}', host={'x': 'y' * 9000}))\n"
    )
    path = tmp_path / "records.jsonl"

    def all_at_once() -> None:
        running = [subprocess.Popen([sys.executable, "-c", program, str(path), f"{one}"]) for one in range(4)]
        assert [one.wait() for one in running] == [0] * 4

    ids = {f"{one}-{number}" for one in range(4) for number in range(20)}
    try_out("machine", "four processes append to one file", "answers", all_at_once, lost=lambda: missing(path, ids))


# a power cut


@pytest.mark.parametrize("share", range(10, 100, 20))
def test_a_line_that_a_power_cut_left_half_is_not_a_record_and_harms_none(try_out: Try, tmp_path: Path, share: int) -> None:
    path, line = tmp_path / "records.jsonl", record.to_json(ONE)
    record.append(path, ONE)
    with path.open("ab") as file:
        file.write(line[: len(line) * share // 100])
    again = Record(spec=SPEC, outcome="ok", verdict="valid", id="two")
    name = f"a power cut after {share} % of a record"
    try_out("machine", name, "answers", lambda: record.append(path, again), lost=lambda: missing(path, {"one", "two"}))


def test_a_power_cut_while_a_report_is_written_leaves_the_old_one(try_out: Try, tmp_path: Path) -> None:
    whole.write(tmp_path / "report", "the old one")
    program = (
        "import os, sys\nfrom pathlib import Path\nfrom edgebench import whole\n"
        "with whole.writing(Path(sys.argv[1])) as file:\n    file.write(b'half')\n    os.kill(os.getpid(), 9)\n"
    )
    cut = lambda: subprocess.run([sys.executable, "-c", program, str(tmp_path / "report")]).returncode and None  # noqa: E731
    try_out("machine", "killed while a report is written", "answers", cut)
    assert (tmp_path / "report").read_text() == "the old one"


# the clock


def test_a_clock_that_goes_back_loses_no_record_and_no_file(try_out: Try, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgebench.cli import sweep

    monkeypatch.chdir(tmp_path)
    stamps = iter(["2026-01-01T00:00:10Z", "2026-01-01T00:00:03Z", "1970-01-01T00:00:00Z"])
    monkeypatch.setattr(verdict, "utc", lambda: next(stamps))

    def kept() -> None:
        for number in range(3):
            record.append(tmp_path / "records.jsonl", Record(spec=SPEC, outcome="ok", verdict="valid", id=f"{number}", started_at=verdict.utc()))
        first = sweep.new_file()
        first.parent.mkdir()
        first.touch()
        assert sweep.new_file() != first

    try_out("machine", "the clock is set back between records", "answers", kept, lost=lambda: missing(tmp_path / "records.jsonl", {"0", "1", "2"}))


def test_times_are_taken_from_a_clock_that_nobody_sets(try_out: Try) -> None:
    def monotonic() -> None:
        assert not time.get_clock_info("perf_counter").adjustable
        assert not time.get_clock_info("monotonic").adjustable

    try_out("machine", "the clock is set while a call is timed", "answers", monotonic)


# Ctrl-C


def interrupted(card: Path, output: Path, after_s: float) -> int:
    """The exit status of a sweep that gets Ctrl-C so long after its start, or its own."""
    command = [sys.executable, "-m", "edgebench", "bench", str(card), "-b", "fake", "--quick", "-t", "1,2,3", "-o", str(output), "--resume", "--format", "json"]
    with (output.parent / "log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            return process.wait(after_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGINT)
            return process.wait(120)


def swept(try_out: Try, card: Path, output: Path, times: int) -> None:
    """Interrupt a sweep so many times, each at a random moment, then let it end: every cell has one good record, none is there twice."""
    draw, statuses = random.Random(8), list[int]()

    def torture() -> None:
        for _ in range(times):
            statuses.append(interrupted(card, output, draw.uniform(0.3, 6.0)))
        statuses.append(interrupted(card, output, 600))

    def lost() -> int:
        found = [one for one in record.read_lines(output) if one.outcome == "ok" and not any(note.startswith("interrupted") for note in one.notes)]
        return abs(len(found) - 3) + abs(len({one.spec.threads for one in found}) - 3)

    try_out("machine", f"Ctrl-C at a random moment, {times} times, then --resume", "answers", torture, tries=times, lost=lost)
    assert set(statuses) <= {0, 130, -signal.SIGINT}, statuses
    assert statuses[-1] == 0
    assert not output.with_name(output.name + ".parts").exists()


@pytest.mark.slow
def test_ctrl_c_fifty_times_loses_nothing(try_out: Try, bundled: Callable[..., Path], tmp_path: Path) -> None:
    swept(try_out, bundled("fake", bundle.FAKE.encode()), tmp_path / "records.jsonl", 50)


