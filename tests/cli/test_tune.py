"""`edgebench tune` writes a file that `load` takes, and says what it is worth."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import edgebench
from edgebench.cli.tune import command


@pytest.mark.slow
def test_a_model_is_tuned_and_the_file_opens(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGEBENCH_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(command, ["bag", "--time", "1 s", "--threads", "1", "-b", "onnxruntime"])
    assert done.exit_code == 0, done.output
    assert "take onnxruntime, fp32, 1 thread" in done.output
    with edgebench.load("bag-tuned.toml") as pipe:
        assert pipe("good film").label == "positive"
    told = (tmp_path / "bag-tuned.toml").read_text()
    assert 'deploys = "bag"' in told
    assert "threads = 1\n" in told
    assert "ratio_95 = [" in told
