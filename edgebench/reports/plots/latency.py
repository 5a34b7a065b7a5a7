"""Records -> how the times of their calls are spread: a row for each cell, the fastest first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from edgebench.bench import stats
from edgebench.record import Record
from edgebench.reports.base import interval, timing
from edgebench.reports.plots import rows
from edgebench.reports.plots.base import INK, MUTED, PAPER, Plot, colours, logarithmic, scaled, spread
from edgebench.reports.recommend import question, questions
from edgebench.units import NS, duration_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS = 90
FEW = 40  # calls: fewer are dots instead of a hill
CUT = 0.99  # the axis ends a little beyond the greatest of these percentiles; what is slower is counted at its row's end
PER_PICTURE = 24
ABOUT = (
    "Each hill is every timed call of a cell, its height the share of calls; the line in it is the median, the triangle below the 90th percentile where "
    f"there are calls enough; fewer than {FEW} calls are dots. The bar beneath is the 95 % interval of the median over the fresh processes. A fainter hill "
    "belongs to a cell that is not valid."
)


def plots(records: Sequence[Record]) -> list[Plot]:
    """One for each question and each two dozen cells."""
    found = []
    for asked in questions(records):
        timed = sorted((one for one in asked if timing(one)), key=_median)
        for start in range(0, len(timed), PER_PICTURE):
            part = timed[start : start + PER_PICTURE]
            names = [question(part[0]) if len(questions(records)) > 1 else "", f"part {start // PER_PICTURE + 1}" if len(timed) > PER_PICTURE else ""]
            found.append(Plot("latency", ", ".join(filter(None, names)), ABOUT, partial(_draw, part, colours(records))))
    return found


def _median(record: Record) -> float:
    middle = interval(record)
    return middle.value if middle else math.inf


def _draw(records: list[Record], colour: dict[str, str], width: float) -> Figure:
    made, axes = rows.figure_of(width, len(records), row=0.46, more=0.7)
    every = [sorted(one.latency.samples_ns) for one in records if one.latency]
    low, high = min(one[0] for one in every), max(max(stats.percentile(one, CUT), stats.percentile(one, 0.5) * 1.05) for one in every) * 1.12
    unit, size = scaled([math.sqrt(low * high)], NS)
    axes.set_xscale("log")
    axes.set_xlim(low / size / 1.03, high / size)
    for place, (record, samples) in enumerate(zip(records, every, strict=True)):
        _row(axes, place, record, [one / size for one in samples], high / size, colour[record.spec.backend])
    logarithmic(axes.xaxis, low / size, high / size)
    noun = "call" if records[0].spec.batch == 1 else "query"
    n = spread([len(one) for one in every], noun), spread([len(one.latency.processes_ns) for one in records if one.latency], "process")
    axes.set_xlabel(f"time of a whole {noun} ({unit}, logarithmic)\n{' in '.join(n)} a cell")
    rows.name(axes, records, width, [_numbers(one, high) for one in records], top=0.32)
    return made


def _row(axes: Axes, place: int, record: Record, samples: list[float], end: float, colour: str) -> None:
    """The hill stands a little below the middle of its row, with the interval and the percentile beneath."""
    foot, peak = place + 0.24, 0.56
    if len(samples) < FEW:
        axes.plot(samples, [foot - peak / 3] * len(samples), "o", color=colour, markersize=4, alpha=0.7, markeredgewidth=0, gid="call")
    else:
        edges, heights = _hill(samples, axes.get_xlim()[0], end)
        faint = 0.75 if record.verdict == "valid" else 0.35
        axes.fill_between(edges, foot, [foot - peak * one for one in heights], color=colour, alpha=faint, linewidth=0)
    time, middle = timing(record), interval(record)
    assert time is not None
    assert middle is not None
    size = time.median / stats.percentile(samples, 0.5)
    axes.vlines(middle.value / size, foot - peak, foot, color=INK, linewidth=1.4, gid="median")
    axes.plot([middle.low / size, middle.high / size], [foot + 0.08] * 2, color=INK, linewidth=2.2, solid_capstyle="butt", gid="interval")
    if time.p90 is not None and time.p90 / size <= end:
        axes.plot(time.p90 / size, foot + 0.1, marker="^", color=MUTED, markeredgecolor=PAPER, markersize=5, linestyle="none", gid="p90")


def _numbers(record: Record, end: float) -> str:
    """The median, and how many calls the axis is too short for."""
    time = timing(record)
    slower = sum(one > end for one in record.latency.samples_ns) if record.latency else 0
    return f"{duration_text(_median(record))}{f' ({slower} slower, to {duration_text(time.slowest)})' if slower and time else ''}"


def _hill(samples: Sequence[float], low: float, high: float) -> tuple[Any, Any]:
    """The histogram over equal steps of the logarithm, smoothed over three, its top at 1."""
    import numpy as np

    edges = np.geomspace(low, high, BINS + 1)
    counts, _ = np.histogram(samples, edges)
    smooth = np.convolve(counts, [0.25, 0.5, 0.25], mode="same")
    inside = np.nonzero(smooth)[0]
    first, last = max(inside[0] - 1, 0), min(inside[-1] + 2, BINS)
    return np.sqrt(edges[:-1] * edges[1:])[first:last], smooth[first:last] / smooth.max()


