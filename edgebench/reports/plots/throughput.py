"""Records -> how much a cell answers in a second: the rates of its processes, and what a server was offered on the way to one that holds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from edgebench.bench import stats
from edgebench.record import Record, Trial
from edgebench.reports.plots import rows
from edgebench.reports.plots.base import INK, MUTED, PAPER, Plot, colours, figure, labels, logarithmic, scaled
from edgebench.reports.recommend import question, questions
from edgebench.units import NS, three_digits

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = 8  # in one picture
RATES = (
    "Inputs answered in a second, the most first: each dot is one fresh process, the bar the 95 % interval over them. "
    "A server's rate is the highest that held."
)
TRIALS = (
    "Every rate that was offered, in all processes: the latency that 99 % of the queries kept, counted from their scheduled arrivals. A filled point held the "
    "bound, a hollow one did not; a cross at the upper edge stands for a trial that was cut off with too few queries to claim a percentile. Where no "
    "bound was asked for, each process has its own: ten medians of a lone call."
)


def rates(records: Sequence[Record]) -> list[Plot]:
    """One for each question with a rate."""
    found = []
    for asked in questions(records):
        known = sorted((one for one in asked if _rates(one)), key=lambda one: -stats.interval([[rate] for rate in _rates(one)]).value)
        if known:
            found.append(Plot("throughput", question(known[0]), RATES, partial(_draw_rates, known, colours(records))))
    return found


def trials(records: Sequence[Record]) -> list[Plot]:
    """Of servers, a panel for each cell."""
    known = [one for asked in questions(records) for one in asked if one.throughput and any(one.throughput.trials)]
    parts = [known[start : start + PANELS] for start in range(0, len(known), PANELS)]
    return [
        Plot("server-trials", f"part {number}" if len(parts) > 1 else "", TRIALS, partial(_draw_trials, part, colours(records)))
        for number, part in enumerate(parts, start=1)
    ]


def _rates(record: Record) -> list[float]:
    return [one for one in record.throughput.per_s if one] if record.throughput else []


def _draw_rates(records: list[Record], colour: dict[str, str], width: float) -> Figure:
    made, axes = rows.figure_of(width, len(records), more=0.55)
    found = [stats.interval([[rate] for rate in _rates(one)]) for one in records]
    for place, (record, middle) in enumerate(zip(records, found, strict=True)):
        axes.plot([middle.low, middle.high], [place] * 2, color=MUTED, linewidth=1.2, gid="interval")
        axes.plot(_rates(record), [place] * len(_rates(record)), "o", color=colour[record.spec.backend], markeredgecolor=PAPER, markersize=7, gid="process")
    reach = max(max([one.high, *_rates(record)]) if one.n > 2 else max(_rates(record)) for one, record in zip(found, records, strict=True))
    axes.set_xlim(0, reach * 1.06)
    axes.set_xlabel("inputs a second")
    rows.name(axes, records, width, [f"{three_digits(one.value)} /s" for one in found])
    return made


def _draw_trials(records: list[Record], colour: dict[str, str], width: float) -> Figure:
    made, panels = figure(width, 0.5 + 1.75 * len(records), len(records), sharex=True)
    texts = labels(records, width)
    for axes, record in zip(panels, records, strict=True):
        offered = [one for process in (record.throughput.trials if record.throughput else []) for one in process]
        _panel(axes, offered, record, colour[record.spec.backend])
        axes.set_title(texts[id(record)])
    panels[-1].set_xlabel("offered queries a second")
    return made


def _panel(axes: Axes, offered: list[Trial], record: Record, colour: str) -> None:
    bound_ns = record.throughput.bound_ns if record.throughput else None
    known = [one for one in offered if one.latency_ns is not None]
    heights = [one.latency_ns for one in known if one.latency_ns is not None] + ([bound_ns] if bound_ns else [])
    unit, size = scaled(heights or [1], NS)
    if heights:
        axes.set_yscale("log")
        axes.set_ylim(min(heights) / size / 1.4, max(heights) / size * 2)
        logarithmic(axes.yaxis, min(heights) / size / 1.4, max(heights) / size * 2)
    for holds in (True, False):
        part = [one for one in known if one.holds is holds]
        axes.plot(
            [one.rate_hz for one in part], [(one.latency_ns or 0) / size for one in part], "o", color=colour, markersize=5.5,
            markerfacecolor=colour if holds else PAPER, gid="holds" if holds else "fails",
        )
    cut = [one.rate_hz for one in offered if one.latency_ns is None]
    axes.plot(cut, [0.96] * len(cut), "x", color=MUTED, markersize=5, transform=axes.get_xaxis_transform(), gid="cut")
    if bound_ns:
        axes.axhline(bound_ns / size, color=INK, linewidth=0.9, linestyle=(0, (4, 2)))
        said = "bound" if record.spec.bound_ns else "bound of the first process"
        axes.annotate(said, (0, bound_ns / size), xycoords=("axes fraction", "data"), xytext=(3, 2), textcoords="offset points", va="bottom", size=7.5)
    axes.set_xlim(0)
    axes.set_ylabel(f"99 % within ({unit})")


