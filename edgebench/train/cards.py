"""A card -> TOML, and a file -> what a card says of it: what everything that makes a model ends with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import tomli_w

from edgebench import whole
from edgebench.models.artifact import digest_of
from edgebench.models.card import Card, File


def write_card(card: Card, path: Path) -> None:
    """The card as TOML, without what is at its default."""
    whole.write(path, tomli_w.dumps(_said(msgspec.to_builtins(card))))


def listed(path: Path) -> File:
    """A file as a card beside its folder lists it."""
    return File(name_of(path), digest_of(path), path.stat().st_size)


def name_of(path: Path) -> str:
    """As a card beside the file's folder names it."""
    return f"{path.parent.name}/{path.name}"


def _said(data: Any) -> Any:
    """What is not at its default, all the way down."""
    if isinstance(data, dict):
        return {key: _said(value) for key, value in data.items() if value not in (None, {}) and (value or key not in ("points", "shared"))}
    return [_said(one) for one in data] if isinstance(data, list | tuple) else data
