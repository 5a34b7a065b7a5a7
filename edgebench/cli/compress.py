"""edgebench compress SOURCE: from a fine-tuned classifier to a smaller one, written for every engine, with a card.

    edgebench compress tinybert-sst2 --data sst2 --method trim,prune --keep 0.5
    edgebench compress path/to/checkpoint --data reviews.tsv --method quantize
    edgebench compress elastic-sst2 --method adaptive --device host --budget "latency 2 ms, accuracy -1 %"
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgebench import whole
from edgebench.cli import adaptive
from edgebench.cli.adaptive import Asked
from edgebench.cli.options import Names
from edgebench.errors import EngineError, MissingError, UsageError

if TYPE_CHECKING:
    from edgebench.models.data import Labelled
    from edgebench.train.bundle import Made
    from edgebench.train.checkpoint import Source
    from edgebench.train.compress import Plan, Work

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
SAMPLES = 256  # texts on which an int8-static file's ranges are measured
EXIT = """\b
Exit status:
  0  the model is written, and keeps the budget if there is one
  1  it cannot be made
  2  wrong usage
  3  a package that is needed is not installed
  5  no file of it keeps the budget; adaptive: nothing does or is written"""
SHARE = click.FloatRange(0, 1, min_open=True)


@click.command(epilog=EXIT)
@click.argument("source")
@click.option("--data", "-d",
              help="Labelled texts: a .tsv or .csv file with the columns text and label, or a data set's name. For adaptive: a folder to look in, if any.")
@click.option("--dev", type=FILE, help="A file of texts that accuracy is reported on.  [default: a tenth of --data, at most 1,000 texts]")
@click.option("--method", "-m", default="prune", show_default=True,
              help="In turn: adabert, distilbert, factorize, prune, quantize, tinybert, trim. Alone: adaptive.")
@click.option("--keep", type=SHARE, default=0.5, show_default=True, help="Share of heads and neurons, of the rank, or of layers that stays.")
@click.option("--bits", type=click.Choice(["8", "4"]), default="8", show_default=True, help="Of the weights that quantize trains the net for.")
@click.option("--cost", type=click.FloatRange(min=0), default=4.0, show_default=True, help="Weight of size and work when adabert searches.")
@click.option("--epochs", type=click.FloatRange(min=0), default=1.0, show_default=True, help="Passes over --data to win back what was lost, 0 for none.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the order of texts, and of what is held out.")
@click.option("--name", help="Name of the new model.  [default: the source's and the methods']")
@click.option("--into", type=FOLDER, default=Path("models"), show_default=True, help="Folder for the card and its files.")
@click.option("--variants", help="Which files to write, as onnx/int8,tflite/int4. Default: fp32 and int8 of all three.")
@click.option("-b", "--backend", "backends", type=Names(), default=(), help="adaptive: engines to consider. Default: all that are installed.")
@click.option("-p", "--precision", "precisions", type=Names(), default=(), help="adaptive: precisions to consider. Default: all the model has.")
@click.option("--budget", metavar="'LATENCY 10 MS, ACCURACY -1 %'", help="Limits: measure the files after, and say which to take. -1 %: a point lost.")
@click.option("--device", default="host", show_default=True, metavar="PROFILE", help="Where --budget is measured.")
@click.option("--threads", type=click.IntRange(min=1), help="Processor threads to train with.  [default: torch's own]")
@click.option("--offline", is_flag=True, help="Fetch nothing: use what is here already.")
@click.pass_context
def command(
    context: click.Context, /, source: str, data: str | None, dev: Path | None, into: Path, name: str | None, variants: str | None, threads: int | None,
    offline: bool, budget: str | None, device: str, backends: tuple[str, ...], precisions: tuple[str, ...], **options: Any,
) -> None:
    """Make a fine-tuned text classifier smaller, and write it as ONNX, TFLite and TorchScript.

    SOURCE is the folder of a Hugging Face BERT checkpoint, or a model of edgebench. Each file's answers are compared
    with the net's and its accuracy is measured, on texts that are put beside the files if they are yours. Checkpoints
    are kept in runs/NAME: started again, it goes on.

    Method adaptive trains nothing: of a model of several speeds it takes the width, depth, precision and engine that
    keep --budget on --device. Few are measured there, the others predicted from these, and the one that is taken is
    measured again and written alone. The fastest is taken where accuracy has a limit, else the most accurate.
    """
    if options["method"] == "adaptive":
        wanted = tuple(one.strip() for one in variants.split(",")) if variants else ()
        folder = Path(data) if data else None
        context.exit(0 if _adaptive(Asked(source, budget or "", device, into, name, wanted, backends, precisions, folder, offline, options["seed"])) else 5)
    if backends or precisions:
        raise click.UsageError("--backend and --precision say what adaptive considers; what another method writes, --variants says")
    if data is None:
        raise click.UsageError("--data is missing: a .tsv or .csv file with the columns text and label, or a data set's name; only adaptive needs none")
    if budget:
        from edgebench import catalog
        from edgebench.bench.wishes import wishes

        wishes(budget, accuracy=1.0)  # what is wrong with it is said before anything is made
        catalog.find("devices", device)
    logging.disable(logging.WARNING)  # torchao, which a converter brings, warns of parts of itself that are not for this machine
    try:
        import torch

        from edgebench.train import compress
        from edgebench.train.bundle import write, write_dataset
        from edgebench.train.export import VARIANTS
    except ImportError as error:
        raise MissingError(f"compressing needs {error.name}, which is not installed; install edgebench[export]") from error
    finally:
        logging.disable(logging.NOTSET)
    if threads:
        torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    methods = tuple(one.strip() for one in options.pop("method").split(","))
    plan = compress.Plan(methods, bits=int(options.pop("bits")), **options)
    written = VARIANTS if variants is None else [one.strip() for one in variants.split(",")]
    start = _source(source)
    texts, judged = _texts(data, dev, start.labels, plan.seed, offline)
    name = name or f"{Path(source).name.removesuffix('.toml')}-{'-'.join(methods)}"
    folder = Path("runs") / name
    click.echo(f"{len(texts):,} texts of {texts.name} to train on, {len(judged):,} of {judged.name} {judged.split} to report")
    try:
        work, facts = compress.compress(start, texts, judged, plan, folder, _print_lines)
    except FloatingPointError as error:
        raise EngineError(str(error)) from error
    whole.write(folder / "result.json", json.dumps(facts, indent=2) + "\n")
    for line in work.done:
        click.echo(line)
    for when in ("before", "after"):
        size, right = facts[when]["parameters"], facts[when]["accuracy_dev"]
        click.echo(f"{when}: {size:,} parameters, accuracy {right:.2%} on {judged.name} {judged.split}, n = {len(judged):,}")
    made = _made(name, start, work, plan, facts, texts)
    if dev or data.endswith((".tsv", ".csv")):
        made = replace(made, dataset=write_dataset(judged, into / name, made.task))
    card = write(made, into, judged, variants=written, samples=texts.texts[:SAMPLES], tell=click.echo)
    click.echo(f"{card} is written; try: edgebench bench {card}")
    if budget:
        from edgebench.cli.candidates import choose

        context.exit(0 if choose(card, wishes(budget, accuracy=facts["before"]["accuracy_dev"]), device, folder) else 5)


def _adaptive(asked: Asked) -> bool:
    from edgebench.bench.wishes import wishes

    if not asked.budget:
        raise click.UsageError("adaptive chooses by a budget; say one, e.g. --budget 'latency 10 ms, accuracy -1 %'")
    if asked.folder is not None and not asked.folder.is_dir():
        raise click.UsageError("adaptive trains nothing and is judged on the model's own data set; --data may name the folder it lies in")
    wishes(asked.budget, accuracy=1.0)
    return adaptive.compress(asked)


def _source(source: str) -> Source:
    """A checkpoint's folder, a card's file, or a model's name."""
    from edgebench import catalog
    from edgebench.models import card as cards
    from edgebench.train import checkpoint

    if Path(source).is_dir():
        return checkpoint.read(Path(source))
    path = Path(source) if source.endswith(".toml") else catalog.find("models", source)
    return checkpoint.read_card(cards.read(path), path)


def _texts(data: str, dev: Path | None, labels: tuple[str, ...], seed: int, offline: bool) -> tuple[Labelled, Labelled]:
    """What is trained on, and what accuracy is reported on."""
    from edgebench.models.data import divide, from_file, load

    if not data.endswith((".tsv", ".csv")):
        texts = load(data, "train", offline=offline)
        if len(texts.label_names) != len(labels):
            raise UsageError(f"data set {data!r} has the labels {', '.join(texts.label_names)}, the model has {', '.join(labels)}; give data of its task")
        return texts, from_file(dev, labels, split="dev") if dev else load(data, "dev", offline=offline)
    texts = from_file(Path(data), labels)
    if dev:
        return texts, from_file(dev, labels, split="dev")
    return divide(texts, min(1_000, -(-len(texts) // 10)), seed)


def _made(name: str, start: Source, work: Work, plan: Plan, facts: dict[str, Any], texts: Labelled) -> Made:
    from edgebench.train.bundle import Made

    made_by = {
        "methods": ", ".join(plan.methods), "done": work.done, "seed": plan.seed, "from": start.origin, "keep": plan.keep, "epochs": plan.epochs,
        "accuracy_before": round(facts["before"]["accuracy_dev"], 4), "accuracy_after": round(facts["after"]["accuracy_dev"], 4),
        "trained_on": f"{texts.name}, sha256 {facts['before']['train_sha256'][:16]}",
    }
    about = f"{start.origin.partition(',')[0]}, made smaller: {', '.join(plan.methods)}"
    return Made(
        name=name, about=about, net=work.net, tokenizer=work.tokenizer, dataset=texts.name, made_by=made_by,
        source=f"compressed by edgebench from {start.origin}", licence=start.licence, max_tokens=start.max_tokens,
    )


def _print_lines(stage: str, step: int, steps: int, losses: dict[str, float]) -> None:
    if step == steps or step % max(50, steps // 20 // 50 * 50) == 0:
        click.echo(f"{stage:12} {step:>6} of {steps}  {'  '.join(f'{one} {value:.3f}' for one, value in losses.items())}")
