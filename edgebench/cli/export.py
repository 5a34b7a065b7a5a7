"""edgebench export RUN: a trained student as files of every engine, checked against the net they came from, with a card.

    edgebench export runs/tinybert-sst2 --into models
"""

from __future__ import annotations

import logging
from pathlib import Path

import click

from edgebench.errors import MissingError

SAMPLES = 256  # training texts on which an int8-static file's ranges are measured


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--into", type=click.Path(file_okay=False, path_type=Path), default=Path("models"), show_default=True, help="Folder for the card and its files.")
@click.option("--variants", help="Which files to write, as onnx/int8,tflite/int4. Default: fp32 and int8 of all three.")
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder with local data sets.  [default: $EDGEBENCH_DATA]")
@click.option("--offline", is_flag=True, help="Fetch nothing: use what is here already.")
def command(run: Path, into: Path, variants: str | None, data: Path | None, offline: bool) -> None:
    """Write the student that `edgebench train` left in the folder RUN as ONNX, TFLite and TorchScript, fp32 and int8.

    Each file's answers are compared with the net's, its accuracy is measured, and a card is written beside the files.
    """
    logging.disable(logging.WARNING)  # torchao, which a converter brings, warns of parts of itself that are not for this machine
    try:
        from edgebench.train.bundle import bundle, read_run
        from edgebench.train.export import VARIANTS
    except ImportError as error:
        raise MissingError(f"export needs {error.name}, which is not installed; install edgebench[export]") from error
    finally:
        logging.disable(logging.NOTSET)
    from edgebench.models.data import load
    from edgebench.models.weights import fetch_weights

    finished = read_run(run)
    labelled = load(finished.recipe.dataset, "dev", folder=data, offline=offline)
    tokenizer = fetch_weights(finished.recipe.teacher.weights, offline=offline) / "tokenizer.json"
    wanted = VARIANTS if variants is None else [one.strip() for one in variants.split(",")]
    static = any(one.endswith("-static") for one in wanted)
    samples = load(finished.recipe.dataset, "train", folder=data, offline=offline, limit=SAMPLES).texts if static else ()
    card = bundle(finished, into, tokenizer, labelled, variants=wanted, samples=samples, tell=click.echo)
    click.echo(f"{card} is written; try: edgebench bench {card}")
