"""Students of pictures: what they learn from, that they differ in nothing else, and that an interrupted run ends as a whole one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch; install edgebench[train]")

from edgebench.errors import CardError  # noqa: E402
from edgebench.models.sheets import Pictures  # noqa: E402
from edgebench.train import vision  # noqa: E402
from edgebench.train.distill import attention_map_error, feature_error  # noqa: E402
from edgebench.train.nets_vision import ResNet  # noqa: E402

RECIPE = """
schema = 1
name = "small"
about = "a test"
task = "image-classification"
sheets = "none"
seeds = [1, 2]
pictures = 32
[teacher]
depth = 8
width = 4
schedule = { sides = [8, 16], batch_size = 8, learning_rate = 0.05 }
[student]
depth = 8
width = 2
schedule = { sides = [16], batch_size = 8, learning_rate = 0.05 }
[ways.labels]
[ways.all]
logits = 0.5
attention = 1.0
features = 1.0
"""


@pytest.fixture
def pictures() -> Pictures:
    """Dark and bright squares of noise: two classes that a mean tells apart."""
    random = np.random.default_rng(0)
    labels = np.arange(40) % 2
    pixels = (random.integers(0, 100, (40, 16, 16, 3)) + 120 * labels[:, None, None, None]).astype(np.uint8)
    return Pictures(pixels, labels, ("dark", "bright"), ("0",))


def read(folder: Path, text: str = RECIPE) -> vision.Recipe:
    path = folder / "small.toml"
    path.write_text(text)
    return vision.read(path)


def test_a_resnet_of_20_layers_has_the_published_number_of_parameters() -> None:
    assert sum(one.numel() for one in ResNet(20).parameters()) == 269_722  # 0.27 M in table 6


def test_a_depth_that_makes_no_three_equal_groups_is_refused() -> None:
    with pytest.raises(ValueError, match="a ResNet of 18 layers has no three equal groups; give 6n \\+ 2"):
        ResNet(18)


def test_attention_is_compared_as_vectors_of_length_one_whatever_the_channels() -> None:
    mine = torch.tensor([[[[1.0, 0.0]]]])  # looks at the first point
    theirs = torch.tensor([[[[0.0, 0.0]], [[0.0, 5.0]]]])  # two channels, the second point
    assert attention_map_error(mine, theirs).item() == pytest.approx(1.0)  # ((1 - 0)^2 + (0 - 1)^2) / 2
    assert attention_map_error(3 * mine, mine).item() == pytest.approx(0.0)


def test_features_are_compared_after_the_projection() -> None:
    ones = torch.ones(1, 1, 1, 2)
    assert feature_error(ones, 4 * ones, torch.nn.Identity()).item() == pytest.approx(9.0)
    assert feature_error(ones, 4 * ones, lambda x: 4 * x).item() == pytest.approx(0.0)


def test_a_picture_is_cut_out_of_itself_with_a_border_or_mirrored() -> None:
    pixels = torch.arange(1, 17, dtype=torch.uint8).reshape(1, 1, 4, 4).expand(64, 3, 4, 4)
    found = vision.augmented(pixels, torch.Generator().manual_seed(0))
    assert found.shape == pixels.shape
    assert found.dtype == torch.uint8
    steps = (found[:, 0, 0, 1:].int() - found[:, 0, 0, :-1].int())[(found[:, 0, 0, 1:] > 0) & (found[:, 0, 0, :-1] > 0)]
    assert set(steps.tolist()) == {1, -1}  # neighbours stay neighbours, some the other way round
    assert (found == 0).any()
    assert len({tuple(one.flatten().tolist()) for one in found}) > 20


def test_students_start_alike_and_differ_by_what_they_learn_from(tmp_path: Path, pictures: Pictures) -> None:
    recipe = read(tmp_path)
    students = vision.start(recipe, pictures, 1)
    assert all(torch.equal(one, other) for one, other in zip(students["labels"].parameters(), students["all"].parameters(), strict=True))
    vision.run(recipe, pictures, pictures, tmp_path / "out")
    weights = [torch.load(tmp_path / "out" / f"student-{way}-1.pt", weights_only=True)["classifier.weight"] for way in ("labels", "all")]
    assert not torch.equal(*weights)


def test_the_result_counts_what_each_way_won_and_lost_against_labels_alone(tmp_path: Path, pictures: Pictures) -> None:
    result = vision.run(read(tmp_path), pictures, pictures, tmp_path / "out")
    assert [(one["way"], one["seed"]) for one in result["students"]] == [("labels", 1), ("all", 1), ("labels", 2), ("all", 2)]
    labels, both = vision.summary(result)
    assert labels[0] == "labels"
    assert labels[1] == 80
    assert labels[3:] == (0, 0, 2)
    assert both[2] - labels[2] == both[3] - both[4]
    assert result["teacher"]["right"] > 20  # of 40: it learnt something


def test_a_way_is_trained_as_it_would_be_alone(tmp_path: Path, pictures: Pictures) -> None:
    together = vision.run(read(tmp_path), pictures, pictures, tmp_path / "both")
    alone = vision.run(read(tmp_path, RECIPE[: RECIPE.index("[ways.all]")]), pictures, pictures, tmp_path / "alone")
    assert [one["right"] for one in together["students"] if one["way"] == "labels"] == [one["right"] for one in alone["students"]]
    first, second = (torch.load(tmp_path / name / "student-labels-1.pt", weights_only=True)["classifier.weight"] for name in ("both", "alone"))
    torch.testing.assert_close(first, second)


def test_started_again_it_trains_nothing_twice(tmp_path: Path, pictures: Pictures) -> None:
    first = vision.run(read(tmp_path), pictures, pictures, tmp_path / "out")
    steps: list[int] = []
    again = vision.run(read(tmp_path), pictures, pictures, tmp_path / "out", lambda stage, step, *_: steps.append(step))
    assert not steps
    assert [one["right"] for one in again["students"]] == [one["right"] for one in first["students"]]


def test_a_recipe_without_labels_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="ways has no 'labels' without weights; add \\[ways.labels\\], which the others are compared with"):
        read(tmp_path, RECIPE.replace("[ways.labels]\n", ""))
