"""What is measured follows from the tables; a model that is not here is a gap with its reason."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edgebench.bench.plan import QUICK
from edgebench.study import planning
from edgebench.study.description import Study, read

ONE = """
schema = 1
name = "one"
title = "One"
about = "One model."
[[models]]
name = "bag"
about = "a bag of words"
[[models]]
name = "gone"
about = "not here"
[[tables]]
name = "t"
title = "T"
rows = [{ model = "bag" }, { model = "gone" }]
[[tables]]
name = "short"
title = "S"
length = 8
rows = [{ model = "bag" }]
"""


def made(folder: Path, bag: Path, dataset: str = "sst2") -> None:
    """A copy of "bag" under the name "gone"."""
    shutil.copytree(bag.parent / "bag", folder / "bag")
    (folder / "gone.toml").write_text(bag.read_text().replace('name = "bag"', 'name = "gone"').replace('"sst2"', f'"{dataset}"'))


@pytest.fixture
def one(tmp_path: Path) -> Study:
    path = tmp_path / "one.toml"
    path.write_text(ONE)
    return read(path)


@pytest.mark.usefixtures("home")
def test_cells_are_of_the_lengths_that_tables_ask_for(one: Study, tmp_path: Path) -> None:
    found = planning.look(one, tmp_path / "models")
    sweep = planning.plan(one, found, tmp_path / "models", effort=QUICK, backends=("onnxruntime",))
    assert [(spec.model, spec.precision, spec.length) for spec in sweep.cells] == [("bag", "fp32", None), ("bag", "fp32", 8)]
    assert {"work", "energy", "accuracy", "latency"} <= set(sweep.cells[0].passes)


@pytest.mark.usefixtures("home")
def test_a_model_that_is_not_here_has_no_cell(one: Study, tmp_path: Path) -> None:
    assert list(planning.look(one, tmp_path / "models").cards) == ["bag"]


@pytest.mark.usefixtures("home")
def test_what_the_study_made_comes_before_the_catalogue(one: Study, tmp_path: Path, bag_of_words: Path) -> None:
    made(tmp_path / "made", bag_of_words)
    found = planning.look(one, tmp_path / "made")
    sweep = planning.plan(one, found, tmp_path / "made", effort=QUICK, backends=("onnxruntime",))
    assert [Path(spec.model).name for spec in sweep.cells] == ["bag", "bag", "gone.toml"]


@pytest.mark.usefixtures("home")
def test_data_that_is_not_here_is_the_reason(one: Study, tmp_path: Path, bag_of_words: Path) -> None:
    made(tmp_path / "made", bag_of_words, dataset="nowhere")
    found = planning.look(one, tmp_path / "made")
    planning.plan(one, found, tmp_path / "made", effort=QUICK, backends=("onnxruntime",))
    assert "nowhere" in found.gaps["gone"]
