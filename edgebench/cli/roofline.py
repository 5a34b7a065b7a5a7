"""edgebench roofline [MODEL]: what this machine reaches in arithmetic and memory bandwidth, and what a model asks of it.

    edgebench roofline
    edgebench roofline tinybert-sst2 --threads 1 --length 128
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgebench.cli.options import Counts, Names
from edgebench.units import plain

if TYPE_CHECKING:
    from edgebench.devices.base import Executor
    from edgebench.record import Roof, Spec, Work

EXIT = """\b
Exit status:
  0    measured, and every variant was counted or says why not
  1    a measuring process failed
  2    wrong usage
  130  interrupted"""


@click.command(epilog=EXIT)
@click.argument("model", required=False)
@click.option("-t", "--threads", type=Counts(), default=(), help="Threads to measure with. Default: 1 and all the usable cores.")
@click.option("-b", "--backend", "backends", type=Names(), default=(), help="Engines to count for. Default: all that are installed.")
@click.option("-p", "--precision", "precisions", type=Names(), default=(), help="Precisions to count. Default: all the model has.")
@click.option("-l", "--length", type=click.IntRange(min=1), help="Tokens in an input. Default: real inputs, the mean over them.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write here; - is standard output.")
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Look for labelled data in this folder first.")
@click.option("--allow-code", is_flag=True, help="Open TorchScript files, which are programs, of cards that are not bundled.")
def command(
    model: str | None, threads: tuple[int, ...], backends: tuple[str, ...], precisions: tuple[str, ...], length: int | None,
    output: Path | None, data: Path | None, allow_code: bool,
) -> None:
    """Measure this machine's compute and memory roofs; place MODEL under them.

    Every number of threads has a process of its own. How to read it: docs/roofline.md.
    """
    from edgebench import catalog, plugins
    from edgebench.backends.base import usable_cpus
    from edgebench.bench.plan import Ask, plan
    from edgebench.cli import report as reports
    from edgebench.devices import profile as profiles

    if output:
        reports.check_place(output)
    threads = threads or tuple(dict.fromkeys((1, usable_cpus())))
    lengths = (length,) if length else ()
    sweep = plan(Ask((model,), backends, precisions, lengths=lengths, allow_code=allow_code), folder=data) if model else None
    profile = profiles.read(catalog.find("devices", "host"))
    executor = plugins.get("devices", profile.reach)(profile)
    said: list[str] = []

    def tell(text: str) -> None:
        said.append(text)
        if not reports.is_file(output):
            click.echo(text)

    try:
        roofs = [_roof(executor, count) for count in threads]
        tell(_roofs(roofs))
        for spec in sweep.cells if sweep else ():
            work, notes = _work(executor, spec, list(sweep.models[spec.model].labelled.texts) if sweep else [])
            tell(_placed(spec, work, roofs, notes))
        for row in sweep.rows if sweep else ():
            tell(plain(f"\n{row.spec.backend}: {row.reasons[0]}"))
    finally:
        executor.close()
    if output and reports.is_file(output):
        reports.write_text("\n".join(said) + "\n", output)


def _roof(executor: Executor, threads: int) -> Roof:
    from edgebench.bench.job import Job
    from edgebench.errors import WorkerError
    from edgebench.record import Spec

    spec = Spec(model="", format="", precision="*", backend="", threads=threads, passes=("roof",))
    answer = executor.run(Job(spec=spec, part="roof", examples=[]))
    for note in answer.notes:
        click.echo(plain(note), err=True)
    if answer.roof is None:
        raise WorkerError(f"the process measured no roof with {threads} threads; measure again")
    return answer.roof


def _work(executor: Executor, spec: Spec, examples: list[str]) -> tuple[Work | None, list[str]]:
    from edgebench.bench.job import Job
    from edgebench.errors import EdgebenchError

    try:
        answer = executor.run(Job(spec=spec, part="work", examples=examples))
    except EdgebenchError as error:
        return None, [str(error)]
    return answer.work, [note.removeprefix("work: ") for note in answer.notes]


def _roofs(roofs: list[Roof]) -> str:
    """A table, and how it was measured."""
    from edgebench.units import bytes_text, operations_text

    lines = ["threads         fp32         int8       memory  from here on arithmetic is the bound"]
    for roof in roofs:
        peaks = [f"{operations_text(roof.ops_per_s[one])}/s" if one in roof.ops_per_s else "–" for one in ("fp32", "int8")]
        ridges = ", ".join(f"{name} {peak / roof.bytes_per_s:.1f} op/B" for name, peak in roof.ops_per_s.items())
        lines.append(f"{roof.threads:7} {peaks[0]:>12} {peaks[1]:>12} {bytes_text(roof.bytes_per_s) + '/s':>12}  {ridges}")
    return "\n".join([*lines, "", *dict.fromkeys(roof.method for roof in roofs)])


def _placed(spec: Spec, work: Work | None, roofs: list[Roof], notes: list[str]) -> str:
    """What one variant asks, and its time at each roof: a model that fits in a cache may be faster than where memory is the bound."""
    from edgebench.reports.roofline import attainable, bound, intensity
    from edgebench.units import bytes_text, duration_text, operations_text

    name = f"{spec.model} {spec.format}/{spec.precision} in {spec.backend}"
    if work is None:
        return plain(f"\n{name}: not counted: {'; '.join(notes)}")
    asked = f"{operations_text(work.ops)} {work.precision}, {bytes_text(work.bytes)}, {intensity(work):.1f} op/B"
    lines = [f"{name}: {asked}; counted from {work.counted}"]
    for roof in roofs:
        limit = attainable(roof, work)
        said = f"{duration_text(1e9 * work.ops / limit)} at the roof, bound by {bound(roof, work)}" if limit else f"no roof of {work.precision} was measured"
        lines.append(f"  {roof.threads} thread{'s' if roof.threads != 1 else ''}: {said}")
    return "\n" + "\n".join(map(plain, [*lines, *(f"  note: {note}" for note in notes)]))
