"""A deployment (TOML): which variant of which model to run in which engine, with which settings; what `edgebench tune` found, for `load`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from edgebench import toml
from edgebench.errors import CardError


class Deployment(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`deploys` is a model's name, or a card's path as seen from the deployment's folder; `made_by` says how and where it was found."""

    schema: int
    deploys: str
    backend: str
    precision: str
    threads: int = 1
    accelerator: str = "cpu"
    settings: dict[str, Any] = {}
    made_by: dict[str, Any] = {}


def read(path: Path) -> Deployment | None:
    """The deployment in the file, or None if it is a card; CardError for a broken one."""
    try:
        content = path.read_bytes()
    except OSError:
        return None  # whoever reads the card says what is wrong
    if b"deploys" not in content or b"[[variants]]" in content:
        return None
    found = toml.read(path, Deployment)
    if found.schema != 1:
        raise CardError(f"{path}: schema is {found.schema}, this edgebench reads schema 1; update edgebench")
    return found
