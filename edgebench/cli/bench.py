"""edgebench bench [MODEL...]: every model in every engine and precision here, one table, the fastest valid cell marked.

    edgebench bench
    edgebench bench tinybert-sst2 --backend onnxruntime,tflite --precision int8 --threads 1,2 --length 32,128
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgebench.cli.options import Counts, Duration, Names
from edgebench.units import plain

if TYPE_CHECKING:
    from edgebench.bench.plan import Ask
    from edgebench.devices.profile import Profile

SUSTAINED_MINUTES = 10.0

EXIT = """\b
Exit status:
  0    every cell was measured, or says why it cannot be
  1    a cell failed; the others stand
  2    wrong usage
  3    nothing could be measured here
  4    with --strict: a cell is noisy or invalid
  5    a budget is broken
  130  interrupted; the records so far are in the file"""


@click.command(epilog=EXIT)
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option("-b", "--backend", "backends", type=Names(), default=(), help="Engines to try. Default: all that are installed.")
@click.option("-p", "--precision", "precisions", type=Names(), default=(), help="Precisions to try. Default: all the model has.")
@click.option("-t", "--threads", type=Counts(), default=(), help="Threads within one call. Default: the device profile's, 1.")
@click.option("-l", "--length", "lengths", type=Counts(), default=(), metavar="32,128", help="Cut or join real inputs to so many tokens. Default: as they are.")
@click.option("--accelerator", metavar="NAME", help="What the engine should run on, by its own name. Default: cpu.")
@click.option("--require", type=click.Choice(["any", "full"]), help="full: what the accelerator does not take is an error, not cpu's.")
@click.option("--points", type=Names(), default=(), metavar="all|NAMES", help="Speeds of a model that has several. Default: its first.")
@click.option("-s", "--scenario", "scenarios", type=Names(), default=("single-stream",),
              help="How queries come: see docs/scenarios.md. Default: single-stream.")
@click.option("--batch", type=click.IntRange(min=1), help="Inputs in one query: multi-stream (8), offline (512).")
@click.option("--rate", "rate_hz", type=click.FloatRange(min=0, min_open=True), metavar="HZ", help="server: offer only this many queries a second.")
@click.option("--bound", "bound_ns", type=Duration(), help="server: what 99 % of the queries must keep.")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="How long each process times; sustained: 10.")
@click.option("--rules", type=click.Choice(["edgebench", "mlperf", "loadgen"]), help="mlperf: LoadGen's least counts and 600 s; loadgen: driven by it.")
@click.option("--energy", is_flag=True, help="Measure energy too, where the machine has a meter.")
@click.option("--meter", type=click.Path(exists=True, dir_okay=False), help="A CSV file that an external power meter writes; see docs/energy.md.")
@click.option("--roofline", is_flag=True, help="Measure what this machine can do too, and how near each cell comes to it.")
@click.option("--cool-to", "cool_to_c", type=float, metavar="C", help="Before timing, wait until the hottest sensor is at most so warm.")
@click.option("--profile", "profile_name", default="host", show_default=True, metavar="NAME", help="The profile of the device to measure on.")
@click.option("--fleet", metavar="TCP://HOST:PORT", help="Send cells to the workers of a dask scheduler that carry the profile's name; see docs/fleet.md.")
@click.option("--budget", "budgets", multiple=True, metavar="'P90 <= 50 MS'", help="A limit that each cell must keep; may be given several times.")
@click.option("--quick", is_flag=True, help="Three processes a cell, each 0.3 s of timing; 256 examples.")
@click.option("--full", is_flag=True, help="Five processes a cell or more, each 60 s and 1024 calls; every example.")
@click.option("--format", "form", default="table", show_default=True, metavar="table|json|csv|md", help="What to print; json is every record, a line each.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Append the records here. Default: results/<UTC time>.jsonl.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Also write a report, in the format its ending says: .html, .md or .csv.")
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Look for labelled data in this folder first.")
@click.option("--fetch", is_flag=True, help="Download the model's labelled set once, if it is not here.")
@click.option("--examples", type=click.IntRange(min=1), help="Labelled examples to judge accuracy by.")
@click.option("--seed", type=int, default=0, show_default=True, help="Draws inputs, examples and the order of cells.")
@click.option("--allow-code", is_flag=True, help="Open TorchScript and ExecuTorch files, which are programs, of cards that are not bundled.")
@click.option("--resume", is_flag=True, help="Measure only what the file of -o does not hold yet.")
@click.option("--dry-run", is_flag=True, help="Say what would be measured and about how long it takes, and stop.")
@click.option("--strict", is_flag=True, help="Exit 4 if a cell is noisy or invalid.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), help="Seconds for each pass of a cell. Default: 300, with --full 1800.")
@click.pass_context
def command(
    context: click.Context, /, models: tuple[str, ...], form: str, output: Path | None, data: Path | None, fetch: bool, dry_run: bool, strict: bool,
    resume: bool, budgets: tuple[str, ...], profile_name: str, fleet: str | None, report: Path | None, **asked: Any,
) -> None:
    """Measure time, memory and accuracy of MODELs in every engine and precision on this machine, or on the device of a profile.

    Each cell runs in fresh processes. A cell that is less accurate than its card allows is invalid, however fast it is.
    """
    from edgebench import catalog, plugins
    from edgebench.bench.budgets import Budget, all_broken
    from edgebench.bench.plan import plan
    from edgebench.cli import report as reports
    from edgebench.cli.sweep import measure, new_file, outline, status
    from edgebench.devices import profile as profiles

    render = plugins.get("reports", form)
    profile = profiles.read(catalog.find("devices", profile_name))
    limits = [Budget.parse(text) for text in (*profile.budgets, *budgets)]
    sweep = plan(_ask(models, profile, **asked), folder=data, offline=not fetch)
    if dry_run:
        click.echo(outline(sweep), nl=False)
        return
    if resume and not output:
        raise click.UsageError("--resume goes on with a file of records; name it with -o")
    output = output or new_file()
    if report:
        reports.check(reports.format_of(report), report, (output,))
    if fleet:
        from edgebench.cli import fleet as fleets

        records = fleets.measure(sweep, fleet, profile.name, output, resume=resume)
    else:
        records = measure(sweep, plugins.get("devices", profile.reach)(profile), output, resume=resume)
    click.echo(render(records, **reports.terminal()) if form == "table" else render(records), nl=False)
    click.echo(f"records: {output}", err=True)
    if report:
        reports.write(records, reports.format_of(report), report)
    over = all_broken(records, limits)
    for sentence in over:
        click.echo(f"budget: {plain(sentence)}", err=True)
    context.exit(status(records, strict) or (5 if over else 0))


def _ask(
    models: tuple[str, ...], profile: Profile, *, quick: bool, full: bool, examples: int | None, timeout: float | None, threads: tuple[int, ...],
    **rest: Any,
) -> Ask:
    from edgebench.bench.plan import FULL, QUICK, USUAL, Ask

    if quick and full:
        raise click.UsageError("--quick and --full exclude each other; give one of them")
    effort = QUICK if quick else FULL if full else USUAL
    if examples:
        effort = replace(effort, examples=examples)
    given = {name: rest.pop(name) for name in ("batch", "rate_hz", "bound_ns", "rules", "meter", "cool_to_c", "accelerator", "require")}
    if given["cool_to_c"] is None:
        given["cool_to_c"] = profile.cool_to_c
    minutes = rest.pop("minutes") or (SUSTAINED_MINUTES if "sustained" in rest["scenarios"] else None)
    if minutes:
        given["min_time_s"] = 60 * minutes
    timeout = timeout or max(1800.0 if full else 300.0, 120 * (minutes or 0))
    rest["energy"] = rest["energy"] or bool(given["meter"])
    options = {name: value for name, value in given.items() if value is not None}
    return Ask(models=models, threads=threads or profile.threads, effort=effort, timeout_s=timeout, profile=profile.name, options=options, **rest)
