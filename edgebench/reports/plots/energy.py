"""Records -> what a call costs in energy, beyond what the machine uses asleep: a row for each cell, the thriftiest first."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from edgebench.bench.budgets import energy_j
from edgebench.record import Record
from edgebench.reports.plots import rows
from edgebench.reports.plots.base import Plot, colours, scaled
from edgebench.units import JOULES, joules_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ABOUT = (
    "Energy of a call by {method} (what it sees: {scope}), without what the same process used while it slept as long. "
    "One process a cell, so there is no interval."
)


def plots(records: Sequence[Record]) -> list[Plot]:
    """One for each meter: what different meters count is not comparable."""
    meters: dict[tuple[str, str], list[Record]] = {}
    for one in records:
        if one.energy and energy_j(one) is not None:
            meters.setdefault((one.energy.method, one.energy.scope), []).append(one)
    return [
        Plot("energy", scope if len(meters) > 1 else "", ABOUT.format(method=method, scope=scope), partial(_draw, known, colours(records)))
        for (method, scope), known in meters.items()
    ]


def _draw(records: list[Record], colour: dict[str, str], width: float) -> Figure:
    known = sorted(((found, one) for one in records if (found := energy_j(one)) is not None), key=lambda one: one[0])
    unit, size = scaled([known[-1][0]], JOULES)
    made, axes = rows.figure_of(width, len(known), more=0.55)
    values = [found / size for found, _ in known]
    axes.barh(range(len(known)), values, height=0.5, color=[colour[one.spec.backend] for _, one in known])
    axes.set_xlabel(f"energy of a call ({unit})")
    rows.name(axes, [one for _, one in known], width, [joules_text(found) for found, _ in known])
    return made
