"""Records -> JSON lines: everything, every sample included."""

from __future__ import annotations

from collections.abc import Sequence

from edgebench.record import Record, write_lines


def render(records: Sequence[Record]) -> str:
    """One record a line, as `edgebench.record.read_lines` reads it."""
    return write_lines(records).decode()
