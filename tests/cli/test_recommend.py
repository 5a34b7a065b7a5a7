"""edgebench recommend: which file it reads, what its options mean, and what it exits with."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from edgebench.cli import status
from edgebench.record import Record, write_lines
from tests.reports.test_pairs import answered
from tests.reports.test_recommend import of


@pytest.fixture(autouse=True)
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(name: str, *records: Record) -> str:
    path = Path(name)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(write_lines(records))
    return name


def picked(capsys: pytest.CaptureFixture[str]) -> str | None:
    """The engine of the cell to take, as JSON on stdout says it."""
    (question,) = json.loads(capsys.readouterr().out)["questions"]
    return question["pick"] and question["pick"]["cell"].split()[1]


def test_the_newest_file_of_results_is_read_unless_one_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    for place, name in enumerate(("old", "new", "middle")):
        os.utime(written(f"results/{name}.jsonl", of(name, 1)), times=(0, [10, 30, 20][place]))
    assert status(["recommend", "--format", "json"]) == 0
    assert picked(capsys) == "new"
    assert status(["recommend", "results/old.jsonl", "--format", "json"]) == 0
    assert picked(capsys) == "old"


def test_several_files_are_chosen_among_together(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["recommend", written("a.jsonl", of("a", 2)), written("b.jsonl", of("b", 1)), "--format", "json"]) == 0
    assert picked(capsys) == "b"


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ([], "a"), (["--max-latency", "1.5ms"], "a"), (["--max-latency", "3 ms", "--max-memory", "90 MB"], "b"), (["--min-accuracy", "0.91"], "c"),
        (["--min-accuracy", "91 %"], "c"), (["--max-size", "10MB"], "d"), (["--budget", "peak <= 75 MB"], "d"), (["--prefer", "accuracy"], "c"),
    ],
    ids=" ".join,
)
def test_limits_and_what_is_preferred_decide(options: list[str], name: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = written("x.jsonl", of("a", 1, 100), of("b", 2, 80), of("c", 4, 100, 0.93), of("d", 8, 70, artifact={"size_bytes": 9_000_000}))
    assert status(["recommend", file, *options, "--format", "json"]) == 0
    assert picked(capsys) == name


def test_where_nothing_keeps_the_limits_the_status_is_5_and_why_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["recommend", written("x.jsonl", of("a", 1)), "--max-memory", "10MB"]) == 5
    out = capsys.readouterr().out
    assert "take none: no valid cell keeps every limit\npeak <= 10.0 MB: nearest is tiny a int8 1 thread: peak is 80.0 MB" in out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "there is no file of records in results/; measure with `edgebench bench`, or name a file"),
        (["none.jsonl"], 2, "none.jsonl does not exist; name a file of records"),
        (["empty.jsonl"], 2, "empty.jsonl: there is no record; measure with `edgebench bench`"),
        (["broken.jsonl"], 1, "broken.jsonl line 1 is no record of schema 1"),
        (["x.jsonl", "--max-latency", "50"], 2, "budget 'median <= 50': '50' is no time; give a number and its unit"),
        (["x.jsonl", "--budget", "peek <= 1 MB"], 2, "Did you mean 'peak'?"), (["x.jsonl", "--prefer", "beauty"], 2, "beauty"),
        (["x.jsonl", "y.jsonl"], 2, "the records are of 2 labelled sets (sst2 00 n = 872 | ten ab n = 10), which cannot be chosen among; give files of one"),
    ],
)
def test_what_cannot_be_chosen_among_says_why(arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    written("x.jsonl", of("a", 1))
    written("y.jsonl", of("a", 1, right=answered("pppppppppp")))
    written("empty.jsonl")
    Path("broken.jsonl").write_text('{"schema": 1}\n')
    assert status(["recommend", *arguments]) == code
    assert said in capsys.readouterr().err
