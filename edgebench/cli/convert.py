"""edgebench convert NAME: published weights as files of every engine, checked against the net they came from, with a card.

    edgebench convert mobilenetv2 --into models
"""

from __future__ import annotations

import logging
from pathlib import Path

import click

from edgebench.errors import MissingError, UsageError, did_you_mean


@click.command()
@click.argument("name")
@click.option("--into", type=click.Path(file_okay=False, path_type=Path), default=Path("models"), show_default=True, help="Folder for the card and its files.")
@click.option("--variants", help="Which files to write, as onnx/fp32,tflite/int8. Default: all that the conversion names.")
@click.option("--examples", type=click.IntRange(1), help="Labelled pictures to check and score the files with. Default: all.")
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder with local data sets.  [default: $EDGEBENCH_DATA]")
@click.option("--offline", is_flag=True, help="Fetch nothing: use what is here already.")
def command(name: str, into: Path, variants: str | None, examples: int | None, data: Path | None, offline: bool) -> None:
    """Write published weights as ONNX, TFLite and TorchScript files.

    NAME is a conversion that edgebench brings (mobilenetv2, ssd-mobilenetv1, deeplabv3), or a conversion file. The weights are
    fetched by name and checked first. Each file's answers to labelled pictures are compared with the net's and scored, and a
    card is written beside the files.
    """
    logging.disable(logging.WARNING)  # torchao, which a converter brings, warns of parts of itself that are not for this machine
    try:
        from edgebench.train import conversion
    except ImportError as error:
        raise MissingError(f"converting needs {error.name}, which is not installed; install edgebench[export]") from error
    finally:
        logging.disable(logging.NOTSET)
    from edgebench.models.data import load

    plan = conversion.read(_find(name, conversion.bundled()))
    labelled = load(plan.dataset, "dev", folder=data, offline=offline, limit=examples)
    calibration = load(plan.calibration, "dev", folder=data, offline=offline)
    wanted = None if variants is None else [one.strip() for one in variants.split(",")]
    card = conversion.convert(plan, into, labelled, calibration, variants=wanted, offline=offline, tell=click.echo)
    click.echo(f"{card} is written; try: edgebench bench {card}")


def _find(name: str, known: dict[str, Path]) -> Path:
    if name.endswith(".toml") and Path(name).is_file():
        return Path(name)
    if name not in known:
        raise UsageError(f"there is no conversion {name!r}; there are {', '.join(known)}.{did_you_mean(name, known)}")
    return known[name]
