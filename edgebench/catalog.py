"""Where cards, profiles and the files beside them are found.

Looked through in order: the user's own folder, what edgebench ships (in an installed wheel inside the package, in a
checkout beside it), and the packages that offer more by entry point.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from edgebench.errors import UsageError, did_you_mean


def user_folder(kind: str) -> Path:
    """Where `edgebench {kind} add` puts things: $EDGEBENCH_HOME, else the platform's data folder."""
    home = os.environ.get("EDGEBENCH_HOME")
    base = Path(home) if home else Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "edgebench"
    return base / kind


def cache_folder() -> Path:
    """Where fetched files are kept; deleting it loses nothing."""
    home = os.environ.get("EDGEBENCH_HOME")
    return Path(home) / "cache" if home else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgebench"


def shipped_folder(kind: str) -> Path:
    """What edgebench itself brings: inside the package when installed from a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / "data" / kind
    return inside if inside.is_dir() else package.parent / kind


def folders(kind: str) -> Iterator[Path]:
    """Every folder that may hold files of this kind ("models", "devices"), the user's first."""
    yield user_folder(kind)
    yield shipped_folder(kind)
    from importlib.metadata import entry_points  # 20 ms that a bundled model need not wait for

    for entry in sorted(entry_points(group="edgebench.catalog"), key=lambda one: one.name):
        yield Path(entry.load()) / kind


def paths(kind: str) -> dict[str, Path]:
    """Name -> TOML file; where a name occurs twice the first folder wins."""
    found: dict[str, Path] = {}
    for folder in folders(kind):
        if folder.is_dir():
            for path in sorted(folder.glob("*.toml")):
                found.setdefault(path.stem, path)
    return found


def split(model: str) -> tuple[str, str | None]:
    """A model's name or path, and the operating point that may stand behind it: "elastic-sst2@0.5x0.5"."""
    name, at, point = model.rpartition("@")
    if not at or "/" in point or model.endswith(".toml") or ("/" in name and not name.endswith(".toml")):
        return model, None
    return name, point


def find(kind: str, name: str) -> Path:
    """The file called `name`, or the file at that path, an operating point behind it left out; UsageError with the names there are."""
    name, _ = split(name)
    if name.endswith(".toml"):
        path = Path(name)
        if path.is_file():
            return path
        raise UsageError(f"{name} does not exist; give a TOML file or one of {', '.join(paths(kind)) or 'nothing: none are installed'}")
    for folder in folders(kind):
        if name == Path(name).name and (path := folder / f"{name}.toml").is_file():
            return path
    known, noun = paths(kind), kind.rpartition("/")[2].removesuffix("s")
    raise UsageError(f"there is no {noun} {name!r}; there are {', '.join(known) or 'none'}.{did_you_mean(name, known)}")
