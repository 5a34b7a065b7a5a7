"""A study of two models, with records made by hand: what each table is told from, and what must not be told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgebench.change import Change
from edgebench.record import Record, Work
from edgebench.study.description import Study, read
from edgebench.study.evidence import Evidence
from tests.reports.conftest import accuracy, cell

STUDY = """
schema = 1
name = "two"
title = "Two models"
about = "A small one beside its teacher."

[[models]]
name = "large"
about = "the teacher"

[[models]]
name = "small"
about = "the student"
recipe = "small"
minutes = 90

[[models]]
name = "thinner"
about = "never made"
minutes = 30
[models.compress]
source = "small"
data = "sst2"
method = "prune"

[[tables]]
name = "pair"
title = "Before and after"
teacher = "large"
rows = [{ model = "large" }, { model = "small" }, { model = "thinner" }]

[[tables.published]]
model = "someone's"
says = "99 %"
source = "their paper"

[[tables]]
name = "engines"
title = "Engines"
kind = "engines"
figure = "time"
rows = [{ model = "small", precisions = ["fp32"] }]

[[tables]]
name = "losses"
title = "What loses"
kind = "sensitivity"
model = "small"

[[tables]]
name = "claims"
title = "Claims"
kind = "claims"
[[tables.claims]]
paper = "Someone"
says = "is 5 times smaller"
model = "small"
against = "large"
measure = "smaller"
low = 5.0
[[tables.claims]]
paper = "Someone"
says = "is 3 times faster"
model = "small"
against = "large"
measure = "faster"
low = 3.0

[[tables]]
name = "cures"
title = "Cures"
kind = "cures"
[[tables.cures]]
loses = "being small"
cure = "being large"
whole = "large"
without = "small"
cured = "large"
"""
REFERENCES = ["a", "b"] * 50


def answered(wrong: int, **facts: Any) -> Any:
    """An accuracy of 100 answers, the first `wrong` of them wrong."""
    predictions = ["no" if place < wrong else reference for place, reference in enumerate(REFERENCES)]
    made = msgspec.structs.replace(accuracy(1 - wrong / 100), n=100, predictions=predictions, references=REFERENCES)
    return msgspec.structs.replace(made, **facts)


def of(model: str, precision: str, ms: float, wrong: int, size: int, backend: str = "onnxruntime", **facts: Any) -> Record:
    return cell(
        backend, precision, ms, spec={"model": model}, accuracy=answered(wrong), artifact={"size_bytes": size},
        **{"work": Work(ops=2e6, bytes=1e6, precision="fp32", counted="a test"), **facts},
    )


def change(kind: Any = "none", part: str = "all", amount: float = 0, *, lost: int = 0, won: int = 0) -> Change:
    return Change(
        model="small", sha256="00", kind=kind, part=part, amount=amount, dataset="sst2", rows="200 rows", rows_sha256="11", n=200,
        right=190 - lost + won, lost=lost, won=won, agreement=1.0, parameters=1000,
    )


CHANGES = [
    change(), change("bits", "all", 8), change("bits", "words", 8), change("bits", "all", 2, lost=80), change("bits", "words", 2, lost=60),
    change("bits", "all but words", 2, lost=5), change("layer", "layer 1", lost=3, won=2), change("layer", "layer 2", lost=40),
]


@pytest.fixture
def study(tmp_path: Path) -> Study:
    path = tmp_path / "two.toml"
    path.write_text(STUDY)
    return read(path)


@pytest.fixture
def records() -> list[Record]:
    """The teacher is right on 98 of 100, the student on 90 in fp32 (10 MB against 60), and three times as fast."""
    return [
        of("large", "fp32", 30, 2, 60_000_000), of("small", "fp32", 10, 10, 10_000_000), of("small", "int8", 5, 11, 2_500_000),
        of("small", "fp32", 20, 10, 10_500_000, "tflite"),
    ]


@pytest.fixture
def evidence(study: Study, records: list[Record]) -> Evidence:
    return Evidence(study=study, records=records, changes=CHANGES)


