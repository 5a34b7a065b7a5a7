"""A study's file is checked before anything runs, and says which models each table is about."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebench.errors import CardError, UsageError
from edgebench.study import description
from edgebench.study.description import FOLDER, Study
from tests.study.conftest import STUDY


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_every_bundled_study_can_be_read(path: Path) -> None:
    assert description.read(path).name == path.stem


def test_the_bundled_study_has_each_table_of_the_field() -> None:
    names = [one.name for one in description.read(description.find("field")).tables]
    assert {"before-after", "tinybert", "mobilebert", "adabert", "methods", "engines", "tasks", "sensitivity", "cures", "claims"} <= set(names)


@pytest.mark.parametrize(("was", "becomes", "said"), [
    ('model = "thinner" }', 'model = "thiner" }', "names model 'thiner', which is not described. Did you mean 'thinner'?"),
    ("schema = 1", "schema = 9", "schema is 9"),
    ('name = "large"', 'name = "small"', "model 'small' is described twice"),
    ('name = "engines"', 'name = "pair"', "table 'pair' is described twice"),
    ('minutes = 30', 'recipe = "small"', "more than one of recipe, compress and shape"),
    ("minutes = 90", "minuts = 90", "Did you mean 'minutes'?"),
])  # fmt: skip
def test_a_mistake_is_named_with_its_place(tmp_path: Path, was: str, becomes: str, said: str) -> None:
    path = tmp_path / "two.toml"
    path.write_text(STUDY.replace(was, becomes, 1))
    with pytest.raises(CardError, match="two.toml") as error:
        description.read(path)
    assert said in str(error.value)


def test_a_study_that_is_not_there_is_told_from_those_that_are() -> None:
    with pytest.raises(UsageError, match="no study 'feld'; there are field.* Did you mean 'field'"):
        description.find("feld")


def test_a_table_is_about_its_rows_teacher_claims_and_cures(study: Study) -> None:
    assert {table.name: description.named(table) for table in study.tables} == {
        "pair": ["large", "small", "thinner"], "engines": ["small"], "losses": [], "claims": ["small", "large"], "cures": ["large", "small"],
    }


def test_only_the_tables_asked_for_are_kept(study: Study) -> None:
    assert [one.name for one in description.narrowed(study, ("cures", "pair")).tables] == ["pair", "cures"]
    with pytest.raises(UsageError, match="has no table 'engine'; it has pair, .* Did you mean 'engines'"):
        description.narrowed(study, ("engine",))
