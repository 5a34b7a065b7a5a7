"""edgebench study [STUDY]: the whole comparison of models, methods and engines, measured here and told in one report.

    edgebench study --into study --quick
    edgebench study --only engines
    edgebench study my-study.toml --train
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgebench.cli.options import Names

if TYPE_CHECKING:
    from edgebench.bench.plan import Plan
    from edgebench.record import Record
    from edgebench.study.description import Model, Study, Table
    from edgebench.study.evidence import Evidence
    from edgebench.study.making import Job
    from edgebench.study.planning import Found

RECORDS = "records.jsonl"  # of the study, and of each training in its own folder

EXIT = """\b
Exit status:
  0    the report is written
  1    a cell or a training failed; the report says which
  2    wrong usage
  3    a package that the report needs is not installed
  130  interrupted; what was measured is kept, the same command goes on"""


@click.command(epilog=EXIT)
@click.argument("name", default="field", metavar="[STUDY]")
@click.option("--into", type=click.Path(file_okay=False, path_type=Path), default=Path("study"), show_default=True, help="Folder for records and report.")
@click.option("--only", type=Names(), default=(), metavar="TABLE", help="Measure and tell only these tables.")
@click.option("--quick", is_flag=True, help="Three processes a cell, each 0.3 s of timing; 256 examples.")
@click.option("--train", is_flag=True, help="Make the models that are not here, too: says first how long it takes.")
@click.option("--no-measure", is_flag=True, help="Measure nothing: write the report of what is known.")
@click.option("--records", "files", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Lines from elsewhere to take in: records, a training log's, a sensitivity's.")
@click.option("-b", "--backend", "backends", type=Names(), default=(), help="Engines to measure in. Default: all that are installed.")
@click.option("--profile", "profile_name", default="host", show_default=True, metavar="NAME", help="The profile of the device to measure on.")
@click.option("--cluster", metavar="TCP://HOST:PORT", help="Send cells to the workers of a dask scheduler that carry the profile's name: docs/fleet.md.")
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Look for labelled data in this folder first.")
@click.option("--fetch", is_flag=True, help="Download labelled sets and weights that are not here.")
@click.option("--examples", type=click.IntRange(min=1), help="Labelled examples to judge accuracy by.")
@click.option("--seed", type=int, default=0, show_default=True, help="Draws inputs, examples and the order of cells.")
@click.option("--dry-run", is_flag=True, help="Say what would be made and measured, and about how long it takes, and stop.")
@click.pass_context
def command(
    context: click.Context, /, name: str, into: Path, only: tuple[str, ...], quick: bool, train: bool, no_measure: bool, files: tuple[Path, ...],
    data: Path | None, fetch: bool, cluster: str | None, examples: int | None, dry_run: bool, **asked: Any,
) -> None:
    """Measure a STUDY's models in every engine and write one report: index.html, report.md and its figures.

    STUDY is the name of a bundled study or a TOML file of your own. Started again on the same --into, it goes on: only what
    is missing is measured. Models that are not here are rows that say so; --train makes them.
    """
    from edgebench.bench.plan import QUICK, USUAL
    from edgebench.reports.plots import base as look
    from edgebench.study import description, planning

    look.check()
    study = description.narrowed(description.read(description.find(name)), only)
    made, profile_name = into / "models", asked.pop("profile_name")
    found = planning.look(study, made)
    failed: list[str] = []
    if train:
        jobs = _jobs(study, found, into, offline=not fetch)
        if jobs:
            from edgebench.study import making

            click.echo(making.outline(jobs), err=True)
        if jobs and not dry_run:
            failed = [one.model.name for one in jobs if not _make(one, into)]
            found = planning.look(study, made)
    effort = QUICK if quick else USUAL
    effort = replace(effort, examples=examples) if examples else effort
    sweep = planning.plan(study, found, made, effort=effort, folder=data, offline=not fetch, profile=profile_name, **asked)
    if dry_run:
        from edgebench.cli.sweep import outline

        click.echo(outline(sweep), nl=False)
        return
    into.mkdir(parents=True, exist_ok=True)
    records: list[Record] = []
    if not no_measure and sweep.cells:
        records = _measured(sweep, profile_name, cluster, into / RECORDS)
    if not no_measure:
        for table in study.tables:
            if table.kind == "sensitivity":
                _sensitivity(table, found, into, data, quick=quick, offline=not fetch)
    _write(_evidence(study, found, into, records, files), into)
    context.exit(1 if failed or any(one.verdict == "failed" for one in records) else 0)


def _measured(sweep: Plan, profile_name: str, cluster: str | None, output: Path) -> list[Record]:
    """By this machine, the device of a profile, or the workers of a cluster that carry its name."""
    if cluster:
        from edgebench.cli import fleet

        return fleet.measure(sweep, cluster, profile_name, output, resume=True)
    from edgebench import catalog, plugins
    from edgebench.cli.sweep import measure
    from edgebench.devices import profile as profiles

    profile = profiles.read(catalog.find("devices", profile_name))
    return measure(sweep, plugins.get("devices", profile.reach)(profile), output, resume=True)


def _jobs(study: Study, found: Found, into: Path, *, offline: bool) -> list[Job]:
    """What is to be made, in the study's order."""
    from edgebench import toml
    from edgebench.cli.train import find
    from edgebench.study import making, planning

    jobs = []
    for model in planning.wanted(study):
        if model.name in found.cards or (not model.export and (into / "runs" / model.name / RECORDS).exists()):
            continue
        recipe = toml.read(find(model.recipe), dict[str, Any]) if model.recipe and model.changes else None
        job = making.job(model, into, recipe=recipe, offline=offline)
        if job:
            jobs.append(job)
    return jobs


def _make(job: Job, into: Path) -> bool:
    """Run a model's commands, each in a process of its own; whether all went well."""
    click.echo(f"making {job.model.name}: {job.model.about}", err=True)
    if job.model.shape:
        _shape(job.model, into)
    if job.recipe:
        import tomli_w

        path, content = job.recipe
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(tomli_w.dumps(content))
    for arguments in job.commands:
        status = subprocess.run([sys.executable, "-m", "edgebench", *arguments], check=False).returncode
        if status:
            click.echo(f"{job.model.name} was not made: edgebench {arguments[0]} ended with status {status}; the others go on", err=True)
            return False
    return True


def _shape(model: Model, into: Path) -> None:
    import msgspec

    from edgebench import catalog
    from edgebench.errors import MissingError

    try:
        from edgebench.train import shapes
    except ImportError as error:
        raise MissingError(f"{model.name} needs {error.name}, which is not installed; install edgebench[export]") from error
    shape = msgspec.to_builtins(model.shape)
    like = catalog.find("models", shape.pop("tokenizer"))
    shapes.write(model.card or model.name, into / "models", like, **shape)


def _sensitivity(table: Table, found: Found, into: Path, data: Path | None, *, quick: bool, offline: bool) -> None:
    """Answer held-out rows with each change; a line each, on the disk at once. Says on stderr why it cannot, where it cannot."""
    from edgebench import change as changes
    from edgebench.errors import EdgebenchError

    path = into / changes.FILE
    name = table.model or ""
    if name not in found.cards:
        click.echo(f"sensitivity: {name} is not here", err=True)
        return
    try:
        from edgebench.train import sensitivity
    except ImportError as error:
        click.echo(f"sensitivity: it needs {error.name}, which is not installed; install edgebench[train]", err=True)
        return
    try:
        for change in sensitivity.of_card(
            found.cards[name], found.paths[name], held_out=256 if quick else table.held_out, seed=table.seed, folder=data, offline=offline,
            known=changes.read(path),
        ):
            changes.append(path, change)
            click.echo(f"sensitivity: {change.kind} {change.part} {change.amount:g}: {change.right} of {change.n} right", err=True)
    except EdgebenchError as error:
        click.echo(f"sensitivity: {error}", err=True)


def _evidence(study: Study, found: Found, into: Path, records: Sequence[Record], files: Sequence[Path]) -> Evidence:
    """All that is known: this run's records before what other files say."""
    from edgebench import change as changes
    from edgebench.record import read_lines
    from edgebench.study import evidence

    own = list(records) or (read_lines(into / RECORDS) if (into / RECORDS).exists() else [])
    runs = sorted((into / "runs").glob(f"*/{RECORDS}"))
    more, trained, changed = evidence.sorted_lines([*files, *runs, into / changes.FILE])
    return evidence.Evidence(
        study=study, records=[*more, *own], cards=found.cards, parameters=found.parameters, gaps=found.gaps, training=trained, changes=changed,
        machine=next(iter(evidence.machines(own)), ""),
    )


def _write(evidence: Evidence, into: Path) -> None:
    """Both reports and the figures beside them."""
    from edgebench.reports.plots.base import svg
    from edgebench.study import report

    found = report.report(evidence)
    folder = into / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    plots = [plot for section in found.sections for plot in section.plots]
    for plot in plots:
        (folder / f"{plot.name}.svg").write_text(svg(plot))
    (into / "index.html").write_text(report.to_html(found))
    (into / "report.md").write_text(report.to_markdown(found, {plot.name: f"figures/{plot.name}.svg" for plot in plots}))
    click.echo(f"report: {into / 'index.html'} and {into / 'report.md'}", err=True)
