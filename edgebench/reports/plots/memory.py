"""Records -> how much memory a cell holds as it comes up: a row for each, the smallest peak first."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from edgebench.record import Record
from edgebench.reports.plots import rows
from edgebench.reports.plots.base import GRID, INK, PAPER, SERIES, Plot, is_wide, scaled
from edgebench.units import BYTES, bytes_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = (("engine imported", "baseline_bytes", "|"), ("loaded", "loaded_bytes", "s"), ("first answer", "first_answer_bytes", "D"), ("peak", "peak_bytes", "o"))
ABOUT = (
    "Resident memory of a process of its own, as the kernel counts it: with the engine imported, with the model loaded, after the first answer, and at its "
    "peak over all answers (what is printed). One process a cell, so there is no interval; allocators vary by a few per cent."
)


def plots(records: Sequence[Record]) -> list[Plot]:
    """One, of all cells whose memory was measured."""
    known = sorted((one for one in records if one.memory), key=_peak)
    return [Plot("memory", "", ABOUT, partial(_draw, known))] if known else []


def _peak(record: Record) -> int:
    return record.memory.peak_bytes if record.memory else 0


def _draw(records: list[Record], width: float) -> Figure:
    made, axes = rows.figure_of(width, len(records))
    reach = max(map(_peak, records))
    unit, size = scaled([reach], BYTES)
    places = range(len(records))
    values = {field: [getattr(one.memory, field) / size for one in records] for _, field, _ in POINTS}
    axes.hlines(places, values["baseline_bytes"], values["peak_bytes"], color=GRID, linewidth=6, zorder=1)
    for place, (label, field, marker) in enumerate(POINTS):
        options = {"markeredgewidth": 2} if marker == "|" else {"markeredgecolor": PAPER, "markeredgewidth": 0.7}
        axes.plot(values[field], places, marker, color=SERIES[place], label=label, markersize=7, gid=field, **options)
    for place, record in enumerate(records):
        axes.annotate(bytes_text(_peak(record)), (_peak(record) / size, place), xytext=(7, 0), textcoords="offset points", va="center", size=8, color=INK)
    axes.set_xlim(0, reach / size * (1.1 if is_wide(width) else 1.22))
    axes.set_xlabel(f"resident memory ({unit})")
    rows.name(axes, records, width)
    rows.legend(axes, width)
    return made
