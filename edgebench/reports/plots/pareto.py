"""Records -> accuracy against latency against memory: a point for each cell, and which of them no other beats."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING, Any

from edgebench.bench import stats
from edgebench.record import Record
from edgebench.reports import curve, pairs
from edgebench.reports.plots.base import INK, MUTED, PAPER, Plot, colours, columns, figure, labels, logarithmic, scaled, shapes, spread
from edgebench.reports.plots.names import Cell, Point, fit, key_height, name
from edgebench.reports.recommend import Recommendation, question, recommend
from edgebench.units import NS, bytes_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

AREA = (36.0, 420.0)  # of the least and the most memory, in square points
ABOUT = (
    "Up and to the left is better; a larger point needs more memory at its peak, which stands with its name. A filled point is on the Pareto front: "
    "no other valid cell is better in time, memory, accuracy, size or energy without being worse in another. A hollow one is beaten or noisy, a crossed-out "
    "one invalid. Bars are 95 % intervals: of time over the processes, of accuracy by the number of examples. Cells that answer the same examples share "
    "most of accuracy's uncertainty, so bars that overlap do not make two cells alike."
)


def plots(records: Sequence[Record]) -> list[Plot]:
    """One for each question of which two cells or more have a time and an accuracy."""
    found = recommend(records, [])
    return [
        Plot("pareto", question(one.records[0]) if len(found) > 1 else "", f"{ABOUT} {curve.told(one.records)}".rstrip(), partial(_draw, one, colours(records)))
        for one in found if len(_points(one.records)) > 1
    ]


def _points(records: Sequence[Record]) -> list[Record]:
    return [one for one in records if one.accuracy and pairs.series(one)]


def _draw(found: Recommendation, colour: dict[str, str], width: float) -> Figure:
    records = _points(found.records)
    times = {id(one): stats.interval(pairs.series(one)) for one in records}
    unit, size = scaled([one.value for one in times.values()], NS)
    texts = [f"{text}{_peak(one)}" for one, text in zip(records, labels(records, width).values(), strict=True)]
    made, (axes,) = figure(width, min(4.6, 0.62 * width + 1.1) + key_height(texts, width))
    shape = shapes(records)
    areas = _areas(records)
    front = {id(one) for one in found.front}
    for one in sorted(records, key=lambda one: -areas[id(one)]):  # a small point lies on a large one
        assert one.accuracy is not None
        time, right = times[id(one)], one.accuracy
        x, y = time.value / size, 100 * right.value
        axes.errorbar(
            x, y, xerr=[[x - time.low / size], [time.high / size - x]], yerr=[[y - 100 * right.low], [100 * right.high - y]], fmt="none", ecolor=MUTED,
            elinewidth=0.8, alpha=0.55, zorder=2,
        )
        face = colour[one.spec.backend] if id(one) in front else PAPER
        edge: dict[str, Any] = {"edgecolor": colour[one.spec.backend], "linewidth": 1.6}
        axes.scatter(x, y, s=areas[id(one)], marker=shape[one.spec.precision], facecolor=face, zorder=3, gid="cell", **edge)
        if one.verdict == "invalid":
            axes.scatter(x, y, s=60, marker="x", color=INK, linewidth=1.2, zorder=4, gid="invalid")
    _curves(axes, records, colour, size)
    low, high = min(one.value for one in times.values()), max(one.value for one in times.values())
    axes.set_xscale("log")
    axes.set_xlim(low / size / 1.25, high / size * 1.35)
    logarithmic(axes.xaxis, low / size / 1.25, high / size * 1.35)
    n = spread([one.n for one in times.values()], "process"), spread([one.accuracy.n for one in records if one.accuracy], "example")
    axes.set_xlabel(f"{_what(records[0])} ({unit}, logarithmic)\n{' and '.join(n)} a cell")
    axes.set_ylabel(f"{records[0].accuracy.metric if records[0].accuracy else 'accuracy'} (%)")
    if fit(texts, width):
        _legend(axes, records, colour, shape, width)
    cells = [
        Cell(Point(times[id(one)].value / size, 100 * one.accuracy.value, areas[id(one)]), text,
             colour[one.spec.backend], shape[one.spec.precision], colour[one.spec.backend] if id(one) in front else PAPER)
        for one, text in zip(records, texts, strict=True) if one.accuracy
    ]  # fmt: skip
    name(made, axes, cells, width)
    return made


def _curves(axes: Axes, records: Sequence[Record], colour: dict[str, str], size: float) -> None:
    """The best accuracy within a time, of each model of several speeds, and a ring around each point that makes it so."""
    several = [one for one in curve.curves(records) if len(one.records) > 1]
    for one, style in zip(several, cycle(("-", "--", ":", "-."))):
        times = [(pairs.time_ns(each) or 0.0) / size for each in one.front]
        rights = [100 * each.accuracy.value for each in one.front if each.accuracy]
        shade = colour[one.front[0].spec.backend]
        end = (pairs.time_ns(one.records[-1]) or 0.0) / size
        look: dict[str, Any] = {"drawstyle": "steps-post", "color": shade, "linestyle": style, "linewidth": 1.2, "alpha": 0.8}
        axes.plot([*times, end], [*rights, rights[-1]], zorder=2.5, gid="curve", **look)
        axes.scatter(times, rights, s=AREA[1] * 1.25, marker="o", facecolor="none", edgecolor=shade, linewidth=0.9, zorder=3.5, gid="front")


def _what(record: Record) -> str:
    if record.throughput:
        return "time for an input"
    return "median time of a query" if record.latency else "time to the first answer"


def _peak(record: Record) -> str:
    return f", {bytes_text(record.memory.peak_bytes)}" if record.memory else ""


def _areas(records: Sequence[Record]) -> dict[int, float]:
    """In proportion to the peak, as far as the smallest can be seen; the smallest where memory is not known."""
    peaks = {id(one): one.memory.peak_bytes if one.memory else 0 for one in records}
    most = max(peaks.values()) or 1
    return {place: max(AREA[1] * peak / most, AREA[0]) for place, peak in peaks.items()}


def _legend(axes: Axes, records: Sequence[Record], colour: dict[str, str], shape: dict[str, str], width: float) -> None:
    from matplotlib.lines import Line2D

    def line(label: str, **options: Any) -> Line2D:
        return Line2D([], [], linestyle="none", label=label, **options)

    handles = [line(name, marker="o", color=colour[name], markersize=7) for name in sorted({one.spec.backend for one in records})]
    handles += [line("any" if name == "*" else name, marker=marker, color=MUTED, markerfacecolor=PAPER, markersize=7) for name, marker in shape.items()]
    across = columns([str(one.get_label()) for one in handles], width)
    axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=across, borderaxespad=0.4, columnspacing=1.4, handletextpad=0.5, borderpad=0)
