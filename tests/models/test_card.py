"""Reading a card: what is wrong in it is named with what was probably meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebench.errors import CardError, UsageError
from edgebench.models.card import Card, read

CARD = """
schema = 1
name = "m"
task = "text-classification"
about = "a model"
licence = "Apache-2.0"
source = "made in a test"
labels = ["negative", "positive"]
dataset = "sst2"
reference = "onnx/fp32"

[[variants]]
format = "onnx"
precision = "fp32"
file = "m/m.onnx"
sha256 = "SHA"
size_bytes = 4

[[variants]]
format = "onnx"
precision = "int8"
file = "m/m-int8.onnx"
sha256 = "SHA"
size_bytes = 2
""".replace("SHA", "a" * 64)


def card(folder: Path, old: str = "", new: str = "") -> Card:
    assert old in CARD
    (folder / "m.toml").write_text(CARD.replace(old, new, 1) if old else CARD)
    return read(folder / "m.toml")


def test_a_good_card_is_read(tmp_path: Path) -> None:
    assert [variant.name for variant in card(tmp_path).variants] == ["onnx/fp32", "onnx/int8"]


def test_a_variant_is_found_by_format_and_precision(tmp_path: Path) -> None:
    assert card(tmp_path).variant("onnx", "int8").file == "m/m-int8.onnx"


def test_a_variant_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="card 'm' has no variant 'onnx/int4'; it has onnx/fp32, onnx/int8"):
        card(tmp_path).variant("onnx", "int4")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("task =", "tsk =", r"key 'tsk' is unknown. Did you mean 'task'\?"),
        ("precision =", "precison =", r"key 'precison' in variants\[0\] is unknown. Did you mean 'precision'\?"),
        ('licence = "Apache-2.0"\n', "", "key 'licence' is missing; add it"),
        ("schema = 1", "schema = 9", "schema is 9, this edgebench reads schema 1; update edgebench"),
        ('"int8"', '"fp32"', "variant 'onnx/fp32' is listed twice; keep one"),
        ('reference = "onnx/fp32"', 'reference = "onnx/fp23"', r"reference 'onnx/fp23' is no variant; .* Did you mean 'onnx/fp32'\?"),
        ('"m/m.onnx"', '"../m.onnx"', "leaves the card's folder"),
        ('"m/m.onnx"', '"/m.onnx"', "leaves the card's folder"),
        ("a" * 64, "A" * 64, "expected 64 hexadecimal digits in lower case"),
        ("a" * 64, "a" * 63, "expected 64 hexadecimal digits in lower case"),
        ("size_bytes = 4", 'size_bytes = "4"', "Expected `int`, got `str`"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(CardError, match=said):
        card(tmp_path, old, new)


def test_a_card_needs_a_variant(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(CARD.split("[[variants]]")[0].replace("reference", "variants = []\nreference"))
    with pytest.raises(CardError, match="there are no variants; list at least one file"):
        read(tmp_path / "m.toml")


POINTS = 'size_bytes = 4\npoints = [{name = "1x1"}, {name = "0.5x1", width = 0.5, graph = {file = "m/half.onnx", sha256 = "SHA", size_bytes = 3}}]\n'
POINTS = POINTS.replace("SHA", "b" * 64) + f'shared = [{{file = "m/weights", sha256 = "{"c" * 64}", size_bytes = 9}}]\n'


def test_a_variant_lists_the_files_of_its_points_and_what_they_share(tmp_path: Path) -> None:
    variant = card(tmp_path, "size_bytes = 4\n", POINTS).variants[0]
    assert [one.file for one in variant.files] == ["m/m.onnx", "m/half.onnx", "m/weights"]
    assert variant.total_bytes == 16


def test_a_variant_at_a_point_needs_that_points_graph_and_what_is_shared(tmp_path: Path) -> None:
    variant = card(tmp_path, "size_bytes = 4\n", POINTS).variants[0]
    half = variant.at(variant.point("0.5x1"))
    assert [one.file for one in half.files] == ["m/half.onnx", "m/weights"]
    assert variant.at(variant.point("1x1")).file == "m/m.onnx"


@pytest.mark.parametrize(
    ("new", "said"),
    [('points = [{name = "a"}, {name = "a"}]', "point 'a' of onnx/fp32 is listed twice"), ('points = [{name = "a", width = 1.5}]', "expected shares over 0"),
     ('points = [{name = "a", entropy = 0.1}]', "there are no parts to leave")],
)  # fmt: skip
def test_what_is_wrong_with_a_point_is_named(tmp_path: Path, new: str, said: str) -> None:
    with pytest.raises(CardError, match=said):
        card(tmp_path, "size_bytes = 4\n", f"size_bytes = 4\n{new}\n")


def test_a_point_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="m/m.onnx has no operating point 'half'; it has 1x1, 0.5x1"):
        card(tmp_path, "size_bytes = 4\n", POINTS).variants[0].point("half")
    with pytest.raises(UsageError, match="it has one speed"):
        card(tmp_path).variants[0].point("half")
