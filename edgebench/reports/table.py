"""Records -> one table for a terminal, with the fastest valid cell marked in words, and the reasons below it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from io import StringIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from edgebench.record import Record
from edgebench.reports.base import Column, columns, fastest, footnotes, title
from edgebench.units import plain

BETWEEN = 2  # blanks between two columns: one of padding, one of the box
MANY = 500  # rows: more are laid out without rich, which takes ten milliseconds for each
STYLES = {"valid": "", "noisy": "yellow", "invalid": "red", "failed": "red", "unsupported": "dim"}


def render(records: Sequence[Record], *, width: int = 120, colour: bool = False) -> str:
    """The table in at most `width` columns; where it would be wider, columns are left out and named below."""
    if not records:
        return "nothing was measured\n"
    shown, hidden = _fitting(columns(records), records, width)
    winners = {id(one) for one in fastest(records)}
    if len(records) > MANY:
        return _plain(shown, hidden, records, width)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, BETWEEN - 1, 0, 0), show_edge=False)
    for column in shown:
        table.add_column(column.name, justify="right" if column.right else "left", no_wrap=True)
    for record in records:
        table.add_row(*(Text(plain(column.text(record))) for column in shown), style="bold green" if id(record) in winners else STYLES[record.verdict])
    out = StringIO()
    console = Console(file=out, width=max(width, 20), force_terminal=colour, color_system="standard" if colour else None, highlight=False, markup=False)
    for line in title(records):
        console.print(_wrapped(line, width))
    console.print()
    console.print(table)
    console.print()
    for line in footnotes(records):
        console.print(_wrapped(line, width, indent=2))
    if hidden:
        console.print(_missing(hidden, width))
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def _plain(shown: list[Column], hidden: list[str], records: Sequence[Record], width: int) -> str:
    """The same lines without colour."""
    rows = [[one.name for one in shown], *([plain(one.text(record)) for one in shown] for record in records)]
    sizes = [max(map(len, column)) for column in zip(*rows, strict=True)]
    aligned = [[text.rjust(size) if one.right else text.ljust(size) for one, text, size in zip(shown, row, sizes, strict=True)] for row in rows]
    head, *body = ((" " * BETWEEN).join(row).rstrip() for row in aligned)
    lines = [*(_wrapped(line, width) for line in title(records)), "", head, "─" * (sum(sizes) + BETWEEN * (len(sizes) - 1)), *body, ""]
    lines += [_wrapped(line, width, indent=2) for line in footnotes(records)]
    lines += [_missing(hidden, width)] if hidden else []
    return "".join(f"{line}\n" for line in lines)


def _missing(hidden: list[str], width: int) -> str:
    return _wrapped(f"not shown for lack of room: {', '.join(hidden)}; --format md shows all", width, indent=2)


def _fitting(wanted: list[Column], records: Sequence[Record], width: int) -> tuple[list[Column], list[str]]:
    """The columns that fit, and the names of those left out."""
    sizes = {one.name: max(len(one.name), *(len(plain(one.text(record))) for record in records)) + BETWEEN for one in wanted}
    hidden: list[str] = []
    for one in sorted(wanted, key=lambda one: -one.weight):
        if one.weight == 0 or sum(size for name, size in sizes.items() if name not in hidden) - BETWEEN <= width:  # nothing follows the last
            break
        hidden.append(one.name)
    return [one for one in wanted if one.name not in hidden], [one.name for one in wanted if one.name in hidden]


def _wrapped(line: str, width: int, indent: int = 0) -> str:
    return textwrap.fill(plain(line), width, subsequent_indent=" " * indent, break_on_hyphens=False)
