"""edgebench study: a first run measures and tells, a second measures nothing, and what is missing is told with its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebench.cli import status
from edgebench.record import read_lines

pytest.importorskip("matplotlib", reason="figures need matplotlib; install edgebench[report]")

STUDY = """
schema = 1
name = "mine"
title = "A bag of words"
about = "One model."
[[models]]
name = "bag"
about = "the bag"
[[models]]
name = "gone"
about = "never made"
minutes = 7
[models.compress]
source = "bag"
data = "sst2"
method = "prune"
[[tables]]
name = "all"
title = "All"
rows = [{ model = "bag" }, { model = "gone" }]
[[tables]]
name = "engines"
title = "Engines"
kind = "engines"
rows = [{ model = "bag" }]
"""


@pytest.fixture(autouse=True)
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EDGEBENCH_DATA", raising=False)
    (tmp_path / "mine.toml").write_text(STUDY)
    return tmp_path


def test_it_measures_once_and_tells(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["study", "mine.toml", "--into", "out", "--quick", "-b", "onnxruntime"]
    assert status(asked) == 0
    first = (at / "out" / "records.jsonl").read_bytes()
    (record,) = read_lines(at / "out" / "records.jsonl")
    assert record.work is not None
    text = (at / "out" / "report.md").read_text()
    assert "| the bag | fp32 |" in text
    assert "not made here: \\`edgebench study --train\\`" in text
    assert "<h2>Engines</h2>" in (at / "out" / "index.html").read_text()
    capsys.readouterr()
    assert status(asked) == 0
    assert "measured before and not again: 1 record" in capsys.readouterr().err
    assert (at / "out" / "records.jsonl").read_bytes() == first


def test_nothing_is_measured_where_none_is_asked_for(at: Path) -> None:
    assert status(["study", "mine.toml", "--into", "out", "--no-measure"]) == 0
    assert not (at / "out" / "records.jsonl").exists()
    assert "Nothing was timed." in (at / "out" / "report.md").read_text()


def test_how_long_making_takes_is_said_before_anything_starts(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["study", "mine.toml", "--into", "out", "--train", "--dry-run", "-b", "onnxruntime"]) == 0
    out, err = capsys.readouterr()
    assert "1 model to make, about 7 minutes where the study was written: gone" in err
    assert "bag onnxruntime fp32 1 thread: accuracy, latency, memory, cold, work, energy" in out
    assert not (at / "out").exists()


@pytest.mark.parametrize(("arguments", "said"), [
    (["study", "feld"], "no study 'feld'; there are field"), (["study", "mine.toml", "--only", "engine"], "Did you mean 'engines'?"),
])  # fmt: skip
def test_what_is_not_there_is_named(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(arguments) == 2
    assert said in capsys.readouterr().err


def test_lines_from_elsewhere_are_taken_in(at: Path) -> None:
    (at / "log.jsonl").write_text('{"recipe": "gone", "variant": "whole", "seed": 1, "dataset": "sst2", "n": 100, "correct": 80}\n')
    assert status(["study", "mine.toml", "--into", "out", "--no-measure", "--records", "log.jsonl"]) == 0
    assert "| never made | fp32 | 80.0 % ±" in (at / "out" / "report.md").read_text()


@pytest.mark.slow
def test_cells_go_to_the_workers_of_a_cluster_that_carry_the_device(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    distributed = pytest.importorskip("distributed", reason="needs edgebench[fleet]")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, resources={"host": 1}, dashboard_address=None, protocol="tcp", host="127.0.0.1",
    ) as cluster:
        assert status(["study", "mine.toml", "--into", "out", "--quick", "-b", "onnxruntime", "--cluster", cluster.scheduler_address]) == 0
    (record,) = read_lines(at / "out" / "records.jsonl")
    assert record.latency is not None
    assert "| the bag | fp32 |" in (at / "out" / "report.md").read_text()
