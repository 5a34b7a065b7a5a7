"""edgebench recommend [RECORDS]...: of what was measured, the cell to take within the limits, and why not the others.

    edgebench recommend --max-latency 50ms --max-memory 200MB --min-accuracy 0.9
"""

from __future__ import annotations

from pathlib import Path

import click

EXIT = """\b
Exit status:
  0    there is a cell to take
  1    a file of records cannot be read
  2    wrong usage, or records of several machines or labelled sets
  5    no valid cell keeps the limits"""


@click.command(epilog=EXIT)
@click.argument("files", nargs=-1, metavar="[RECORDS]...", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--max-latency", "median", metavar="50ms", help="Of the median call; for another percentile see --budget.")
@click.option("--max-memory", "peak", metavar="200MB", help="Of the peak.")
@click.option("--min-accuracy", "accuracy", metavar="0.9", help="On the labelled set that was measured with.")
@click.option("--max-size", "size", metavar="20MB", help="Of the model's file.")
@click.option("--budget", "budgets", multiple=True, metavar="'P90 <= 50 MS'", help="Another limit; may be given several times.")
@click.option("--prefer", type=click.Choice(["latency", "memory", "accuracy", "size", "energy"]), default="latency", show_default=True,
              help="What to be best in within the limits.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True, help="What to print.")
@click.pass_context
def command(context: click.Context, /, files: tuple[Path, ...], budgets: tuple[str, ...], prefer: str, form: str, **most: str | None) -> None:
    """Choose among measured cells: the fastest, or the best in what is preferred, of those within the limits.

    RECORDS are files that `edgebench bench -o` wrote. Default: the newest in results/. Only a valid cell can be taken.
    """
    from edgebench.bench.budgets import METRICS, Budget
    from edgebench.cli.records import newest, read
    from edgebench.errors import UsageError
    from edgebench.reports import recommend as report

    given = (f"{name} {METRICS[name].operator} {limit}" for name, limit in most.items() if limit is not None)
    limits = [Budget.parse(text) for text in (*given, *budgets)]
    records = read(files or (newest(),))
    if several := report.strangers(records):
        raise UsageError(f"the records are of {' and of '.join(several)}, which cannot be chosen among; give files of one")
    found = report.recommend(records, limits, prefer)
    click.echo(report.render(found, limits, prefer) if form == "table" else report.to_json(found, limits, prefer), nl=False)
    context.exit(0 if all(one.pick for one in found) else 5)
