"""From a teacher to a drawn, trained and exported net of cells."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.train.conftest import NEEDS

torch = pytest.importorskip("torch", reason=NEEDS)
pytest.importorskip("transformers", reason=NEEDS)

from edgebench.train import nets  # noqa: E402
from edgebench.train.adabert import adabert, lasting  # noqa: E402
from edgebench.train.data import Examples  # noqa: E402
from edgebench.train.loop import accuracy  # noqa: E402


def test_a_teacher_becomes_a_net_of_cells_that_knows_its_task(weights: Path, examples: Examples, tmp_path: Path) -> None:
    teacher, stages = nets.load_pretrained(weights, labels=2), []
    how = replace(lasting(6, 8, 1.0), width=16, deepest=2, operations=("conv3", "max3", "identity", "zero"))
    small, found = adabert(teacher, examples, tmp_path, how, seed=0, progress=lambda stage, *_: stages.append(stage))
    assert list(dict.fromkeys(stages)) == ["probes", "search", "retrain"]
    assert accuracy(small, examples) > 0.95
    assert len(small.cells) == found.depth <= 2
    assert json.loads((tmp_path / "architecture.json").read_text())["edges"][0].keys() == {"source", "target", "operation"}
    assert (tmp_path / "cell.svg").read_text().count("<path") == len(found.edges)
