"""edgebench bench [MODEL...]: every model in every engine and precision here, one table, the fastest valid cell marked.

    edgebench bench
    edgebench bench tinybert-sst2 --backend onnxruntime,tflite --precision int8 --threads 1,2 --length 32,128
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click

if TYPE_CHECKING:
    from edgebench.bench.plan import Ask, Plan
    from edgebench.devices.base import Executor
    from edgebench.record import Record

GIBIBYTE = 1 << 30

EXIT = """\b
Exit status:
  0    every cell was measured, or says why it cannot be
  1    a cell failed; the others stand
  2    wrong usage
  3    nothing could be measured here
  4    with --strict: a cell is noisy or invalid
  130  interrupted; the records so far are in the file"""


class Names(click.ParamType):  # type: ignore[type-arg]  # generic only from click 8.4 on
    """`a,b` -> ("a", "b"), each once."""

    name = "a,b"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = tuple(dict.fromkeys(one.strip() for one in value.split(",")))
        if "" in names:
            self.fail(f"{value!r} has an empty name; give names with commas between", param, ctx)
        return names


class Counts(Names):
    """`1,2` -> (1, 2), each 1 or more."""

    name = "1,2"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        names = super().convert(value, param, ctx)
        if not all(str(one).isascii() and str(one).isdigit() and int(one) > 0 for one in names):
            self.fail(f"{value!r} is no list of numbers from 1 on; give e.g. 1,2", param, ctx)
        return tuple(dict.fromkeys(int(one) for one in names))


@click.command(epilog=EXIT)
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option("-b", "--backend", "backends", type=Names(), default=(), help="Engines to try. Default: all that are installed.")
@click.option("-p", "--precision", "precisions", type=Names(), default=(), help="Precisions to try. Default: all the model has.")
@click.option("-t", "--threads", type=Counts(), default=(), help="Threads within one call. Default: the device profile's, 1.")
@click.option("-l", "--length", "lengths", type=Counts(), default=(), metavar="32,128", help="Cut or join real inputs to so many tokens. Default: as they are.")
@click.option("--quick", is_flag=True, help="One process a cell, 1 s of timing, 256 examples.")
@click.option("--full", is_flag=True, help="Five processes a cell, each 60 s and 1024 calls, every example.")
@click.option("--format", "form", default="table", show_default=True, metavar="table|json|csv|md", help="What to print; json is every record, a line each.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Append the records here. Default: results/<UTC time>.jsonl.")
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Look for labelled data in this folder first.")
@click.option("--fetch", is_flag=True, help="Download the model's labelled set once, if it is not here.")
@click.option("--examples", type=click.IntRange(min=1), help="Labelled examples to judge accuracy by.")
@click.option("--seed", type=int, default=0, show_default=True, help="Draws inputs, examples and the order of cells.")
@click.option("--allow-code", is_flag=True, help="Open TorchScript files, which are programs, of cards that are not bundled.")
@click.option("--dry-run", is_flag=True, help="Say what would be measured, and stop.")
@click.option("--strict", is_flag=True, help="Exit 4 if a cell is noisy or invalid.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), help="Seconds for each pass of a cell. Default: 300, with --full 1800.")
@click.pass_context
def command(
    context: click.Context, /, models: tuple[str, ...], form: str, output: Path | None, data: Path | None, fetch: bool, dry_run: bool, strict: bool,
    **asked: Any,
) -> None:
    """Measure time, memory and accuracy of MODELs in every engine and precision on this machine.

    Each cell runs in fresh processes. A cell that is less accurate than its card allows is invalid, however fast it is.
    """
    from edgebench import catalog, plugins
    from edgebench.bench.plan import plan
    from edgebench.devices import profile as profiles
    from edgebench.record import check_writable

    render = plugins.get("reports", form)
    profile = profiles.read(catalog.find("devices", "host"))
    sweep = plan(_ask(models, profile.threads, **asked), folder=data, offline=not fetch)
    if dry_run:
        click.echo(_outline(sweep), nl=False)
        return
    output = output or Path("results") / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.jsonl"
    check_writable(output)
    records = _measure(sweep, plugins.get("devices", profile.reach)(profile), output)
    click.echo(render(records, **_terminal()) if form == "table" else render(records), nl=False)
    click.echo(f"records: {output}", err=True)
    context.exit(_status(records, strict))


def _ask(
    models: tuple[str, ...], threads_here: tuple[int, ...], *, quick: bool, full: bool, examples: int | None, timeout: float | None, threads: tuple[int, ...],
    **rest: Any,
) -> Ask:
    from edgebench.bench.plan import FULL, QUICK, USUAL, Ask

    if quick and full:
        raise click.UsageError("--quick and --full exclude each other; give one of them")
    effort = QUICK if quick else FULL if full else USUAL
    if examples:
        effort = replace(effort, examples=examples)
    return Ask(models=models, threads=threads or threads_here, effort=effort, timeout_s=timeout or (1800.0 if full else 300.0), **rest)


def _measure(plan: Plan, executor: Executor, output: Path) -> list[Record]:
    """Run the plan, each record into `output` as soon as it is complete."""
    from edgebench.bench.run import Sweep
    from edgebench.record import append

    written = 0

    def keep(record: Record) -> None:
        nonlocal written
        append(output, record)
        written += 1
        progress.finished(record)

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `timeout 60 edgebench bench` keeps its records, too
    try:
        with _Bar() if sys.stderr.isatty() else _Lines() as progress:
            return Sweep(plan, executor.run, host=executor.facts(), keep=keep, tell=progress.tell, at_once=_at_once(plan)).run()
    except KeyboardInterrupt:
        records = f"{written} record{'s are' if written != 1 else ' is'} in {output}" if written else "no record was finished"
        click.echo(f"interrupted: {records}", err=True)
        raise
    finally:
        executor.close()


class _Lines:
    """One plain line for each finished cell."""

    def tell(self, done: int, total: int, doing: str) -> None:
        """Say nothing between cells."""

    def finished(self, record: Record) -> None:
        click.echo(_line(record), err=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


class _Bar(_Lines):
    """A bar on a terminal. It is drawn between passes only: nothing may run beside a timed loop."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False),
            console=Console(stderr=True), auto_refresh=False, transient=True,
        )
        self._task = self._progress.add_task("")

    def tell(self, done: int, total: int, doing: str) -> None:
        self._progress.update(self._task, completed=done, total=total, description=doing or None, refresh=True)

    def finished(self, record: Record) -> None:
        self._progress.console.print(_line(record), markup=False, highlight=False)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def _line(record: Record) -> str:
    """A finished cell in a line: its name, its median, its verdict and why."""
    from edgebench.reports.base import timing
    from edgebench.units import duration_text, plain

    time = timing(record)
    took = f"{duration_text(time.median)}, " if time else ""
    return plain(f"{record.spec.name}: {took}{record.verdict}{f' ({record.reasons[0]})' if record.reasons else ''}")


def _at_once(plan: Plan) -> int:
    """How many untimed passes may run together: as many as there are processors and gibibytes for."""
    import psutil

    from edgebench.backends.base import usable_cpus

    threads = max((spec.threads for spec in plan.cells), default=1)
    return int(max(1, min(usable_cpus() // threads, psutil.virtual_memory().available // GIBIBYTE)))


def _outline(plan: Plan) -> str:
    """The cells, what cannot be measured, and the least time it takes."""
    cells = [f"{spec.name}: {', '.join(spec.passes)}" for spec in plan.cells]
    rows = [f"{row.spec.name}: {row.verdict} ({row.reasons[0]})" for row in plan.rows]
    least = sum(spec.processes * (spec.min_time_s + 0.5) for spec in plan.cells)
    sets = [f"{name}: {len(model.labelled)} examples of {model.labelled.name}" for name, model in plan.models.items()]
    return "\n".join([*cells, *rows, *sets, f"{len(cells)} cell{'s' if len(cells) != 1 else ''}, of timing alone at least {least:.0f} s"]) + "\n"


def _terminal() -> dict[str, Any]:
    """The table's width and colour here."""
    import os
    import shutil

    if not sys.stdout.isatty():
        return {}
    return {"width": shutil.get_terminal_size().columns, "colour": "NO_COLOR" not in os.environ}


def _status(records: Sequence[Record], strict: bool) -> int:
    verdicts = {record.verdict for record in records}
    if "failed" in verdicts:
        return 1
    if verdicts == {"unsupported"}:
        return 3
    return 4 if strict and verdicts & {"noisy", "invalid"} else 0
