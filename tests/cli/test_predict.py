"""edgebench predict: texts from arguments and standard input, text and JSON out, errors in one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from edgebench.cli import group
from edgebench.cli.predict import _array, command
from edgebench.errors import InputError, UsageError

pytestmark = pytest.mark.usefixtures("home")


def test_each_text_gets_a_line_with_its_label_and_score() -> None:
    assert CliRunner().invoke(command, ["bag", "good film", "bad"]).output == "positive  0.881  good film\nnegative  0.881  bad\n"


def test_json_is_one_object_a_line_and_nothing_else() -> None:
    lines = [json.loads(line) for line in CliRunner().invoke(command, ["bag", "good", "é", "--format", "json"]).output.splitlines()]
    assert [line["input"] for line in lines] == ["good", "é"]
    assert lines[0]["label"] == "positive"
    assert lines[0]["truncated"] is False
    assert lines[0]["scores"]["negative"] == pytest.approx(0.1192029, abs=1e-6)


def test_lines_of_standard_input_are_read_when_there_is_no_text() -> None:
    assert CliRunner().invoke(command, ["bag"], input="good\n\nbad\r\n").output == "positive  0.881  good\nnegative  0.500  \nnegative  0.881  bad\n"


def test_a_line_that_is_no_utf8_is_named() -> None:
    result = CliRunner().invoke(command, ["bag"], input=b"good\nb\xffd\n")
    assert isinstance(result.exception, InputError)
    assert "line 2 is not UTF-8 (byte 0xff at 1)" in str(result.exception)


def test_save_is_for_one_picture(home: Path) -> None:
    assert "--save writes what was found in one picture; bag was asked about 1 texts" in str(
        CliRunner().invoke(command, ["bag", "good", "--save", str(home / "x.png")]).exception
    )


def test_a_label_map_is_runs_that_can_be_undone() -> None:
    mask = np.array([[0, 0, 3], [3, 3, 1]], np.uint8)
    found = _array(mask)
    assert found == {"shape": [2, 3], "runs": [[0, 2], [3, 3], [1, 1]]}
    assert np.repeat(*np.array(found["runs"]).T).reshape(found["shape"]).tolist() == mask.tolist()
    assert _array(np.array([0.5, 1.0], np.float32)) == [0.5, 1.0]


def test_an_unknown_model_is_wrong_usage() -> None:
    assert isinstance(CliRunner().invoke(command, ["nothing", "good"]).exception, UsageError)


def test_a_text_that_is_cut_says_so() -> None:
    assert "cut: longer than the model reads" in CliRunner().invoke(group, ["predict", "bag", "good " * 40]).output
