"""edgebench compare A B: two files of records cell by cell, or two cells measured in turn here and now.

    edgebench compare before.jsonl after.jsonl
    edgebench compare tinybert-sst2@onnxruntime/int8 tinybert-sst2@tflite/int8
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edgebench.record import Record
    from edgebench.reports.pairs import Comparison, Matched

PAIRS = 6
PER_CENT = 1.0
EXIT = """\b
Exit status:
  0    B is faster, or no difference can be detected
  1    a cell of B failed
  2    wrong usage, or two that cannot be compared: another machine or set
  3    one of the two cannot be measured here
  4    with --strict: a side is noisy or invalid, or the time is undecided
  5    B is slower, less accurate, or needs more memory
  130  interrupted"""


@click.command(epilog=EXIT)
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option("--pairs", type=click.IntRange(min=2), default=PAIRS, show_default=True, help="Processes of each cell, which take turns: A B, B A, ...")
@click.option("--threshold", type=click.FloatRange(min=0), default=PER_CENT, show_default=True, metavar="PER CENT",
              help="The whole interval must be beyond it to be called a difference.")
@click.option("--anyway", is_flag=True, help="Compare although machine, labelled set or scenario differ.")
@click.option("--format", "form", type=click.Choice(["table", "md", "json"]), default="table", show_default=True, help="What to print.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Append what is measured here. Default: results/<UTC time>.jsonl.")
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Look for labelled data in this folder first.")
@click.option("--fetch", is_flag=True, help="Download the model's labelled set once, if it is not here.")
@click.option("--seed", type=int, default=0, show_default=True, help="Draws inputs and examples.")
@click.option("--allow-code", is_flag=True, help="Open TorchScript files, which are programs, of cards that are not bundled.")
@click.option("--strict", is_flag=True, help="Exit 4 if a side is noisy or invalid, or the time is undecided.")
@click.pass_context
def command(
    context: click.Context, /, a: str, b: str, threshold: float, anyway: bool, form: str, strict: bool, output: Path | None, **asked: Any
) -> None:
    """Say whether B is faster, slower or neither, and what else it gives and takes.

    A and B are files of records, whose cells are compared one by one; or cells that are measured now, in processes that
    take turns, each written as

    \b
      MODEL[@BACKEND[/PRECISION]][,threads=2][,length=128][,scenario=NAME]
    """
    from edgebench.reports import compare as report
    from edgebench.reports import pairs

    files = [_is_file(one) for one in (a, b)]
    if files[0] != files[1]:
        file, cell = (a, b) if files[0] else (b, a)
        raise click.UsageError(f"{file} is a file of records and {cell} is none; give two files, or two cells as MODEL@BACKEND/PRECISION")
    matched = _read(Path(a), Path(b)) if files[0] else _measure(a, b, output, anyway, **asked)
    _check(matched.pairs, anyway)
    found = [pairs.compare(*one, paired=not files[0], threshold=threshold / 100) for one in matched.pairs]
    render = {"table": report.render, "md": report.markdown, "json": report.to_json}[form]
    click.echo(render(found, matched, paired=not files[0]), nl=False)
    context.exit(status(matched, found, strict))


def status(matched: Matched, found: list[Comparison], strict: bool) -> int:
    """The exit status that these comparisons ask for."""
    from edgebench.reports import pairs

    if any(pairs.worse(one) for one in found):
        return 5
    if any(b.outcome == "failed" for _, b in matched.pairs):
        return 1
    return 4 if strict and any(pairs.unsure(one) for one in found) else 0


def _is_file(text: str) -> bool:
    """A card is a TOML file, and names a cell."""
    return text.endswith(".jsonl") or (Path(text).is_file() and not text.endswith(".toml"))


def _read(a: Path, b: Path) -> Matched:
    from edgebench.errors import UsageError
    from edgebench.record import read_lines
    from edgebench.reports import pairs

    for path in (a, b):
        if not path.is_file():
            raise UsageError(f"{path} does not exist; give two files of records, as `edgebench bench -o` writes them")
    matched = pairs.match(read_lines(a), read_lines(b))
    if not matched.pairs:
        names = [", ".join(one.spec.name for one in records) or "nothing" for records in (matched.only_a, matched.only_b)]
        raise UsageError(f"{a} and {b} share no cell: the first has {names[0]}, the second {names[1]}; give files of the same cells, or of one cell each")
    return matched


def _check(found: list[tuple[Record, Record]], anyway: bool) -> None:
    from edgebench.errors import UsageError
    from edgebench.reports import pairs

    refused = [] if anyway else pairs.refusals(found)
    if refused:
        raise UsageError(f"these cannot be compared: {' | '.join(refused)}; compare what was measured alike, or insist with --anyway")


def _measure(a: str, b: str, output: Path | None, anyway: bool, *, pairs: int, data: Path | None, fetch: bool, **asked: Any) -> Matched:
    """Both cells, each in so many processes that take turns."""
    from edgebench import catalog, plugins
    from edgebench.bench import pair
    from edgebench.bench.plan import Ask
    from edgebench.cli.sweep import measure, new_file
    from edgebench.devices import profile as profiles
    from edgebench.record import Record
    from edgebench.reports.pairs import Matched

    profile = profiles.read(catalog.find("devices", "host"))
    ask = Ask(threads=profile.threads[:1], effort=pair.EFFORT, **asked)
    first, second = (pair.only(pair.parse(one, ask), folder=data, offline=not fetch) for one in (a, b))
    empty = [Record(spec=plan.cells[0], outcome="skipped", verdict="unsupported") for plan in (first, second)]
    _check([(empty[0], empty[1])], anyway)  # before it is measured what cannot be compared
    output = output or new_file()
    records = measure(pair.alternating(first, second, pairs), plugins.get("devices", profile.reach)(profile), output, resume=None)
    click.echo(f"records: {output}", err=True)
    return Matched([_both(records)], [], [])


def _both(records: list[Record]) -> tuple[Record, Record]:
    from edgebench.errors import UnsupportedError, WorkerError

    for one in records:
        if one.outcome != "ok":
            kind = UnsupportedError if one.outcome == "unsupported" else WorkerError
            raise kind(f"{one.spec.name}: {'; '.join(one.reasons)}")
    first, second = records
    return first, second
