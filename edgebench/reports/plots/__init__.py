"""Records -> plots, a module for each kind; matplotlib is imported when one is drawn.

    for stem, plot in named(records).items():
        Path(f"{stem}.svg").write_text(svg(plot))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgebench.record import Record
from edgebench.reports import pairs
from edgebench.reports.plots import energy, latency, memory, pareto, phases, roofline, sustained, throughput
from edgebench.reports.plots.base import Plot, slug
from edgebench.reports.recommend import apart

KINDS: tuple[tuple[str, Callable[[Sequence[Record]], list[Plot]]], ...] = (  # in the order of a page
    ("Accuracy against time against memory", pareto.plots),
    ("How times are spread", latency.plots),
    ("What a call consists of", phases.stages),
    ("Throughput", throughput.rates),
    ("What a server held", throughput.trials),
    ("Over minutes", sustained.plots),
    ("Memory", memory.plots),
    ("From start to first answer", phases.cold),
    ("Energy", energy.plots),
    ("Roofline", roofline.plots),
)


@dataclass(frozen=True)
class Section:
    """One kind of plot, and those of it that the records have data for: at least one."""

    title: str
    plots: list[Plot]


def sections(records: Sequence[Record]) -> list[Section]:
    """Of records of one machine and one labelled set; of a cell measured twice the latest. A kind without data is absent."""
    latest = list(pairs.latest(records).values())
    return [Section(title, found) for title, plots in KINDS if (found := plots(latest))]


def named(records: Sequence[Record]) -> dict[str, Plot]:
    """The stem of a file -> every plot, of each machine and labelled set by itself: "latency-server-own-lengths", "records-2-memory"."""
    found: dict[str, Plot] = {}
    parts = apart(records)
    for number, part in enumerate(parts, start=1):
        for plot in (plot for section in sections(part) for plot in section.plots):
            stem = slug(f"{f'records {number} ' if len(parts) > 1 else ''}{plot.name} {plot.title}")
            found[stem if stem not in found else f"{stem}-{len(found)}"] = plot
    return found
