"""Points and their names -> names beside the points where they are few, else numbers and a key below.

No text lies over another or over a point while there is room.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from edgebench.reports.plots.base import INK, columns, is_wide

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation

FEW, SHORT = (7, 4), (34, 24)  # names that stand beside their points in a wide and in a narrow picture, and how long the longest may be
LINE = 0.185  # inches of a line of the key
GAP = 3  # points between a mark and its name
PLACES = (  # how far out in either direction, and how the name is aligned there: the first that is free is taken
    (1, 0, "left", "center"), (-1, 0, "right", "center"), (0, 1, "center", "bottom"), (0, -1, "center", "top"),
    (0.7, 0.7, "left", "bottom"), (0.7, -0.7, "left", "top"), (-0.7, 0.7, "right", "bottom"), (-0.7, -0.7, "right", "top"),
)
STEPS = (1, 2.5, 4.5)  # further out where all are taken nearby


class Point(NamedTuple):
    """In the units of the axes; `area` of its mark in square points."""

    x: float
    y: float
    area: float


class Cell(NamedTuple):
    """A point with its name, and how its mark looks in the key; what follows a comma in the name has a line of its own beside the point."""

    point: Point
    text: str
    colour: str
    shape: str
    face: str


def fit(texts: Sequence[str], width: float) -> bool:
    """Whether the names have room beside their points."""
    few, short = (one[0 if is_wide(width) else 1] for one in (FEW, SHORT))
    return len(texts) <= few and max(map(len, texts)) <= short


def key_height(texts: Sequence[str], width: float) -> float:
    """What a picture needs for the key, in inches; nothing where the names fit."""
    return 0.0 if fit(texts, width) else LINE * math.ceil(len(texts) / columns(texts, width)) + 0.1


def name(made: Figure, axes: Axes, cells: Sequence[Cell], width: float) -> None:
    """After the limits of the axes are set. Numbers run from left to right."""
    from matplotlib.lines import Line2D

    texts = [one.text for one in cells]
    if fit(texts, width):
        beside(made, axes, [one.point for one in cells], [text.replace(", ", "\n") for text in texts])
        return
    ordered = sorted(cells, key=lambda one: one.point)
    handles = [
        Line2D([], [], linestyle="none", marker=one.shape, color=one.colour, markerfacecolor=one.face, markersize=6, label=f"{number}  {one.text}")
        for number, one in enumerate(ordered, start=1)
    ]
    made.legend(handles=handles, loc="outside lower left", ncols=columns(texts, width), borderpad=0, columnspacing=1.5, handletextpad=0.3)
    beside(made, axes, [one.point for one in ordered], [str(number) for number in range(1, len(ordered) + 1)])


def beside(made: Figure, axes: Axes, points: Sequence[Point], texts: Sequence[str]) -> None:
    """Write the texts, in this order, after the limits of the axes are set; a point with an empty one only keeps its place free."""
    from matplotlib.transforms import Bbox

    made.draw_without_rendering()  # so that the layout is what it will be
    sides = [one.area**0.5 * made.dpi / 72 for one in points]
    centres = [axes.transData.transform((one.x, one.y)) for one in points]
    taken = [Bbox.from_bounds(x - side / 2, y - side / 2, side, side) for (x, y), side in zip(centres, sides, strict=True)]
    frame = axes.get_window_extent()
    for point, text in zip(points, texts, strict=True):
        if not text:
            continue
        for step, place in ((step, place) for step in STEPS for place in PLACES):
            written = _written(axes, point, text, place, step)
            box = written.get_window_extent()
            if frame.contains(box.x0, box.y0) and frame.contains(box.x1, box.y1) and not any(box.overlaps(other) for other in taken):
                break
            written.remove()
        else:
            written = _written(axes, point, text, PLACES[0], 1)
        taken.append(written.get_window_extent())
        if step > 1:  # only now: the extent of an annotation has its line in it
            line = {"arrowstyle": "-", "color": INK, "linewidth": 0.5}
            axes.annotate("", (point.x, point.y), xytext=written.xyann, textcoords="offset points", arrowprops=line)


def _written(axes: Axes, point: Point, text: str, place: tuple[float, float, str, str], step: float) -> Annotation:
    right, up, across, along = place
    reach = (point.area**0.5 / 2 + GAP) * step
    return axes.annotate(
        text, (point.x, point.y), xytext=(right * reach, up * reach), textcoords="offset points", ha=across, va=along, size=8, color=INK, zorder=5,
        linespacing=1.05,
    )
