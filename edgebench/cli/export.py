"""edgebench export RUN: a trained student as files of every engine, checked against the net they came from, with a card.

    edgebench export runs/tinybert-sst2 --into models
    edgebench export opus-mt-en-fr --into models            # a published translator, as it is
    edgebench export opus-mt-en-fr --words 28000            # with the pieces that matter most
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgebench.errors import MissingError, UsageError

if TYPE_CHECKING:
    from edgebench.train.bundle import Made as Text
    from edgebench.train.export_translator import Made

SAMPLES = 256  # training texts on which an int8-static file's ranges are measured


@click.command()
@click.argument("run")
@click.option("--into", type=click.Path(file_okay=False, path_type=Path), default=Path("models"), show_default=True, help="Folder for the card and its files.")
@click.option("--variants", help="Which files to write, as onnx/int8,tflite/int4. Default: fp32 and int8 of all there are.")
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder with local data sets.  [default: $EDGEBENCH_DATA]")
@click.option("--words", type=click.IntRange(min=1), help="Pieces that a published translator keeps.  [default: all]")
@click.option("--net", type=click.Choice(["student", "teacher"]), default="student", show_default=True, help="Which net of a distillation.")
@click.option("--offline", is_flag=True, help="Fetch nothing: use what is here already.")
def command(run: str, into: Path, variants: str | None, data: Path | None, words: int | None, net: str, offline: bool) -> None:
    """Write the student that `edgebench train` left in the folder RUN as ONNX, TFLite and TorchScript, fp32 and int8.

    A translator is written as ONNX and TorchScript, and its teacher with the words that were kept beside it; RUN may also
    be the name of a published one: opus-mt-en-fr. Of a run of pictures the best student is written. Each file's answers
    are compared with the net's, its accuracy is measured, and a card is written beside the files.
    """
    logging.disable(logging.WARNING)  # torchao, which a converter brings, warns of parts of itself that are not for this machine
    try:
        from edgebench.train import bundle_picture, checkpoint, export_dynamic
        from edgebench.train.bundle import bundle, read_run, write
        from edgebench.train.data import hold_out, tokenised
        from edgebench.train.export import VARIANTS
    except ImportError as error:
        raise MissingError(f"export needs {error.name}, which is not installed; install edgebench[export]") from error
    finally:
        logging.disable(logging.NOTSET)
    from edgebench import catalog
    from edgebench.models import card as cards
    from edgebench.models import sheets
    from edgebench.models.data import load
    from edgebench.models.weights import fetch_weights

    asked = None if variants is None else [one.strip() for one in variants.split(",")]
    if translators := _translators(run, offline):
        from edgebench.train import export_translator

        for made in translators:
            if words is not None:
                made = export_translator.trimmed(made, load(made.dataset, "train", folder=data, offline=offline), words)
            labelled = load(made.dataset, "dev", folder=data, offline=offline)
            card = export_translator.write(made, into, labelled, variants=asked or export_translator.VARIANTS, tell=click.echo)
            click.echo(f"{card} is written; try: edgebench predict {card} 'Two dogs are playing.'")
        return
    if best := bundle_picture.finished(Path(run)):
        drawn, test = (sheets.load(best.recipe.sheets, split, offline=offline) for split in ("train", "test"))
        card = bundle_picture.write(best, into, drawn, test, variants=asked or bundle_picture.VARIANTS, tell=click.echo)
        click.echo(f"{card} is written; try: edgebench predict {card} picture.png")
        return
    if taught := _taught(Path(run)):
        labelled = load(taught.dataset, "dev", folder=data, offline=offline)
        samples = load(taught.dataset, "train", folder=data, offline=offline, limit=SAMPLES).texts if "-static" in (variants or "") else ()
        card = write(taught, into, labelled, variants=asked or VARIANTS, samples=samples, tell=click.echo)
        click.echo(f"{card} is written; try: edgebench bench {card}")
        return
    if plan := export_dynamic.finished(Path(run)):
        start = catalog.find("models", plan.start)
        source = checkpoint.read_card(cards.read(start), start)
        training, dev = (load(plan.dataset, split, folder=data, offline=offline) for split in ("train", "dev"))
        examples = tokenised(training, source.tokenizer, source.max_tokens)
        finished_run = export_dynamic.read_run(Path(run), source, examples)
        held_out = hold_out(examples, plan.held_out, plan.seed)[1]
        card = export_dynamic.write(finished_run, into, dev, held_out, variants=asked or (), tell=click.echo)
        click.echo(f"{card} is written; try: edgebench bench {card} --points all")
        return
    finished = read_run(Path(run), net)
    labelled = load(finished.recipe.dataset, "dev", folder=data, offline=offline)
    tokenizer = fetch_weights(finished.recipe.teacher.weights, offline=offline) / "tokenizer.json"
    wanted = asked or VARIANTS
    static = any(one.endswith("-static") for one in wanted)
    samples = load(finished.recipe.dataset, "train", folder=data, offline=offline, limit=SAMPLES).texts if static else ()
    card = bundle(finished, into, tokenizer, labelled, variants=wanted, samples=samples, tell=click.echo)
    click.echo(f"{card} is written; try: edgebench bench {card}")


def _taught(run: Path) -> Text | None:
    """The net that a recipe of one method left in RUN, if that is what it holds."""
    from edgebench.train import bundle, methods

    try:
        method = json.loads((run / "result.json").read_text())["recipe"].get("method")
    except (OSError, ValueError, KeyError, TypeError):
        return None  # read_run says what is wrong
    return bundle.read_student(run) if method in methods.KINDS else None


def _translators(run: str, offline: bool) -> list[Made]:
    """The translators that RUN names: a published one, or the two of a run's folder; none if it names something else."""
    from edgebench import catalog
    from edgebench.models import weights as cards
    from edgebench.models.weights import fetch_weights
    from edgebench.train import export_translator

    if Path(run).is_dir():
        found = export_translator.finished(Path(run))
        return [] if found is None else export_translator.made_of(Path(run), fetch_weights(found[0].weights, offline=offline), *found)
    known = catalog.paths("models/weights")
    if run not in known:
        raise UsageError(f"{run} is no folder; give the folder of a finished run, or the name of a translator: opus-mt-en-fr")
    path = known[run]
    if "source.spm" not in [one.file for one in cards.read(path).files]:
        raise UsageError(f"{run} is no folder and {path.name} no translator; give the folder of a run, or the weights of a translator: opus-mt-en-fr")
    return [export_translator.published(run, fetch_weights(run, offline=offline))]
