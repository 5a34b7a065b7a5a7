"""The drawings of found cells in docs/ are those of the genotypes in the records of trainings, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from tests.train.conftest import NEEDS

pytest.importorskip("torch", reason=NEEDS)
pytest.importorskip("transformers", reason=NEEDS)

from edgebench.train.cells import Architecture
from edgebench.train.search import draw

DOCS = Path(__file__).resolve().parents[2] / "docs"
LINES = [json.loads(line) for line in (DOCS / "measured" / "training.jsonl").read_text().splitlines()]
FOUND = {one["recipe"]: one["found"] for one in LINES if one["found"] and one["variant"] == "whole" and not one["recipe"].endswith("-ablations")}


@pytest.mark.parametrize("recipe", sorted(FOUND))
def test_a_cell_is_drawn_as_it_was_found(recipe: str) -> None:
    said = {key: value for key, value in FOUND[recipe].items() if key != "cost"}
    text = (DOCS / f"{recipe}.svg").read_text()
    assert text == draw(msgspec.convert(said, Architecture))
    words = [one.text for one in ElementTree.fromstring(text).iter() if one.tag.endswith("text")]
    assert sorted(words) == sorted(["before", "input", *(f"node {at + 1}" for at in range(said["nodes"])), *(one["operation"] for one in said["edges"])])


def test_two_tasks_gave_two_nets() -> None:
    cells = [json.dumps(one["edges"]) + str(one["depth"]) for one in FOUND.values()]
    assert len(set(cells)) == len(cells)
