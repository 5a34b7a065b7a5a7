"""edgebench predict MODEL TEXT...: one line per text, from the arguments or from standard input."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any, BinaryIO

import click

from edgebench.errors import UsageError


@click.command()
@click.argument("model")
@click.argument("texts", nargs=-1)
@click.option("--backend", help="Engine: onnxruntime, tflite, torchscript. Default: the first that is installed.")
@click.option("--precision", help="fp32, int8, ... Default: int8 or uint8 where the model has it.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Threads within one call.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="json: one object per line.")
@click.option("--allow-code", is_flag=True, help="Open a TorchScript file, which is a program, from a card edgebench does not bundle.")
def command(model: str, texts: tuple[str, ...], backend: str | None, precision: str | None, threads: int, form: str, allow_code: bool) -> None:
    """Classify TEXT..., or each line of standard input when no TEXT is given.

    MODEL is a card's name (see `edgebench models list`) or the path of a card file.
    """
    from edgebench.pipeline import load

    with load(model, backend=backend, precision=precision, threads=threads, allow_code=allow_code) as pipe:
        examples = list(texts) if texts else pipe.task.read(_input())
        for text, found in zip(examples, pipe.batch(examples), strict=True):
            click.echo(_json(text, found) if form == "json" else f"{found}  {text[:200]}")


def _input() -> BinaryIO:
    if sys.stdin.isatty():
        raise UsageError("there is no text; give it as arguments, or one a line on standard input")
    return sys.stdin.buffer


def _json(text: str, found: Any) -> str:
    return json.dumps({"input": text, **asdict(found)}, ensure_ascii=False)
