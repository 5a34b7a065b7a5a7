"""A model that was just made, and budgets -> its files measured on a device, and the one to take: what `compress --budget` ends with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgebench.bench.budgets import Budget
    from edgebench.record import Record

RECORDS = "records.jsonl"


def choose(card: Path, budgets: Sequence[Budget], device: str, folder: Path) -> bool:
    """Measure every file of `card` in every engine of `device`, the records into `folder`, and print which keep the budgets, which of these to
    take, and why not the others; whether there is one. Among those that cannot be told apart in time the smaller is taken."""
    from edgebench import catalog, plugins
    from edgebench.bench.plan import Ask, plan
    from edgebench.cli.sweep import measure
    from edgebench.devices import profile as profiles
    from edgebench.reports import recommend as report

    profile = profiles.read(catalog.find("devices", device))
    sweep = plan(Ask(models=(str(card),), threads=profile.threads, profile=profile.name, allow_code=True))
    records = measure(sweep, plugins.get("devices", profile.reach)(profile), folder / RECORDS, resume=True)
    for line in kept(records, budgets):
        click.echo(line)
    found = report.recommend(records, budgets, "latency")
    click.echo(report.render(found, budgets, "latency"), nl=False)
    if found and all(one.pick for one in found):
        return True
    noisy = even_so(records, budgets)
    if noisy:
        click.echo(f"take {noisy.spec.name} all the same: it is noisy, and its whole interval keeps the budget")
    return noisy is not None


def kept(records: Sequence[Record], budgets: Sequence[Budget]) -> list[str]:
    """A line for each cell that was measured: that it keeps the budgets, or which it breaks and by how much."""
    from edgebench.bench.budgets import broken

    measured = [one for one in records if one.outcome == "ok"]
    return [f"{one.spec.backend} {one.spec.precision}, {one.verdict}: {'; '.join(broken(one, budgets)) or 'keeps the budget'}" for one in measured]


def even_so(records: Sequence[Record], budgets: Sequence[Budget]) -> Record | None:
    """Of noisy cells the fastest that keeps the budgets with the slow end of its interval, too."""
    from edgebench.bench.budgets import broken
    from edgebench.reports.base import interval

    limits = [one.limit for one in budgets if one.metric == "median"]
    found = []
    for record in records:
        time = interval(record) if record.verdict == "noisy" and not broken(record, budgets) else None
        if time and all(time.high <= limit for limit in limits):
            found.append((time.value, record.artifact.get("size_bytes", 0), record.spec.name, record))
    return min(found, key=lambda one: one[:3])[3] if found else None
