"""A plan -> records in a file, by a fleet: what `bench --fleet` does between its options and its report."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgebench.cli.progress import Bar, Lines

if TYPE_CHECKING:
    from edgebench.bench.plan import Plan
    from edgebench.record import Record


def measure(plan: Plan, address: str, device: str, output: Path, *, resume: bool) -> list[Record]:
    """As `edgebench.cli.sweep.measure`, through the scheduler at `address`. With `resume`, a cell that any device has measured is not measured again."""
    from edgebench.bench.resume import missing
    from edgebench.bench.run import Progress
    from edgebench.devices import fleet
    from edgebench.record import append, check_writable, read_lines

    def keep(record: Record) -> None:
        append(output, record)
        progress.finished(record)

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    check_writable(output)
    rest, before = missing(plan, read_lines(output) if resume and output.exists() else [], None)
    with Bar() if sys.stderr.isatty() else Lines() as progress, fleet.connected(address) as client:
        if before:
            click.echo(f"measured before and not again: {len(before)} record{'s' if len(before) != 1 else ''}", err=True)
        tell = progress.tell
        found = fleet.measure(client, rest, device, keep=keep, done=lambda ended: tell(Progress(ended, len(rest.cells), 0.0, "")))
    places = {spec: place for place, spec in enumerate(plan.cells)}
    return sorted([*before, *found], key=lambda record: places.get(record.spec, len(places)))
