"""A sheet card's name and a split -> small pictures in one array, and their labels' numbers.

A sheet is one large picture whose every row of pixels is a small picture, row by row: how data sets of tens of thousands of
tiny photographs are passed on. Nothing of it is shipped; what is not there yet is fetched and checked.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import msgspec

from edgebench import catalog, toml
from edgebench.errors import CardError, MissingError
from edgebench.models.fetch import Wanted, fetch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Split(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sheets in order, and a JSON list of the number of each picture's label."""

    sheets: tuple[Wanted, ...]
    labels: Wanted


class Sheets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sheet card."""

    schema: int
    name: str
    about: str
    licence: str
    source: str
    labels: tuple[str, ...]
    height: int
    width: int
    splits: dict[str, Split]


@dataclass(frozen=True)
class Pictures:
    """(n, height, width, 3) uint8 and (n,) int64; `sha256` are the digests of the files they were read from."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    sha256: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def digest(self) -> str:
        """One sha256 of them all."""
        return hashlib.sha256(" ".join(self.sha256).encode()).hexdigest()


def read(path: Path) -> Sheets:
    """Parse and check a sheet card."""
    card = toml.read(path, Sheets)
    if card.schema != 1:
        raise CardError(f"{path}: schema is {card.schema}, this edgebench reads schema 1; update edgebench")
    return card


def load(name: str, split: str, *, offline: bool = False) -> Pictures:
    """Every picture of the card's split."""
    import numpy as np

    card = read(catalog.find("models/sheets", name))
    if split not in card.splits:
        raise CardError(f"sheets {card.name!r} have no split {split!r}; they have {', '.join(card.splits)}")
    chosen, folder = card.splits[split], catalog.cache_folder() / "datasets" / card.name
    sheets = [_rows(fetch(one, folder, offline=offline), card) for one in chosen.sheets]
    path = fetch(chosen.labels, folder, offline=offline)
    labels = np.array(json.loads(path.read_text()), np.int64)
    pixels = np.concatenate(sheets)
    if len(pixels) != len(labels) or not 0 <= labels.min() <= labels.max() < len(card.labels):
        raise CardError(f"{path} holds {len(labels)} labels for {len(pixels)} pictures; expected one of 0 to {len(card.labels) - 1} for each: correct the card")
    return Pictures(pixels, labels, card.labels, tuple(one.sha256 for one in (*chosen.sheets, chosen.labels)))


def unpacked(name: str, split: str, *, offline: bool = False) -> tuple[list[Path], list[int], Sheets]:
    """A PNG file in the cache of each picture of the split, made the first time, the numbers of their labels, and the card."""
    found, card = load(name, split, offline=offline), read(catalog.find("models/sheets", name))
    folder = catalog.cache_folder() / "datasets" / card.name / f"{split}-{found.digest[:16]}"
    files = [folder / f"{at:05}.png" for at in range(len(found))]
    if not folder.exists():
        from PIL import Image

        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder.parent) as made:
            for file, pixels in zip(files, found.pixels, strict=True):
                Image.fromarray(pixels).save(Path(made) / file.name, compress_level=1)
            with suppress(OSError):  # another process was first: its pictures are the same
                Path(made).rename(folder)
                Path(made).mkdir()  # for the folder's own end
    return files, found.labels.tolist(), card


def _rows(path: Path, card: Sheets) -> NDArray[np.uint8]:
    """(rows, height, width, 3) of a sheet, whose bytes its card vouches for, so that its size is no reason to refuse it."""
    import numpy as np

    try:
        from PIL import Image
    except ImportError as error:
        raise MissingError("sheets of pictures are read by Pillow, which is not installed; install edgebench[vision]") from error
    with Image.open(path) as sheet:
        if sheet.width != card.height * card.width:
            raise CardError(f"{path} is {sheet.width} pixels wide; expected {card.height * card.width}, a picture of {card.height} x {card.width} in each row")
        return np.asarray(sheet.convert("RGB")).reshape(-1, card.height, card.width, 3)
