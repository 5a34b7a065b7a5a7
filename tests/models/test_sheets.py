"""Sheets: each row of pixels is a picture, and every picture has a label."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pillow = pytest.importorskip("PIL.Image", reason="sheets are read by Pillow; install edgebench[vision]")

from edgebench import catalog  # noqa: E402
from edgebench.errors import CardError  # noqa: E402
from edgebench.models import data, sheets  # noqa: E402
from edgebench.models.artifact import digest_of  # noqa: E402

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 2, 3, 3)).astype(np.uint8)


def placed(home: Path, labels: list[int], width: int = 3) -> None:
    """A card in the user's folder and its files in the cache, two sheets of three and two pictures."""
    folder = catalog.cache_folder() / "datasets" / "dots"
    folder.mkdir(parents=True)
    for name, part in (("a.png", PIXELS[:3]), ("b.png", PIXELS[3:])):
        pillow.fromarray(part.reshape(len(part), -1, 3)).save(folder / name)
    (folder / "labels.json").write_text(json.dumps(labels))
    said = {
        one.name: f'file = "{one.name}"\nsha256 = "{digest_of(one)}"\nsize_bytes = {one.stat().st_size}\n' for one in folder.iterdir()
    }
    card = catalog.user_folder("models/sheets") / "dots.toml"
    card.parent.mkdir(parents=True)
    card.write_text(
        f'schema = 1\nname = "dots"\nabout = ""\nlicence = ""\nsource = ""\nlabels = ["no", "yes"]\nheight = 2\nwidth = {width}\n'
        f"[[splits.train.sheets]]\n{said['a.png']}[[splits.train.sheets]]\n{said['b.png']}[splits.train.labels]\n{said['labels.json']}"
    )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGEBENCH_HOME", str(tmp_path))
    return tmp_path


def test_every_row_is_a_picture_and_sheets_follow_each_other(home: Path) -> None:
    placed(home, [0, 1, 0, 1, 1])
    found = sheets.load("dots", "train", offline=True)
    assert np.array_equal(found.pixels, PIXELS)
    assert (found.labels.tolist(), found.names, len(found)) == ([0, 1, 0, 1, 1], ("no", "yes"), 5)


def test_a_data_set_of_sheets_is_a_file_for_each_picture_with_its_label(home: Path) -> None:
    placed(home, [0, 1, 0, 1, 1])
    card = catalog.user_folder("models/datasets") / "specks.toml"
    card.parent.mkdir(parents=True)
    card.write_text('schema = 1\nname = "specks"\ntask = "image-classification"\nabout = ""\nlabels = ["no", "yes"]\nsheets = "dots"\n')
    for _ in range(2):  # made, and found
        found = data.load("specks", "train", offline=True)
        assert found.references == ["no", "yes", "no", "yes", "yes"]
        assert np.array_equal([np.asarray(pillow.open(one)) for one in found.texts], PIXELS)
    assert len(data.load("specks", "train", offline=True, limit=2)) == 2
    assert [one.name for one in Path(found.texts[0]).parent.parent.iterdir() if one.is_dir()] == [Path(found.texts[0]).parent.name]


@pytest.mark.parametrize("labels", [[0, 1, 0, 1], [0, 1, 0, 1, 2]])
def test_too_few_labels_or_unknown_ones_are_refused(home: Path, labels: list[int]) -> None:
    placed(home, labels)
    with pytest.raises(CardError, match=f"holds {len(labels)} labels for 5 pictures; expected one of 0 to 1 for each"):
        sheets.load("dots", "train", offline=True)


def test_a_sheet_of_another_width_is_refused(home: Path) -> None:
    placed(home, [0, 1, 0, 1, 1], width=4)
    with pytest.raises(CardError, match="is 6 pixels wide; expected 8, a picture of 2 x 4 in each row"):
        sheets.load("dots", "train", offline=True)


def test_the_card_of_cifar10_names_every_sheet() -> None:
    card = sheets.read(catalog.find("models/sheets", "cifar10"))
    assert (len(card.splits["train"].sheets), len(card.splits["test"].sheets), len(card.labels)) == (5, 1, 10)
