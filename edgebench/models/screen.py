"""A model file -> nothing, or RefusedError: what no file may ask for is found before an engine opens it.

A digest says that a file is the one its card names, not that the card's maker means well. Looked for are tensors that
declare more than they hold, files outside the card's folder, archives that unpack to far more than they are, and operators
of a stranger's library. Whether the model is right is the engine's business.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from edgebench.errors import RefusedError
from edgebench.models.card import File

MOST_MEMBERS = 100_000
GROWTH = 4  # an archive of weights hardly shrinks: they are stored as they are
SPARE_BYTES = 16 << 20  # for the code in a small one, which does


def screen(path: Path, format: str, folder: Path, listed: Mapping[Path, File]) -> None:
    """`folder` is the card's, links followed, and `listed` are the files that the card names, by their paths."""
    match format:
        case "onnx":
            from edgebench.models import onnx_screen

            onnx_screen.check(path, folder, listed)
        case "tflite":
            from edgebench.models import tflite_screen

            tflite_screen.check(path)
        case "torchscript":
            _archive(path)


def _archive(path: Path) -> None:
    """A TorchScript file is a zip of weights and code: it must be one, and unpack to about what it is."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError) as error:
        raise RefusedError(f"{path} is no TorchScript archive ({error}); save it with torch.jit.save. A pickle is never opened") from error
    names = [one.filename for one in members]
    if len(names) > MOST_MEMBERS or len(set(names)) < len(names):
        raise RefusedError(f"{path} holds {len(names)} members, {len(set(names))} of different names; expected at most {MOST_MEMBERS}, each once")
    for name in names:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name:
            raise RefusedError(f"{path} holds a member {name!r}, which leaves the archive; save it again with torch.jit.save")
    if not any(PurePosixPath(name).name == "constants.pkl" for name in names) or not any("code" in PurePosixPath(name).parts for name in names):
        raise RefusedError(f"{path} is an archive without a program, as torch.save writes it: a pickle, which is never opened; save it with torch.jit.save")
    unpacked, most = sum(one.file_size for one in members), GROWTH * path.stat().st_size + SPARE_BYTES
    if unpacked > most:
        raise RefusedError(f"{path} of {path.stat().st_size} bytes unpacks to {unpacked}; expected at most {most}: it is made to fill memory")
