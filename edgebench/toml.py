"""A TOML file -> a typed value, or one CardError that names the file, the key, and the key that was probably meant."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from edgebench.errors import CardError, did_you_mean

T = TypeVar("T")


def read(path: Path, kind: type[T]) -> T:
    """Parse `path` as `kind`, a msgspec.Struct that forbids unknown fields."""
    try:
        raw = msgspec.toml.decode(path.read_bytes())
    except FileNotFoundError:
        raise CardError(f"{path} does not exist; expected a TOML file") from None
    except OSError as error:
        raise CardError(f"{path} cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:  # RecursionError: brackets in brackets
        raise CardError(f"{path} is not TOML: {error}; correct the file") from error
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise CardError(f"{path}: {_explain(str(error), kind)}") from error


def _explain(said: str, kind: type[Any]) -> str:
    """msgspec's sentence in ours: `key 'tsk' is unknown. Did you mean 'task'?`."""
    place = re.search(r" - at `\$\.?(.*)`$", said)
    where = f" in {place[1]}" if place and place[1] else ""
    unknown = re.search(r"unknown field `([^`]+)`", said)
    if unknown:
        return f"key {unknown[1]!r}{where} is unknown.{did_you_mean(unknown[1], _fields(kind))}"
    missing = re.search(r"missing required field `([^`]+)`", said)
    if missing:
        return f"key {missing[1]!r}{where} is missing; add it"
    return f"{where.removeprefix(' in ') or 'the file'}: {said.split(' - at ')[0]}"


def _fields(kind: Any, seen: set[Any] | None = None) -> set[str]:
    """Every key that may occur anywhere in a file of this kind."""
    seen = set() if seen is None else seen
    if kind in seen:
        return set()
    seen.add(kind)
    names: set[str] = set()
    for one in (kind, *getattr(kind, "__args__", ())):
        if isinstance(one, type) and issubclass(one, msgspec.Struct):
            for field in msgspec.structs.fields(one):
                names |= {field.encode_name} | _fields(field.type, seen)
        elif one is not kind:
            names |= _fields(one, seen)
    return names
