"""A plan -> records in a file, with progress on stderr: what `bench` does between its options and its report."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from edgebench.cli.progress import Bar, Lines

if TYPE_CHECKING:
    from edgebench.bench.plan import Plan
    from edgebench.bench.run import Progress
    from edgebench.devices.base import Executor
    from edgebench.record import Record

GIBIBYTE = 1 << 30
MOST_AT_ONCE = 8  # sshd allows ten sessions on a connection unless told otherwise
FOLDER = Path("results")


def new_file() -> Path:
    """results/<UTC time>.jsonl, with a number where another sweep began in the same second."""
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    number = 1
    while (path := FOLDER / f"{name}{f'-{number}' if number > 1 else ''}.jsonl").exists() or path.with_name(f"{path.name}.parts").exists():
        number += 1
    return path


class Watcher(Protocol):
    """Who else wants to know how far a sweep is."""

    def tell(self, progress: Progress) -> None: ...
    def finished(self, record: Record) -> None: ...


def measure(plan: Plan, executor: Executor, output: Path, *, resume: bool | None, watcher: Watcher | None = None, at_once: int | None = None) -> list[Record]:
    """Run the plan, each record into `output` as soon as it is complete; with `resume` only what is missing there.
    `resume` is None for a command that cannot go on with a file. `at_once` untimed passes run together, by default what the device has room for.

    The executor is closed in the end. The records are all of the plan's, in its order, those that `output` had already among them.
    """
    from edgebench.bench.journal import Journal
    from edgebench.bench.resume import machine, missing
    from edgebench.bench.run import Sweep
    from edgebench.record import append, check_writable, read_lines

    written = 0

    def keep(record: Record) -> None:
        nonlocal written
        append(output, record)
        written += 1
        progress.finished(record)
        if watcher:
            watcher.finished(record)

    def tell(how_far: Progress) -> None:
        progress.tell(how_far)
        if watcher:
            watcher.tell(how_far)

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `timeout 60 edgebench bench` keeps its records, too
    try:
        check_writable(output)
        host = executor.facts()
        rest, before = missing(plan, read_lines(output) if resume and output.exists() else [], host)
        with (
            Bar() if sys.stderr.isatty() else Lines() as progress,
            Journal(output, executor.run, machine=machine(host), resume=bool(resume)) as journal,
        ):
            if before or journal.recalled:
                click.echo(_recalled(len(before), journal.recalled), err=True)
            found = [*before, *Sweep(rest, journal, host=host, keep=keep, tell=tell, at_once=at_once or _at_once(rest, host)).run()]
            if journal.lost and resume is not None:
                click.echo(f"what was answered before the device was lost is kept; {_goes_on(output)}", err=True)
            places = {spec: place for place, spec in enumerate(plan.cells)}
            return sorted(found, key=lambda record: places.get(record.spec, len(places)))
    except KeyboardInterrupt:
        click.echo(_interrupted(written, output, resume is not None), err=True)
        raise
    finally:
        executor.close()


def outline(plan: Plan) -> str:
    """The cells, what cannot be measured, the labelled sets, and about how long it takes."""
    from edgebench.bench.estimate import Estimate
    from edgebench.units import clock_text

    cells = [f"{spec.name}: {', '.join(spec.passes)}" for spec in plan.cells]
    rows = [f"{row.spec.name}: {row.verdict} ({row.reasons[0]})" for row in plan.rows]
    sets = [f"{name}: {len(model.labelled)} examples of {model.labelled.name}" for name, model in plan.models.items()]
    least, most = (Estimate().plan(plan.cells, most=most) for most in (False, True))
    times = f"about {clock_text(least)}{f', up to {clock_text(most)} where cells are noisy' if most > least else ''}"
    return "\n".join([*cells, *rows, *sets, f"{len(cells)} cell{'s' if len(cells) != 1 else ''}, {times}"]) + "\n"


def status(records: Sequence[Record], strict: bool) -> int:
    """The exit status that these records ask for."""
    verdicts = {record.verdict for record in records}
    if "failed" in verdicts:
        return 1
    if verdicts == {"unsupported"}:
        return 3
    return 4 if strict and verdicts & {"noisy", "invalid"} else 0


def _at_once(plan: Plan, host: dict[str, Any]) -> int:
    """How many untimed passes may run together: as many as the device has processors and, in half of its memory, gibibytes for."""
    threads = max((spec.threads for spec in plan.cells), default=1)
    memory = min((one for one in (host.get("memory_bytes"), host.get("memory_limit_bytes")) if one), default=0)
    return int(max(1, min(host.get("usable_cores", 1) // threads, memory // 2 // GIBIBYTE, MOST_AT_ONCE)))


def _recalled(records: int, passes: int) -> str:
    return f"measured before and not again: {records} record{'s' if records != 1 else ''}, and {passes} pass{'es' if passes != 1 else ''} of other cells"


def _interrupted(written: int, output: Path, can_resume: bool) -> str:
    records = f"{written} record{'s are' if written != 1 else ' is'} in {output}" if written else "no record was finished"
    return f"interrupted: {records}{f'; {_goes_on(output)}' if can_resume else ''}"


def _goes_on(output: Path) -> str:
    return f"the same command with -o {output} --resume goes on"
