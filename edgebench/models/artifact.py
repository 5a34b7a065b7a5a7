"""A card's file -> an Artifact: a file whose bytes were checked. Nothing here touches the network.

A card that edgebench does not bundle vouches only for itself, so its files are looked through, too (`screen`).
"""

from __future__ import annotations

import hashlib
import mmap
import os
import stat
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path

from edgebench.catalog import shipped_folder
from edgebench.errors import IntegrityError
from edgebench.models.card import Card, File, Variant


@dataclass(frozen=True)
class Artifact:
    """A variant that lies verified at `path`, its further graphs at `parts`, those of its operating points at `points`; `card` is its card's name."""

    path: Path
    variant: Variant
    card: str
    parts: dict[str, Path] = field(default_factory=dict)
    points: dict[str, Path] = field(default_factory=dict)


def artifact(card_path: Path, card: Card, variant: Variant) -> Artifact:
    """The variant's files beside the card, their bytes checked; RefusedError for one of a card of the user's own that asks for what no file may."""
    for file in variant.shared:
        beside(card_path, file)
    parts = {name: beside(card_path, file) for name, file in variant.parts.items()}
    points = {one.name: beside(card_path, one.graph or variant) for one in variant.points}
    found = Artifact(beside(card_path, variant), variant, card.name, parts, points)
    if not is_bundled(card_path):
        from edgebench.models.screen import screen  # what edgebench brings need not wait for it

        folder = card_path.resolve().parent
        listed = {(folder / one.file).resolve(): one for one in card.listed}
        for path in {found.path, *parts.values(), *points.values()}:
            screen(path, variant.format, folder, listed)
    return found


def is_bundled(card_path: Path) -> bool:
    """Whether the card is one that edgebench brings, and its files' digests are edgebench's word."""
    return card_path.resolve().parent == shipped_folder("models").resolve()


def files(card_path: Path, card: Card) -> dict[str, Path]:
    """Every file the card names besides its variants (tokenizer, labels), their bytes checked."""
    return {name: beside(card_path, file) for name, file in card.files.items()}


def beside(card_path: Path, file: File) -> Path:
    """The path of a file that a card at `card_path` names: inside that folder, links followed, and with the card's bytes."""
    folder = card_path.resolve().parent
    path = (folder / file.file).resolve()
    if not path.is_relative_to(folder):
        raise IntegrityError(f"{card_path.parent / file.file} leads to {path}, outside the card's folder; put the file itself there")
    verify(path, file.sha256, file.size_bytes)
    return path


def verify(path: Path, sha256: str, size_bytes: int) -> None:
    """Nothing, if `path` is a regular file of this size and digest; IntegrityError otherwise."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            info = os.fstat(file.fileno())
            if not stat.S_ISREG(info.st_mode):
                raise IntegrityError(f"{path} is no regular file; the card names one of {size_bytes} bytes: put it there")
            if info.st_size != size_bytes:
                raise IntegrityError(f"{path} has {info.st_size} bytes, the card says {size_bytes}; delete the file or correct the card")
            found = digest(file)
    except (FileNotFoundError, NotADirectoryError):
        raise IntegrityError(f"{path} is missing, but its card names it; put the file there or fetch it again") from None
    except IsADirectoryError:
        raise IntegrityError(f"{path} is a folder, the card names a file of {size_bytes} bytes; put it there") from None
    except OSError as error:
        raise IntegrityError(f"{path} cannot be read: {error.strerror}; its bytes must be checked before it is used") from error
    if found != sha256:
        raise IntegrityError(f"sha256 of {path} is {short(found)}, the card says {short(sha256)}; delete the file or correct the card")


def digest(file: BufferedReader) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits.

    Mapped, not read piece by piece: a thread that hashes waits for Python's lock between two pieces, up to 5 ms each time,
    and pieces large enough to be few added 10 MB to the peak of a process that gives one answer.
    """
    if not os.fstat(file.fileno()).st_size:  # nothing cannot be mapped
        return hashlib.sha256().hexdigest()
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return hashlib.sha256(content).hexdigest()


def digest_of(path: Path) -> str:
    """`digest` of the file at `path`; OSError if it cannot be read."""
    with path.open("rb") as file:
        return digest(file)


def short(sha256: str) -> str:
    """A digest as sentences show it."""
    return f"{sha256[:8]}…"


def _without_waiting(path: str, flags: int) -> int:
    """Open without hanging on a named pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
