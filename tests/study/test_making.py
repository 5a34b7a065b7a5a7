"""What is missing is made by the commands that a person would give."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edgebench.errors import CardError
from edgebench.study import making
from edgebench.study.description import Study

INTO = Path("study")


def test_a_recipe_is_trained_and_exported(study: Study) -> None:
    job = making.job(study.model("small"), INTO, offline=True)
    assert job
    assert job.recipe is None
    assert job.commands == [
        ["train", "small", "--out", "study/runs/small", "--offline"], ["export", "study/runs/small", "--into", "study/models", "--offline"],
    ]


def test_a_technique_switched_off_is_a_recipe_of_its_own(study: Study) -> None:
    model = msgspec.structs.replace(study.model("small"), changes={"student.without": ["hidden"]})
    job = making.job(model, INTO, recipe={"name": "x", "student": {"layers": [1, 2]}})
    assert job
    assert job.recipe == (Path("study/recipes/small.toml"), {"name": "small", "student": {"layers": [1, 2], "without": ["hidden"]}})
    assert job.commands[0][:2] == ["train", "study/recipes/small.toml"]


def test_a_key_of_no_table_is_refused(study: Study) -> None:
    with pytest.raises(CardError, match="no table 'studnt' to set 'studnt.without' in; it has name"):
        making.changed({"name": "x"}, {"studnt.without": []})


def test_a_compression_has_the_arguments_of_the_command(study: Study) -> None:
    job = making.job(study.model("thinner"), INTO)
    assert job
    assert job.commands == [[
        "compress", "small", "--data", "sst2", "--method", "prune", "--keep", "0.5", "--bits", "8", "--cost", "4", "--epochs", "1", "--seed", "0",
        "--name", "thinner", "--into", "study/models",
    ]]


def test_how_long_it_takes_is_said_first(study: Study) -> None:
    jobs = [job for name in ("small", "thinner", "large") if (job := making.job(study.model(name), INTO))]
    assert making.outline(jobs) == "2 models to make, about 2.0 hours where the study was written: small, thinner"

