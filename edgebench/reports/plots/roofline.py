"""Records -> the roofline: how near each cell comes to what this machine can compute, and to what it can fetch from memory.

S. Williams, A. Waterman, D. Patterson, "Roofline: an insightful visual performance model for multicore architectures",
Communications of the ACM 52 (2009) 65-76.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from edgebench.bench import stats
from edgebench.record import Record, Roof
from edgebench.reports import pairs
from edgebench.reports.plots.base import INK, MUTED, PAPER, Plot, colours, figure, labels, logarithmic, scaled, shapes
from edgebench.reports.plots.names import Cell, Point, key_height, name
from edgebench.reports.roofline import Place, placed
from edgebench.units import OPERATIONS, percent_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DASHES = ("solid", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)))
ABOUT = (
    "Operations a second (a multiplication and an addition are two) against operations for each byte the call moves, counted from the model's file. A point "
    "below the slope waits for memory at best; one below the level line for arithmetic. The lines were measured on this machine, for as many threads and the "
    "precision they name; the number is the share of its own roof that a cell reaches, the bar its 95 % interval over the processes. One far "
    "below both has other costs: small operators, tokenising, Python. One above the slope finds its weights in the processor's caches."
)


def plots(records: Sequence[Record]) -> list[Plot]:
    """One, of all cells with a roof, counted work and a time."""
    known = [one for one in records if placed(one)]
    return [Plot("roofline", "", ABOUT, partial(_draw, known, colours(records)))] if known else []


def _place(record: Record) -> Place:
    found = placed(record)
    assert found is not None
    return found


def _roof_ops(record: Record) -> float:
    return record.roof.ops_per_s.get(record.work.precision, 0.0) if record.roof and record.work else 0.0


def _draw(records: list[Record], colour: dict[str, str], width: float) -> Figure:
    shares = {id(one): percent_text(_place(one).share) for one in records}
    texts = [f"{text}, {shares[one]}" for one, text in labels(records, width).items()]
    made, (axes,) = figure(width, min(4.6, 0.62 * width + 1.2) + key_height(texts, width))
    roofs = _roofs(records)
    xs = [_place(one).intensity for one in records] + [peak / roof.bytes_per_s for roof, _, peak in roofs]
    left, right = min(xs) / 3, max(xs) * 4
    unit, size = scaled([max(peak for _, _, peak in roofs)], OPERATIONS)
    for place, (roof, precision, peak) in enumerate(roofs):
        ridge = peak / roof.bytes_per_s
        xs_of, ys_of = [left, ridge, right], [left * roof.bytes_per_s / size, peak / size, peak / size]
        axes.plot(xs_of, ys_of, color=INK, linewidth=1.1, linestyle=DASHES[place % len(DASHES)], gid="roof")
        said = f"{precision}, {roof.threads} thread{'s' if roof.threads != 1 else ''}"
        axes.annotate(said, (right, peak / size), xytext=(-2, 2), textcoords="offset points", ha="right", va="bottom", size=7.5, color=MUTED)
    shape = shapes(records)
    for one in records:
        x, y = _place(one).intensity, _place(one).achieved / size
        time = stats.interval(pairs.series(one))
        ends = [[y - y * time.value / time.high], [y * time.value / time.low - y]]  # the longest time is the fewest operations a second
        axes.errorbar(x, y, yerr=ends, fmt="none", ecolor=MUTED, elinewidth=0.8, alpha=0.55)
        axes.plot(x, y, shape[one.spec.precision], color=colour[one.spec.backend], markeredgecolor=PAPER, markersize=8, gid="cell")
    axes.set_xscale("log")
    axes.set_yscale("log")
    low, high = min(_place(one).achieved for one in records) / size / 4, max(peak for _, _, peak in roofs) / size * 2.5
    axes.set(xlim=(left, right), ylim=(low, high))
    logarithmic(axes.xaxis, left, right)
    logarithmic(axes.yaxis, low, high)
    axes.set_xlabel("operations for each byte (logarithmic)")
    axes.set_ylabel(f"{unit} (logarithmic)")
    cells = [
        Cell(Point(_place(one).intensity, _place(one).achieved / size, 64), text,
             colour[one.spec.backend], shape[one.spec.precision], colour[one.spec.backend])
        for one, text in zip(records, texts, strict=True)
    ]  # fmt: skip
    name(made, axes, cells, width)
    return made


def _roofs(records: Sequence[Record]) -> list[tuple[Roof, str, float]]:
    """Each roof that some cell is under, once: of a number of threads and a precision the highest that was measured."""
    found: dict[tuple[int, str], tuple[Roof, str, float]] = {}
    for one in records:
        assert one.roof is not None
        assert one.work is not None
        key = one.roof.threads, one.work.precision
        if key not in found or _roof_ops(one) > found[key][2]:
            found[key] = one.roof, one.work.precision, _roof_ops(one)
    return [found[key] for key in sorted(found)]
