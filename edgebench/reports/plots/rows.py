"""Rows: one cell each, named at the left, or above itself where the picture is narrow; and the bars that stand in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from edgebench.record import Record
from edgebench.reports.plots.base import INK, MUTED, SERIES, columns, figure, is_wide, labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

def figure_of(width: float, count: int, *, row: float = 0.34, more: float = 0.75) -> tuple[Figure, Axes]:
    """A figure with room for so many rows, each `row` inches high, taller where the name stands above; `more` is for axis and legend."""
    made, (axes,) = figure(width, more + count * (row if is_wide(width) else row + 0.2))
    axes.set_ylim(count - 0.5, -0.5 if is_wide(width) else -0.7)
    axes.grid(False, axis="y")
    axes.spines["left"].set_visible(False)
    return made, axes


def name(axes: Axes, records: Sequence[Record], width: float, numbers: Sequence[str] = (), *, top: float = 0.27) -> None:
    """Write each row's cell beside or above it, with its verdict where that is not `valid`; its number at the other end, or behind the name.

    `top`: how far what is drawn in a row reaches above its middle.
    """
    found = labels(records, width)
    texts = [f"{found[id(one)]}{'' if one.verdict == 'valid' else f' ({one.verdict})'}" for one in records]
    axes.set_yticks(range(len(records)), texts if is_wide(width) else [])
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    for place, text in enumerate(texts):
        number = numbers[place] if numbers else ""
        if is_wide(width):
            axes.annotate(number.replace(" (", "\n("), (1.01, place), xycoords=("axes fraction", "data"), va="center", size=8, color=MUTED)
        else:
            said = f"{text}: {number}" if number else text
            axes.annotate(said, (0, place - top), xycoords=("axes fraction", "data"), xytext=(0, 1.5), textcoords="offset points", va="bottom", size=8)


def stacked(axes: Axes, parts: Mapping[str, Sequence[float]]) -> None:
    """Bars of each row's parts, one after the other."""
    left = [0.0] * len(next(iter(parts.values())))
    for place, (label, sizes) in enumerate(parts.items()):
        axes.barh(range(len(sizes)), sizes, left=left, height=0.5, color=SERIES[place % len(SERIES)], label=label, edgecolor="none")
        left = [one + size for one, size in zip(left, sizes, strict=True)]


def legend(axes: Axes, width: float) -> None:
    """Above the axes, from their left edge."""
    handles, texts = axes.get_legend_handles_labels()
    axes.legend(
        handles, texts, loc="lower left", bbox_to_anchor=(0, 1), ncols=columns(texts, width * 0.85), borderaxespad=0.2, handlelength=1.2,
        columnspacing=1.2, borderpad=0,
    )


