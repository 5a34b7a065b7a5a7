"""Records -> comma-separated values in base units, one row and one line for each cell; what is absent is empty."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from io import StringIO
from typing import Any

from edgebench.record import Record
from edgebench.reports.cells import COLUMNS, rows
from edgebench.units import plain

FORMULA = ("=", "+", "-", "@")  # how a cell begins that a spreadsheet would compute


def render(records: Sequence[Record]) -> str:
    """With a header line; the full samples are in the JSON lines."""
    if not records:
        return ""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_guarded(value) for value in row.values()] for row in rows(records))
    return out.getvalue()


def _guarded(value: Any) -> Any:
    """Text without line breaks, which csv does not always quote; what would be run as a formula gets an apostrophe in front."""
    if not isinstance(value, str):
        return value
    text = plain(value)
    return f"'{text}" if text.lstrip().startswith(FORMULA) else text
