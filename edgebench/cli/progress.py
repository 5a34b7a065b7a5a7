"""What a sweep says while it runs: a line for each finished cell, and on a terminal a bar with the time left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import click

if TYPE_CHECKING:
    from edgebench.bench.run import Progress
    from edgebench.record import Record


class Lines:
    """One plain line for each finished cell."""

    def tell(self, progress: Progress) -> None:
        """Say nothing between cells."""

    def finished(self, record: Record) -> None:
        click.echo(line(record), err=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


class Bar(Lines):
    """A bar on a terminal. It is drawn between passes only: nothing may run beside a timed loop."""

    def __init__(self) -> None:
        from rich import progress
        from rich.console import Console

        self._bar = progress.Progress(
            progress.BarColumn(24), progress.MofNCompleteColumn(), progress.TextColumn("{task.fields[left]}"),
            progress.TextColumn("{task.description}", markup=False), console=Console(stderr=True), auto_refresh=False, transient=True,
        )
        self._task = self._bar.add_task("", left="")

    def tell(self, progress: Progress) -> None:
        from edgebench.units import clock_text

        left = f"about {clock_text(progress.left_s)} left"
        self._bar.update(self._task, completed=progress.done, total=progress.total, description=progress.doing or None, left=left, refresh=True)

    def finished(self, record: Record) -> None:
        self._bar.console.print(line(record), markup=False, highlight=False)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


def line(record: Record) -> str:
    """A finished cell in a line: its name, its median, its verdict and why."""
    from edgebench.reports.base import interval
    from edgebench.units import duration_text, plain

    time = interval(record)
    took = f"{duration_text(time.value)}, " if time else ""
    return plain(f"{record.spec.name}: {took}{record.verdict}{f' ({record.reasons[0]})' if record.reasons else ''}")
