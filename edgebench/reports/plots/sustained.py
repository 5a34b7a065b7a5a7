"""Records -> how the median moves over minutes of calls without a pause, with the temperature and the clock where the machine tells them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from edgebench.record import Record, Window
from edgebench.reports.plots.base import INK, MARKERS, SERIES, Plot, columns, figure, labels, scaled
from edgebench.units import HERTZ, NS, SECONDS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKS = 12  # on a line
PER_PICTURE = 6  # cells whose lines can be told apart
ABOUT = (
    "The median of the calls of each window of a few seconds, a line for each fresh process, all from the first call on. A cross marks where the "
    "machine itself says that it began to throttle."
)


def plots(records: Sequence[Record]) -> list[Plot]:
    """One for each half dozen cells that ran for minutes."""
    known = [one for one in records if one.sustained and any(one.sustained.processes)]
    parts = [known[start : start + PER_PICTURE] for start in range(0, len(known), PER_PICTURE)]
    return [
        Plot("sustained", f"part {number}" if len(parts) > 1 else "", ABOUT, partial(_draw, part))
        for number, part in enumerate(parts, start=1)
    ]


def _draw(records: list[Record], width: float) -> Figure:
    every = [window for one in records for process in _processes(one) for window in process]
    unit, size = scaled([one.median_ns for one in every], NS)
    panels: list[tuple[str, Callable[[Window], float | None]]] = [(f"median of a window ({unit})", lambda one: one.median_ns / size)]
    if any(one.temp_c is not None for one in every):
        panels.append(("temperature (°C)", lambda one: one.temp_c))
    if any(one.freq_hz is not None for one in every):
        clock, hertz = scaled([one.freq_hz for one in every if one.freq_hz is not None], HERTZ)
        panels.append((f"clock ({clock})", lambda one: None if one.freq_hz is None else one.freq_hz / hertz))
    texts = labels(records, width)
    across = columns(list(texts.values()), width * 0.9)
    height = 2.4 + 1.2 * (len(panels) - 1) + 0.2 * math.ceil(len(records) / across)
    made, axes = figure(width, height, len(panels), sharex=True, height_ratios=[2, *[1] * (len(panels) - 1)])
    for place, (axis, (label, read)) in enumerate(zip(axes, panels, strict=True)):
        _lines(axis, records, texts, read, is_first=place == 0)
        axis.set_ylabel(label)
    axes[0].set_ylim(0, max(one.median_ns for one in every) / size * 1.15)
    axes[-1].set_xlim(0)
    axes[-1].set_xlabel(f"time since the first call ({_seconds(records)[0]})")
    axes[0].legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=across, borderaxespad=0.3, borderpad=0)
    return made


def _lines(axes: Axes, records: list[Record], texts: dict[int, str], read: Callable[[Window], float | None], *, is_first: bool) -> None:
    _, second = _seconds(records)
    for place, record in enumerate(records):
        for number, process in enumerate(_processes(record)):
            known = [(one, value) for one in process if (value := read(one)) is not None]
            look: dict[str, Any] = {"color": SERIES[place % len(SERIES)], "marker": MARKERS[place % len(MARKERS)], "markevery": max(len(known) // MARKS, 1)}
            label = texts[id(record)] if number == 0 else None
            times, values = [one.at_ns / 1e9 / second for one, _ in known], [value for _, value in known]
            axes.plot(times, values, markersize=3.5, linewidth=1.1, label=label, gid="process", **look)
            hot = [now for (before, _), now in zip([(None, 0), *known], known, strict=False) if now[0].throttled and not (before and before.throttled)]
            if is_first and hot:
                axes.plot([one.at_ns / 1e9 / second for one, _ in hot], [value for _, value in hot], "x", color=INK, markersize=7, gid="throttled")


def _processes(record: Record) -> list[list[Window]]:
    return record.sustained.processes if record.sustained else []


def _seconds(records: Sequence[Record]) -> tuple[str, float]:
    end = max(window.at_ns for one in records for process in _processes(one) for window in process) / 1e9
    return SECONDS[1] if end > 180 else SECONDS[0]
