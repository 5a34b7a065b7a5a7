"""edgebench compare: what two files, or two cells measured in turn, give to print and to exit with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgebench.bench import pair
from edgebench.cli import status
from edgebench.record import Record, read_lines, write_lines
from tests.reports.conftest import cell
from tests.reports.test_pairs import answered, peak, timed

Files = Callable[[list[Record], list[Record]], list[str]]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    """Two sets of records as files in the working folder: their names."""
    monkeypatch.chdir(tmp_path)

    def write(a: list[Record], b: list[Record]) -> list[str]:
        for name, records in (("a.jsonl", a), ("b.jsonl", b)):
            Path(name).write_bytes(write_lines(records))
        return ["a.jsonl", "b.jsonl"]

    return write


def of(ms: float, **facts: Any) -> Record:
    """A valid cell whose three processes have medians 1 % apart."""
    return cell("onnxruntime", "int8", 1, **{"latency": timed([ms], [1.005 * ms], [1.01 * ms]), **facts})


# statuses


@pytest.mark.parametrize(
    ("b", "code"),
    [
        (of(2), 0), (of(1.8), 0), (of(2.2), 5), (of(2, memory=peak(90e6)), 5), (of(2, memory=peak(70e6)), 0),
        (of(2, accuracy=answered("nnnnnnnppp")), 5), (of(2, accuracy=answered("nnpppppppp")), 0),
    ],
    ids=["alike", "faster", "slower", "larger", "smaller", "less accurate", "by chance"],
)
def test_the_status_is_5_where_b_is_worse(b: Record, code: int, files: Files) -> None:
    a = of(2, accuracy=answered("p" * 10)) if b.accuracy and b.accuracy.references else of(2)
    assert status(["compare", *files([a], [b])]) == code


def test_how_much_slower_is_worse_can_be_told(files: Files) -> None:
    named = files([of(2)], [of(2.2)])
    assert status(["compare", *named, "--threshold", "5"]) == 5
    assert status(["compare", *named, "--threshold", "11"]) == 0


@pytest.mark.parametrize(
    ("b", "code"), [(of(2), 0), (of(2, verdict="noisy"), 4), (of(2, verdict="invalid"), 4), (of(2, latency=timed([2])), 4), (of(2.2, verdict="noisy"), 5)],
    ids=["valid", "noisy", "invalid", "undecided", "slower and noisy"],
)
def test_with_strict_what_is_not_sure_is_4(b: Record, code: int, files: Files) -> None:
    named = files([of(2)], [b])
    assert status(["compare", *named, "--strict"]) == code
    assert status(["compare", *named]) == (5 if code == 5 else 0)


def test_a_cell_that_failed_in_b_is_1(files: Files) -> None:
    failed = cell("onnxruntime", "int8", verdict="failed", reasons=["killed"])
    assert status(["compare", *files([of(2)], [failed])]) == 1
    assert status(["compare", *files([failed], [of(2)])]) == 0


@pytest.mark.parametrize("changes", [{"host": {"cpu": "Other CPU", "usable_cores": 4}}, {"accuracy": answered("pp", "pp")}], ids=["machine", "labelled set"])
def test_another_machine_or_set_is_refused_unless_insisted_on(changes: dict[str, Any], files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    named = files([of(2)], [of(2, **changes)])
    assert status(["compare", *named]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: these cannot be compared: ")
    assert err.endswith("; compare what was measured alike, or insist with --anyway\n")
    assert status(["compare", *named, "--anyway"]) == 0


# what is compared


def test_every_shared_cell_is_compared_and_the_others_are_named(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = [of(2), cell("tflite", "int8", 1)], [of(2), cell("torchscript", "int8", 1)]
    assert status(["compare", *files(a, b)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("tiny onnxruntime int8 1 thread\n")
    assert out.endswith("only A has tiny tflite int8 1 thread (valid)\nonly B has tiny torchscript int8 1 thread (valid)\n")


def test_json_alone_is_on_stdout(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["compare", *files([of(2)], [of(2.2)]), "--format", "json"]) == 5
    assert json.loads(capsys.readouterr().out)["pairs"][0]["worse"] == ["is slower"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a.jsonl", "c.jsonl"], "c.jsonl does not exist; give two files of records, as `edgebench bench -o` writes them"),
        (["a.jsonl", "bag"], "a.jsonl is a file of records and bag is none; give two files, or two cells as MODEL@BACKEND/PRECISION"),
        (["a.jsonl", "b.jsonl"], "a.jsonl and b.jsonl share no cell: the first has tiny onnxruntime int8 1 thread, tiny x int8 1 thread, the second tiny y"),
        (["bag@onnxruntime", "bag@"], "'bag@' names no cell; write MODEL@BACKEND/PRECISION"),
        (["bag@onnxruntime", "bag@onnxruntime,length=8"], "these cannot be compared: length: A own, B 8; another question was asked"),
        (["bag@onnxruntime", "bag@onnxruntime,thread=2"], "there is no option 'thread'"),
        (["a.jsonl"], "Missing argument 'B'"),
    ],
)
def test_what_cannot_be_compared_is_wrong_usage(arguments: list[str], said: str, files: Files, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files([of(2), cell("x", "int8", 1)], [cell("y", "int8", 1)])
    assert status(["compare", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_an_engine_that_cannot_run_a_side_here_is_3(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["compare", "bag@onnxruntime", "bag@tflite"]) == 3
    assert "tflite opens tflite files and card 'bag' has none" in capsys.readouterr().err


# in turn


def test_two_cells_are_measured_in_turn_and_their_records_kept(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pair, "EFFORT", replace(pair.EFFORT, min_runs=5, min_time_s=0.01, examples=8))
    code = status(["compare", "bag@onnxruntime/fp32", "bag@onnxruntime,threads=2", "--pairs", "2", "-o", "two.jsonl", "--format", "json"])
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert code in (0, 5)
    assert (found["paired"], found["pairs"][0]["time"]["n"], found["pairs"][0]["time"]["method"]) == (True, 2, "Student's t over pairs of processes")
    assert [one.spec.threads for one in read_lines(tmp_path / "two.jsonl")] in ([1, 2], [2, 1])
    assert err.endswith("records: two.jsonl\n")


def test_an_interruption_promises_no_resumption(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("edgebench.devices.local.LocalExecutor.run", interrupted)
    monkeypatch.chdir(home)
    assert status(["compare", "bag@onnxruntime", "bag@onnxruntime,threads=2"]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "interrupted: no record was finished"


def test_a_side_that_breaks_while_it_is_measured_is_1(
    bag_of_words: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bag").symlink_to(bag_of_words.parent / "bag")
    (tmp_path / "broken.onnx").write_bytes(b"no graph")
    digest = hashlib.sha256(b"no graph").hexdigest()
    broken = f'[[variants]]\nformat = "onnx"\nprecision = "int4"\nfile = "broken.onnx"\nsha256 = "{digest}"\nsize_bytes = 8\n'
    (tmp_path / "bag.toml").write_text(bag_of_words.read_text() + broken)
    monkeypatch.chdir(tmp_path)
    assert status(["compare", "bag.toml@onnxruntime/int4", "bag.toml@onnxruntime/int4", "--pairs", "2"]) == 1
    said = capsys.readouterr().err
    assert "bag.toml onnxruntime int4 1 thread: failed (" in said
    assert "broken.onnx is no ONNX file (wire type 6 at byte 1); no engine is given what cannot be looked through" in said
