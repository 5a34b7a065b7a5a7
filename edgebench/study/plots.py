"""Grids -> a figure for each table: accuracy with intervals, accuracy against size, times by engine, losses by part."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from edgebench.reports.plots.base import INK, LONGEST, LONGEST_NARROW, MARKERS, MUTED, PAPER, SERIES, Plot, columns, figure, is_wide, logarithmic, scaled
from edgebench.reports.plots.names import Cell, Point, fit, key_height, name
from edgebench.reports.plots.rows import figure_of
from edgebench.study.description import Table
from edgebench.study.evidence import ENGINES
from edgebench.study.grid import Grid, Line
from edgebench.units import BYTES, NS, duration_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW = 0.34


def plots(table: Table, grids: Sequence[Grid]) -> list[Plot]:
    """None where too little was measured to draw."""
    if table.kind == "sensitivity":
        return [Plot(f"{table.name}-{number}", "", _LOSSES, partial(_losses, grid)) for number, grid in enumerate(grids, start=1) if grid.lines]
    lines = grids[0].lines if grids else []
    if table.figure == "time":
        timed = [line for line in lines if line.entries.get("median") and line.entries["median"].value]
        return [Plot(table.name, "", _TIMES, partial(_times, timed))] if timed else []
    scored = [line for line in lines if line.score and line.score.low is not None]
    if table.figure == "accuracy" or table.kind == "ablation":
        return [Plot(table.name, "", _SCORES, partial(_scores, scored))] if scored else []
    sized = [line for line in scored if table.kind == "models" and line.entries["size"].value]
    return [Plot(table.name, "", _TRADE, partial(_trade, sized))] if table.figure == "trade" and len(sized) > 1 else []


_TRADE = "Up and to the left is better. A line leads from a model in fp32 to the same in fewer bits. Bars are 95 % intervals of accuracy."
_TIMES = "Bars are medians; a hollow one is of a cell that does not count."
_SCORES = "Points are accuracies, lines their 95 % intervals. Rows that were not trained are absent."
_LOSSES = "Points of accuracy with that one thing done and all else as it was; darker is more lost. A star: McNemar's p below 0.05."


def _scores(lines: Sequence[Line], width: float) -> Figure:
    made, axes = figure_of(width, len(lines), row=ROW)
    for place, line in enumerate(lines):
        assert line.score
        low, high = line.score.low or 0.0, line.score.high or 0.0
        value = 100 * line.score.value
        axes.errorbar(value, place, xerr=[[value - 100 * low], [100 * high - value]], fmt="o", color=SERIES[0 if place else 1], capsize=3)
    first = lines[0].score
    assert first
    axes.axvline(100 * first.value, color=MUTED, linewidth=0.8, linestyle=(0, (3, 3)))
    axes.set_xlabel(f"{first.metric} (%), dashed: {lines[0].label}")
    _named(axes, [one.label for one in lines], width)
    return made


def _trade(lines: Sequence[Line], width: float) -> Figure:
    models = list(dict.fromkeys(line.model for line in lines))
    colour = {model: SERIES[place % len(SERIES)] for place, model in enumerate(models)}
    shape = {precision: MARKERS[place % len(MARKERS)] for place, precision in enumerate(dict.fromkeys(line.precision for line in lines))}
    sizes = [line.entries["size"].value or 0.0 for line in lines]
    unit, size = scaled(sizes, BYTES)
    texts = [_short(f"{line.label}, {line.precision}", width) for line in lines]
    made, (axes,) = figure(width, min(4.6, 0.62 * width + 1.1) + key_height(texts, width))
    cells = []
    for line, text in zip(lines, texts, strict=True):
        assert line.score
        x, y = (line.entries["size"].value or 0.0) / size, 100 * line.score.value
        low, high = 100 * (line.score.low or 0.0), 100 * (line.score.high or 0.0)
        axes.errorbar(x, y, yerr=[[y - low], [high - y]], fmt="none", ecolor=MUTED, elinewidth=0.8, alpha=0.55, zorder=2)
        axes.scatter(x, y, s=64, marker=shape[line.precision], facecolor=colour[line.model], edgecolor=PAPER, linewidth=0.8, zorder=4)
        cells.append(Cell(Point(x, y, 64.0), text, INK, shape[line.precision], colour[line.model]))
    for model in models:
        path = sorted(((line.entries["size"].value or 0.0) / size, 100 * line.score.value) for line in lines if line.model == model and line.score)
        axes.plot([x for x, _ in path], [y for _, y in path], color=colour[model], linewidth=1.0, alpha=0.7, zorder=3)
    axes.set_xscale("log")
    axes.set_xlim(min(sizes) / size / 1.3, max(sizes) / size * 1.4)
    logarithmic(axes.xaxis, min(sizes) / size / 1.3, max(sizes) / size * 1.4)
    first = lines[0].score
    assert first
    axes.set_xlabel(f"size of the smallest file ({unit}, logarithmic)")
    axes.set_ylabel(f"{first.metric} (%), n = {first.n:,}" if first.n else f"{first.metric} (%)")
    if fit(texts, width):
        _shapes(axes, shape, width)
    name(made, axes, cells, width)
    return made


def _short(text: str, width: float) -> str:
    """Without its middle where it is too long for the picture."""
    most = LONGEST if is_wide(width) else LONGEST_NARROW - 2
    return text if len(text) <= most else f"{text[: most // 2 - 1]}…{text[-most // 2 :]}"


def _shapes(axes: Axes, shape: dict[str, str], width: float) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], linestyle="none", label=text, marker=marker, color=MUTED, markersize=7) for text, marker in shape.items()]
    axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=columns(list(shape), width), borderaxespad=0.4, borderpad=0)


def _times(lines: Sequence[Line], width: float) -> Figure:
    made, axes = figure_of(width, len(lines), row=ROW)
    values = [line.entries["median"].value or 0.0 for line in lines]
    unit, size = scaled(values, NS)
    for place, (line, value) in enumerate(zip(lines, values, strict=True)):
        engine = line.entries["engine"].text
        valid = line.entries["verdict"].text != "invalid"
        colour = SERIES[ENGINES.index(engine) if engine in ENGINES else 3]
        axes.barh(place, value / size, height=0.5, color=colour if valid else PAPER, edgecolor=colour, linewidth=1.0)
        verdict = line.entries["verdict"].text
        said = f"{duration_text(value)}{'' if verdict == 'valid' else f', {verdict}'}"
        axes.annotate(said, (value / size, place), xytext=(4, 0), textcoords="offset points", va="center", size=8, color=MUTED)
    axes.set_xlim(0, 1.25 * max(values) / size)
    axes.set_xlabel(f"median time of a sentence ({unit})")
    _named(axes, [f"{line.entries['engine'].text}, {line.precision}" for line in lines], width)
    return made


def _losses(grid: Grid, width: float) -> Figure:
    """A heat map with the numbers in it."""
    shown = [one.name for one in grid.columns if one.name not in ("rounded", "of", "weights")]
    lines = grid.lines
    made, (axes,) = figure(width, 0.95 + 0.34 * len(lines) + (0 if is_wide(width) else 0.5))
    values = [[line.entries[one].value for one in shown] for line in lines]
    most = max((-value for row in values for value in row if value is not None), default=0.0) or 1.0
    for down, (line, row) in enumerate(zip(lines, values, strict=True)):
        for across, value in enumerate(row):
            if value is None:
                continue
            share = min(max(-value / most, 0.0), 1.0) ** 0.5
            axes.add_patch(_patch(across, down, share))
            axes.annotate(line.entries[shown[across]].text, (across, down), ha="center", va="center", size=8 if is_wide(width) else 6.5, color=INK)
    axes.set_xlim(-0.5, len(shown) - 0.5)
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.set_xticks(range(len(shown)), [one if is_wide(width) else one.replace(" ", "\n") for one in shown])
    axes.set_yticks(range(len(lines)), [line.entries[grid.columns[0].name].text for line in lines])
    axes.tick_params(length=0, labelcolor=INK, labelsize=8 if is_wide(width) else 6.5)
    axes.xaxis.tick_top()
    axes.grid(False)
    for side in axes.spines.values():
        side.set_visible(False)
    return made


def _patch(across: int, down: int, share: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((across - 0.48, down - 0.46), 0.96, 0.92, facecolor=SERIES[1], alpha=0.75 * share, linewidth=0)


def _named(axes: Axes, texts: Sequence[str], width: float) -> None:
    """Each row's name beside it, or above it where there is little room."""
    axes.set_yticks(range(len(texts)), texts if is_wide(width) else [])
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    for place, text in enumerate(texts if not is_wide(width) else ()):
        axes.annotate(text, (0, place - 0.27), xycoords=("axes fraction", "data"), xytext=(0, 1.5), textcoords="offset points", va="bottom", size=7.5)


