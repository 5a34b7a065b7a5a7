"""How long the first command of the README takes, once everything is installed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import fresh

pytestmark = pytest.mark.benchmark_figures


def test_the_default_sweep_is_soon_done(card_path: Path, tmp_path: Path, figure: Callable[..., None]) -> None:
    output = tmp_path / "records.jsonl"
    sweep = fresh([sys.executable, "-m", "edgebench", "bench", "-o", str(output)])
    verdicts = [json.loads(line)["verdict"] for line in output.read_text().splitlines()]
    figure("edgebench bench, s", sweep.wall_s, "<= 90", n=1, verdicts=verdicts)
    assert sweep.wall_s <= 90
    assert "valid" in verdicts
