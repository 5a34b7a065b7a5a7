"""edgebench predict MODEL INPUT...: one line per text or picture, from the arguments or from standard input."""

from __future__ import annotations

import json
import sys
import warnings
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import click

from edgebench import whole
from edgebench.errors import UsageError
from edgebench.units import plain


@click.command()
@click.argument("model")
@click.argument("inputs", nargs=-1, metavar="[INPUT]...")
@click.option("--backend", help="Engine: onnxruntime, tflite, torchscript, openvino, executorch. Default: the first that is installed.")
@click.option("--precision", help="fp32, int8, ... Default: int8 or uint8 where the model has it.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Threads within one call.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="json: one object per line.")
@click.option("--save", type=click.Path(dir_okay=False, path_type=Path), help="Draw what was found onto the picture, and write it here.")
@click.option("--allow-code", is_flag=True, help="Open a TorchScript or ExecuTorch file, which is a program, from a card edgebench does not bundle.")
def command(
    model: str, inputs: tuple[str, ...], backend: str | None, precision: str | None, threads: int, form: str, save: Path | None, allow_code: bool
) -> None:
    """Ask MODEL about each INPUT: a text, or the path of a picture.

    Without INPUT, or with - alone, each line of standard input is a text, or all of it is one picture. MODEL is a card's
    name (see `edgebench models list`) or the path of a card file.
    """
    from edgebench.pipeline import load

    with warnings.catch_warnings(), load(model, backend=backend, precision=precision, threads=threads, allow_code=allow_code) as pipe:
        warnings.filterwarnings("ignore", "Image size .* could be decompression bomb")  # Pillow's; our error says it, and what to do
        examples = pipe.task.read(_input()) if inputs in ((), ("-",)) else list(inputs)
        draw = getattr(pipe.task, "draw", None)
        if save and (draw is None or len(examples) != 1):
            raise UsageError(f"--save writes what was found in one picture; {model} was asked about {len(examples)} {'pictures' if draw else 'texts'}")
        for example, found in zip(examples, pipe.batch(examples), strict=True):
            name = example if isinstance(example, str) else "standard input"
            click.echo(_json(name, found) if form == "json" else plain(f"{found}  {name[:200]}"))
            if save and draw:
                _save(draw(example, found), save)


def _input() -> BinaryIO:
    if sys.stdin.isatty():
        raise UsageError("there is no input; give texts or paths of pictures as arguments, or one text a line, or a picture, on standard input")
    return sys.stdin.buffer


def _json(name: str, found: Any) -> str:
    return json.dumps({"input": name, **asdict(found)}, ensure_ascii=False, default=_array)


def _array(array: Any) -> Any:
    """Floats as a list; a label map as [value, how many] runs in the order of reading, which any program can undo."""
    if array.dtype.kind == "f":
        return array.tolist()
    flat = array.ravel()
    starts = [0, *((flat[1:] != flat[:-1]).nonzero()[0] + 1).tolist(), len(flat)]
    return {"shape": list(array.shape), "runs": [[int(flat[start]), end - start] for start, end in pairwise(starts)]}


def _format(path: Path) -> str:
    """Of a picture, by its ending; ValueError for one that says none."""
    from PIL import Image

    form: str | None = Image.registered_extensions().get(path.suffix.lower())
    if form is None:
        raise ValueError(f"unknown file extension: {path.suffix}")
    return form


def _save(picture: Any, path: Path) -> None:
    try:
        with whole.writing(path) as file:
            picture.save(file, format=_format(path))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be written: {error}; give a path that ends in .png or .jpg") from error
