"""Grid: one table as it is told: named columns, rows of entries, and for each empty entry why it is empty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from edgebench.study.evidence import Score

ABSENT = "–"


@dataclass(frozen=True)
class Entry:
    """What stands in a cell; `value` is its number in base units, `high` the upper end of its 95 % interval; `why` there is none, or what a reader
    must know of it."""

    text: str
    value: float | None = None
    why: str = ""
    high: float | None = None


@dataclass(frozen=True)
class Column:
    """A name, and on which side its entries stand."""

    name: str
    right: bool = True
    always: bool = False  # told even where nothing is in it


@dataclass(frozen=True)
class Line:
    """A row: its entries by their column's name, and for the figures what it is about. `wins` stands out as the best of its table."""

    label: str
    entries: dict[str, Entry]
    model: str = ""
    precision: str = ""
    score: Score | None = None
    wins: bool = False


@dataclass(frozen=True)
class Grid:
    """`title` where a section has several."""

    columns: Sequence[Column]
    lines: Sequence[Line]
    title: str = ""

    def filled(self) -> Grid:
        """Without the columns in which no line has anything, nor a reason that is not every line's."""
        told = [one for one in self.columns if one.always or any(line.entries[one.name].text != ABSENT for line in self.lines)]
        return Grid(told, self.lines, self.title)

    @property
    def dropped(self) -> dict[str, list[str]]:
        """The columns that `filled` leaves out, each with the reasons of its entries."""
        kept = {one.name for one in self.filled().columns}
        reasons = {one.name: dict.fromkeys(line.entries[one.name].why for line in self.lines) for one in self.columns if one.name not in kept}
        return {name: list(why) for name, why in reasons.items()}


@dataclass
class Numbered:
    """Reasons -> the numbers of footnotes, each reason once, in the order they are met."""

    notes: list[str] = field(default_factory=list)

    def mark(self, why: str) -> str:
        if not why:
            return ""
        if why not in self.notes:
            self.notes.append(why)
        return f" [{self.notes.index(why) + 1}]"


def alone(columns: Sequence[Column], about: str, name: str, why: str) -> Line:
    """The one line of a model of which nothing is known but why."""
    return Line(about, {one.name: absent(why) for one in columns} | {"model": Entry(about)}, name)


def absent(why: str) -> Entry:
    """An empty cell."""
    return Entry(ABSENT, None, why)
