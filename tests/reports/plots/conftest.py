"""What was drawn: the points of a figure's lines and marks, by the name that the plot gave them."""

from __future__ import annotations

from typing import Any


def lines(axes: Any, name: str) -> list[tuple[list[float], list[float]]]:
    """x and y of every line called so."""
    return [([float(x) for x in one.get_xdata()], [float(y) for y in one.get_ydata()]) for one in axes.lines if one.get_gid() == name]


def texts(figure: Any) -> list[str]:
    """Everything that is written in the figure, where something is."""
    from matplotlib.text import Text

    return [one.get_text() for one in figure.findobj(Text) if one.get_text()]
