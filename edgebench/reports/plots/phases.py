"""Records -> what a call and a cold start consist of: stacked bars, a row for each cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING

from edgebench.record import Record
from edgebench.reports.plots import rows
from edgebench.reports.plots.base import INK, PAPER, Plot, is_wide, scaled
from edgebench.units import NS, duration_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STAGES = (
    "Means of separate calls that time each stage, because means add up where medians do not: a bar is the mean call. What stands at its end is that mean."
)
COLD = (
    "From before the process starts to its first answer, means of the fresh processes, because means add up; each dot is one process's total. "
    "The files were in memory already unless the scenario says otherwise."
)
PHASES = {"process start": "process_start_ns", "imports": "import_ns", "load": "load_ns", "first answer": "first_answer_ns"}


def stages(records: Sequence[Record]) -> list[Plot]:
    """Of a warm call."""
    known = [one for one in records if one.latency and any(one.latency.stages_ns.values())]
    return [Plot("stages", "", STAGES, partial(_draw, known, _stages, "mean time of a call"))] if known else []


def cold(records: Sequence[Record]) -> list[Plot]:
    """Of the way to the first answer."""
    known = [one for one in records if one.cold]
    return [Plot("cold-start", "", COLD, partial(_draw, known, _phases, "time to the first answer", dots=_totals))] if known else []


def _stages(record: Record) -> Mapping[str, float]:
    return {name: fmean(samples) for name, samples in record.latency.stages_ns.items() if samples} if record.latency else {}


def _phases(record: Record) -> Mapping[str, float]:
    return {name: fmean(getattr(one, field) for one in record.cold) for name, field in PHASES.items()}


def _totals(record: Record) -> list[int]:
    return [one.total_ns for one in record.cold]


def _draw(
    records: list[Record], parts: Callable[[Record], Mapping[str, float]], what: str, width: float, *, dots: Callable[[Record], list[int]] | None = None
) -> Figure:
    records = sorted(records, key=lambda one: sum(parts(one).values()))
    found = [parts(one) for one in records]
    sums = [sum(one.values()) for one in found]
    reach = max(sums + [one for record in records for one in (dots(record) if dots else [])])
    unit, size = scaled([reach], NS)
    made, axes = rows.figure_of(width, len(records))
    names = dict.fromkeys(name for one in found for name in one)
    rows.stacked(axes, {name: [one.get(name, 0) / size for one in found] for name in names})
    for place, (record, total) in enumerate(zip(records, sums, strict=True)):
        points = [one / size for one in dots(record)] if dots else []
        axes.plot(points, [place] * len(points), "o", color=INK, markeredgecolor=PAPER, markersize=4, markeredgewidth=0.7, gid="process")
        axes.annotate(duration_text(total), (max([total / size, *points]), place), xytext=(6, 0), textcoords="offset points", va="center", size=8)
    axes.set_xlim(0, reach / size * (1.1 if is_wide(width) else 1.2))
    axes.set_xlabel(f"{what} ({unit})")
    rows.name(axes, records, width)
    rows.legend(axes, width)
    return made
