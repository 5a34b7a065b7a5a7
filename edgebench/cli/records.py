"""The files that `recommend` and `report` read -> their records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgebench.cli.sweep import FOLDER
from edgebench.errors import UsageError

if TYPE_CHECKING:
    from edgebench.record import Record


def read(files: Sequence[Path]) -> list[Record]:
    """The records of all files, at least one; UsageError names a file that is not there, and says where there is none in them."""
    from edgebench.record import read_lines

    for path in files:
        if not path.is_file():
            raise UsageError(f"{path} does not exist; name a file of records, as `edgebench bench -o` writes it")
    records = [record for path in files for record in read_lines(path)]
    if not records:
        raise UsageError(f"{', '.join(map(str, files))}: there is no record; measure with `edgebench bench`")
    return records


def newest() -> Path:
    """The file in results/ that was written last."""
    files = sorted(FOLDER.glob("*.jsonl"), key=lambda path: path.stat().st_mtime)
    if not files:
        raise UsageError(f"there is no file of records in {FOLDER}/; measure with `edgebench bench`, or name a file")
    return files[-1]
