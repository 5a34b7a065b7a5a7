"""edgebench tune MODEL: the engine, threads and settings that answer soonest on this machine, as a file that `load` takes.

    edgebench tune tinybert-sst2 -o fast.toml
    edgebench predict fast.toml "a gripping film"
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgebench.cli.options import Counts, Duration, Names

if TYPE_CHECKING:
    from edgebench.bench.ratio import Ratio
    from edgebench.bench.tune import Candidate, Tuned


@click.command()
@click.argument("model")
@click.option("-b", "--backend", "backends", type=Names(), default=(), help="Engines to try. Default: all that are installed.")
@click.option("-p", "--precision", "precisions", type=Names(), default=(), help="Precisions to try. Default: the one that load takes.")
@click.option("-t", "--threads", type=Counts(), default=(), help="Threads to try. Default: 1 and all the usable cores.")
@click.option("-l", "--length", type=click.IntRange(min=1), metavar="N", help="Tokens in an input. Default: real inputs as they are.")
@click.option("--time", "budget_ns", type=Duration(), default="60 s", show_default=True, help="How long to search.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="The file to write. Default: MODEL-tuned.toml.")
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Look for labelled data in this folder first.")
@click.option("--seed", type=int, default=0, show_default=True, help="Draws inputs and the order of turns.")
@click.option("--allow-code", is_flag=True, help="Open TorchScript files, which are programs, of cards that are not bundled.")
def command(
    model: str, backends: tuple[str, ...], precisions: tuple[str, ...], threads: tuple[int, ...], length: int | None, budget_ns: int, output: Path | None,
    data: Path | None, seed: int, allow_code: bool,
) -> None:
    """Search how to run MODEL fastest on this machine, by measuring.

    Engines and threads compete, then one setting of the engine at a time is tried on the best; all take turns in one
    process. What is no faster is not kept. The file that is written says what to use, where it was found, and by how
    much it beats the engine left to itself; `load` and `predict` take it in a model's place.
    """
    from edgebench import catalog
    from edgebench.backends.base import usable_cpus
    from edgebench.bench.tune import Candidate, tune
    from edgebench.models import card as cards
    from edgebench.models import data as labelled
    from edgebench.pipeline import choose
    from edgebench.pipeline import load as open_model

    path = catalog.find("models", model)
    card = cards.read(path)
    engine, variant = choose(card, backends[0] if len(backends) == 1 else None, precisions[0] if precisions else None)
    examples: list[Any] = list(labelled.load(cards.dataset_of(card, path), "dev", folder=data, limit=256, seed=seed).texts)
    if length:
        with open_model(model, backend=engine.name, precision=variant.precision, allow_code=allow_code) as pipe:
            examples = pipe.task.resize(examples[:64], length, seed)
    default = Candidate(engine.name, variant.precision, usable_cpus())
    found = tune(
        model, examples, default, _candidates(card, backends, precisions or (variant.precision,), threads or tuple(dict.fromkeys((1, usable_cpus())))),
        budget_ns / 1e9, seed=seed, allow_code=allow_code, tell=lambda line: click.echo(line, err=True),
    )
    output = output or Path(f"{Path(model).name.removesuffix('.toml')}-tuned.toml")
    click.echo(_told(found), nl=False)
    _write(output, model, found, length)
    click.echo(f"{output} is written; try: edgebench predict {output} ...")


def _candidates(card: Any, backends: tuple[str, ...], precisions: tuple[str, ...], threads: tuple[int, ...]) -> list[Candidate]:
    """Every engine that opens a variant of these precisions, with each number of threads."""
    from edgebench import plugins
    from edgebench.bench.tune import Candidate
    from edgebench.pipeline import engines

    found = []
    for name in backends or dict(engines(card)):
        engine = plugins.get("backends", name)
        there = [one.precision for one in card.variants if one.format in engine.formats]
        counts = threads[:1] if getattr(engine, "process_wide", False) else threads
        found += [Candidate(name, precision, count) for precision in precisions if precision in there for count in counts]
    return found


def _told(found: Tuned) -> str:
    """What was tried, a line each, and what came of it."""
    from edgebench.bench.ratio import verdict_of
    from edgebench.units import duration_text

    lines = [
        f"{'kept' if one.kept else 'not '}  {duration_text(one.median_ns):>8}  {_ratio(one.compared)} of {one.against.name}:  {one.candidate.name}"
        for one in found.tried
    ]
    lines += [f"not tried: {one.name}: {why}" for one, why in found.failed]
    best, default = (duration_text(one) for one in (found.best_ns, found.default_ns))
    lines += ["", f"take {found.best.name}: {best} a call, {_ratio(found.gain)} of the time of {found.default.name} ({default})"]
    if verdict_of(found.gain) != "faster":
        lines.append("that it is faster could not be shown here: search longer, or on a quieter machine")
    return "\n".join(lines) + "\n"


def _ratio(found: Ratio) -> str:
    return f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})" if found.low is not None and found.high is not None else f"{found.value:.2f}"


def _write(path: Path, model: str, found: Tuned, length: int | None) -> None:
    """The deployment, its model named as it will be found from the file's folder."""
    from edgebench import __version__, catalog
    from edgebench.bench.host import facts

    deploys = os.path.relpath(Path(model).resolve(), path.resolve().parent) if catalog.split(model)[0].endswith(".toml") else model
    settings = [f"{name} = {_toml(value)}" for name, value in found.best.settings.items()]
    gain = found.gain
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([
        "schema = 1", f"deploys = {_toml(deploys)}", f"backend = {_toml(found.best.backend)}", f"precision = {_toml(found.best.precision)}",
        f"threads = {found.best.threads}", "", "[settings]", *settings, "", "[made_by]", f"edgebench = {_toml(__version__)}",
        f"measured = {_toml(f'{datetime.now(UTC):%Y-%m-%d}')}", f"cpu = {_toml(str(facts().get('cpu')))}", f"median_ns = {round(found.best_ns)}",
        f"default = {_toml(found.default.name)}", f"default_median_ns = {round(found.default_ns)}", f"ratio = {gain.value:.4f}",
        *([f"ratio_95 = [{gain.low:.4f}, {gain.high:.4f}]"] if gain.low is not None and gain.high is not None else []), f"pairs = {gain.n}",
        f"inputs = {_toml(f'{length} tokens' if length else 'real, at their own lengths')}", "",
    ]))


def _toml(value: Any) -> str:
    """A text, a truth or a number as TOML spells it; JSON's texts are TOML's."""
    import json

    return json.dumps(value, ensure_ascii=False)
