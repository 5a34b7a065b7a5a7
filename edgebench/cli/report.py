"""edgebench report [RECORDS]...: what was measured, as a table, Markdown, numbers for other programs, one HTML page, or plots.

    edgebench report -o report.html
    edgebench report results/phone.jsonl --plots figures --plot-format png
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgebench import whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgebench.record import Record

SUFFIXES = {".html": "html", ".htm": "html", ".md": "md", ".csv": "csv", ".jsonl": "json", ".parquet": "parquet", ".txt": "table"}
FILES = ("html", "parquet")  # what no terminal can show
STDOUT = Path("-")
RECORD = b'{"schema":'

EXIT = """\b
Exit status:
  0    the report is written
  1    a file cannot be read or written
  2    wrong usage, or there is no record
  3    a package that the format needs is not installed"""


@click.command(epilog=EXIT)
@click.argument("files", nargs=-1, metavar="[RECORDS]...", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--format", "form", metavar="table|md|csv|json|html|parquet", help="What to write. Default: by the ending of -o, else a table.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write here; - is standard output.")
@click.option("--plots", "folder", type=click.Path(file_okay=False, path_type=Path), help="Draw each plot into a file of this folder, too.")
@click.option("--plot-format", type=click.Choice(["svg", "png"]), default="svg", show_default=True, help="Of these files.")
def command(files: tuple[Path, ...], form: str | None, output: Path | None, folder: Path | None, plot_format: str) -> None:
    """Show measured cells: as text, as a file of numbers, or as one HTML page with plots that needs no network.

    RECORDS are files that `edgebench bench -o` wrote. Default: the newest in results/.
    """
    from edgebench.cli.records import newest, read

    files = files or (newest(),)
    form = form or (format_of(output) if output and output != STDOUT else "table")
    if form in FILES and not output:
        raise click.UsageError(f"{form} is a file, not text for a terminal; name it with -o report.{form}, or pipe it with -o -")
    check(form, output, files)
    records = read(files)
    if folder:
        click.echo(f"plots: {draw(records, folder, plot_format)} in {folder}", err=True)
    write(records, form, output)


def format_of(path: Path) -> str:
    """By the file's ending; UsageError names the endings that say one."""
    from edgebench.errors import UsageError

    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"the ending of {path} says no format; end it in {', '.join(SUFFIXES)}")
    return SUFFIXES[path.suffix.lower()]


def check(form: str, output: Path | None, files: Sequence[Path] = ()) -> None:
    """Raise now what `write` would raise when all is measured: a package or a format that is not there, a file that must not be lost."""
    from edgebench import plugins

    plugins.get("reports", form)([])
    if output:
        check_place(output, files)


def is_file(output: Path | None) -> bool:
    """Whether a report goes into a file of its own."""
    return output is not None and output != STDOUT


def check_place(output: Path, files: Sequence[Path] = ()) -> None:
    """Raise now what `write_text` would raise: a file that must not be lost, or a place that cannot be written to."""
    from edgebench.errors import UsageError

    if not is_file(output):
        return
    if any(one.resolve() == output.resolve() for one in files) or _holds_records(output):
        raise UsageError(f"{output} holds records, which a report must not replace; name another file with -o")
    with _writing(output):
        output.parent.mkdir(parents=True, exist_ok=True)


def write(records: Sequence[Record], form: str, output: Path | None) -> None:
    """The report into its file, or onto standard output."""
    from edgebench import plugins

    render = plugins.get("reports", form)
    if not output or output == STDOUT:
        click.echo(render(records, **(terminal() if form == "table" else {})), nl=False)
        return
    write_text(render(records), output)


def write_text(text: str, output: Path) -> None:
    """A report's text into its file, in one step."""
    with _writing(output):
        whole.write(output, text)
    click.echo(f"report: {output}", err=True)


def draw(records: Sequence[Record], folder: Path, kind: str) -> int:
    """Every plot into a file of its own; how many there are."""
    from edgebench.reports.plots import named
    from edgebench.reports.plots.base import png, svg

    plots = named(records)
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for stem, plot in plots.items():
            whole.write(folder / f"{stem}.{kind}", png(plot) if kind == "png" else svg(plot))
    return len(plots)


def terminal() -> dict[str, Any]:
    """A table's width and colour here."""
    if not sys.stdout.isatty():
        return {}
    return {"width": shutil.get_terminal_size().columns, "colour": "NO_COLOR" not in os.environ}


def _holds_records(path: Path) -> bool:
    """Whether its first line begins as a record does."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(RECORD)) == RECORD


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    from edgebench.errors import EdgebenchError

    try:
        yield
    except OSError as error:
        raise EdgebenchError(f"the report cannot be written to {path}: {error.strerror}; name another place, or make room") from error
