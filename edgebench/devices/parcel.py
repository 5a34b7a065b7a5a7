"""What a cell needs on a device -> the files here, and by which path each lies in the device's store (`edgebench.devices.far`)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgebench import catalog
from edgebench.bench.work import countable
from edgebench.devices.far import Item
from edgebench.models import card as cards
from edgebench.models.artifact import digest_of, verify
from edgebench.record import Spec


def files(card_path: Path, spec: Spec, *, counted: bool) -> dict[Path, Item]:
    """The card, the variant's files and the card's others, checked here: their places there are below a folder named by the card's digest.

    `counted`: also those of the variant that operations are counted from.
    """
    card = cards.read(card_path)
    variant = card.variant(spec.format, spec.precision)
    variants = [variant, countable(card, variant)] if counted else [variant]
    folder, sha256 = card_path.resolve().parent, digest_of(card_path)
    found = {card_path: Item(f"models/{sha256}/{card_path.name}", sha256, card_path.stat().st_size)}
    for file in (*(file for one in variants for file in one.files), *card.files.values()):
        verify(folder / file.file, file.sha256, file.size_bytes)
        found[folder / file.file] = Item(f"models/{sha256}/{file.file}", file.sha256, file.size_bytes)
    return found


def pictures(examples: Sequence[Any]) -> list[str]:
    """The examples, where they all are paths of files here; otherwise none."""
    found = [one for one in examples if isinstance(one, str) and os.path.isabs(one) and Path(one).is_file()]
    return found if len(found) == len(examples) else []


def picture(path: Path) -> Item:
    """A picture's place there."""
    sha256 = digest_of(path)
    return Item(f"files/{sha256}{path.suffix}", sha256, path.stat().st_size)


def is_bundled(card_path: Path) -> bool:
    """Whether edgebench brought this card. Then the program of its TorchScript file was trusted here, and its bytes are checked there."""
    return card_path.resolve().parent == catalog.shipped_folder("models").resolve()
