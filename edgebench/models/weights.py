"""A weights card's name -> a folder of checked pretrained weights, for the recipes to start from."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgebench import catalog, toml
from edgebench.errors import CardError
from edgebench.models.fetch import Wanted, fetch


class Weights(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One set of pretrained weights and the files it consists of; none of them is shipped."""

    schema: int
    name: str
    about: str
    licence: str
    source: str
    files: tuple[Wanted, ...]


def read(path: Path) -> Weights:
    """Parse and check a weights card."""
    weights = toml.read(path, Weights)
    if weights.schema != 1:
        raise CardError(f"{path}: schema is {weights.schema}, this edgebench reads schema 1; update edgebench")
    return weights


def fetch_weights(name: str, *, offline: bool = False) -> Path:
    """The folder that holds the files of the weights card `name`; what is not there yet is fetched."""
    weights = read(catalog.find("models/weights", name))
    folder = catalog.cache_folder() / "pretrained" / weights.name
    for file in weights.files:
        fetch(file, folder, offline=offline)
    return folder
