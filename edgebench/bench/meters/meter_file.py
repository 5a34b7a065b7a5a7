"""The CSV file that an external meter's logger writes -> the joules between two moments of the wall clock.

The first line names the columns; those that are not named here are passed over. One says when, one says what:

    time_s     seconds since 1970, e.g. 1764032409.25
    time       ISO 8601, e.g. 2026-11-25T01:00:09.250Z; without an offset it is this machine's local time
    power_w    watts at that moment: straight lines are drawn between the rows
    energy_j   joules counted so far, instead of power_w

The logger and edgebench must share a clock: let both run here, or keep both machines on network time.
"""

from __future__ import annotations

import csv
import math
import time
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from edgebench.errors import UnsupportedError, UsageError
from edgebench.record import Spec

WAIT_S = 10.0  # for the row after a window's end
POLL_S = 0.25
GAPS = 5  # no two rows may be further apart than a fifth of the window


@dataclass(frozen=True)
class Rows:
    """A logger's rows, in order. `values` are watts, or, where `counts`, joules so far."""

    path: Path
    times_s: list[float]
    values: list[float]
    counts: bool


class MeterFile:
    """Reads the file at the end of each window."""

    name = "meter_file"
    window_s = 10.0

    def __init__(self, path: Path, clock: Callable[[], float] = time.time, sleep: Callable[[float], None] = time.sleep) -> None:
        self.scope = f"what {path.name} measures"
        self._path, self._clock, self._sleep = path, clock, sleep
        self._begin_s = 0.0

    def begin(self) -> None:
        self._begin_s = self._clock()

    def look(self) -> None:
        """The file keeps everything."""

    def end(self) -> float:
        end_s = self._clock()
        rows = read(self._path)
        while rows.times_s[-1] < end_s and self._clock() < end_s + WAIT_S:
            self._sleep(POLL_S)
            rows = read(self._path)
        return joules(rows, self._begin_s, end_s)


def find(spec: Spec, root: Path) -> MeterFile | str:
    """The file that the cell names."""
    if spec.meter is None:
        return "meter_file: none was named; name one with --meter"
    try:
        read(Path(spec.meter))
    except UsageError as error:
        return f"meter_file: {error}"
    return MeterFile(Path(spec.meter))


def read(path: Path) -> Rows:
    """Every whole row; UsageError for a file or a row that is none. A last line without its end is still being written."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}; name the CSV file that the meter's logger writes") from error
    lines = list(csv.reader(text[: text.rfind("\n") + 1].splitlines()))
    header = [name.strip() for name in lines[0]] if lines else []
    when = next((name for name in ("time_s", "time") if name in header), None)
    what = next((name for name in ("power_w", "energy_j") if name in header), None)
    if when is None or what is None:
        there = ", ".join(header) or "nothing"
        raise UsageError(f"{path} line 1 names {there}; expected time_s or time, and power_w or energy_j: name the columns so")
    times: list[float] = []
    values: list[float] = []
    for number, line in enumerate(lines[1:], start=2):
        row = dict(zip(header, line, strict=False))
        times.append(_number(f"{path} line {number}: {when}", row.get(when, ""), _moment if when == "time" else float))
        values.append(_number(f"{path} line {number}: {what}", row.get(what, ""), float))
        if len(times) > 1 and times[-1] <= times[-2]:
            raise UsageError(f"{path} line {number} is not later than the line before; expected rows in the order of time: sort them")
    if not times:
        raise UsageError(f"{path} has no row yet; start the meter's logger before the sweep")
    return Rows(path, times, values, what == "energy_j")


def joules(rows: Rows, begin_s: float, end_s: float) -> float:
    """Between the two moments; UnsupportedError where the rows do not cover them closely enough."""
    times, values = rows.times_s, rows.values
    if not times[0] <= begin_s < end_s <= times[-1]:
        raise UnsupportedError(
            f"{rows.path.name} does not reach over the whole window, {end_s - begin_s:.1f} s: its rows begin {begin_s - times[0]:.1f} s before it and end "
            f"{times[-1] - end_s:.1f} s after it; let the logger run during the sweep, flush every row, and share this machine's clock"
        )
    first, last = bisect_left(times, begin_s), bisect_left(times, end_s)
    inner = list(zip(times[first:last], values[first:last], strict=True))
    points = [(begin_s, _at(rows, begin_s)), *inner, (end_s, _at(rows, end_s))]
    widest = max(later - sooner for (sooner, _), (later, _) in pairwise(points))
    if widest * GAPS > end_s - begin_s:
        spent = end_s - begin_s
        raise UnsupportedError(f"{rows.path.name} has no row for {widest:.1f} s of a window of {spent:.1f} s; log at least every {spent / GAPS:.1f} s")
    if rows.counts:
        return points[-1][1] - points[0][1]
    return sum((later - sooner) * (one + other) / 2 for (sooner, one), (later, other) in pairwise(points))


def _at(rows: Rows, moment_s: float) -> float:
    """The value at a moment between the first row and the last, on a straight line between its neighbours."""
    after = max(bisect_left(rows.times_s, moment_s), 1)
    (sooner, later), (one, other) = rows.times_s[after - 1 : after + 1], rows.values[after - 1 : after + 1]
    return one + (other - one) * (moment_s - sooner) / (later - sooner)


def _number(where: str, text: str, read: Callable[[str], float]) -> float:
    try:
        number = read(text.strip())
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(f"{where} is {text!r}; expected a {'time' if read is _moment else 'finite number'}: correct or delete that line")
    return number


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
