"""edgebench operators MODEL: which operators take the time, and on what they ran.

    edgebench operators tinybert-sst2 --precision int8 --length 128
"""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("model")
@click.option("-b", "--backend", default="onnxruntime", show_default=True, help="The engine to look into.")
@click.option("-p", "--precision", help="Precision of the file. Default: the one that load takes.")
@click.option("-t", "--threads", type=click.IntRange(min=1), default=1, show_default=True, metavar="N", help="Threads within one call.")
@click.option("-l", "--length", type=click.IntRange(min=1), metavar="N", help="Tokens in an input. Default: real inputs as they are.")
@click.option("--accelerator", default="cpu", show_default=True, help="The engine's name of what to run on, e.g. xnnpack, openvino, cuda.")
@click.option("--require", type=click.Choice(["any", "full"]), default="any", show_default=True, help="full: a node that falls back to cpu is an error.")
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Look for labelled data in this folder first.")
@click.option("--allow-code", is_flag=True, help="Open an ExecuTorch file, which is a program, of a card that edgebench does not bundle.")
@click.option("--seed", type=int, default=0, show_default=True, help="Draws inputs.")
def command(
    model: str, backend: str, precision: str | None, threads: int, length: int | None, accelerator: str, require: str, data: Path | None,
    allow_code: bool, seed: int,
) -> None:
    """Show which operators of MODEL take the time, and on what they ran.

    The engine's own profiler measures it, over twenty real inputs; how long a call takes without one, `bench` says.
    """
    from edgebench import catalog
    from edgebench.backends.base import Options
    from edgebench.bench.operators import operators, shares
    from edgebench.models import card as cards
    from edgebench.models import data as labelled
    from edgebench.units import duration_text, plain

    path = catalog.find("models", model)
    examples = labelled.load(cards.dataset_of(cards.read(path), path), "dev", folder=data, limit=64, seed=seed).texts
    options = Options(threads=threads, accelerator=accelerator, require=require)
    found = operators(model, examples, backend=backend, precision=precision, options=options, length=length, seed=seed, allow_code=allow_code)
    total = sum(one.ns for one in found)
    width = max(len(one.name) for one in found)
    click.echo(f"{'operator':{width}}  {'on':>8}  nodes      time  share")
    for one in found:
        click.echo(plain(f"{one.name:{width}}  {one.accelerator:>8}  {one.nodes:5}  {duration_text(one.ns):>8}  {one.ns / total:5.1%}"))
    click.echo(f"\n{duration_text(total)} in all operators of a run, by the engine's profiler")
    for name, (nodes, time) in shares(found).items():
        click.echo(plain(f"{name}: {nodes:.0%} of the nodes, {time:.0%} of the time"))
