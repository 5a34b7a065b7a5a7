"""edgebench predict MODEL TEXT...: one line per text, from the arguments or from standard input."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

import click

from edgebench.errors import InputError, UsageError


@click.command()
@click.argument("model")
@click.argument("texts", nargs=-1)
@click.option("--backend", help="Engine: onnxruntime, tflite, torchscript. Default: the first that is installed.")
@click.option("--precision", help="fp32, int8, ... Default: int8 where the model has it.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Threads within one call.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="json: one object per line.")
@click.option("--allow-code", is_flag=True, help="Open a TorchScript file, which is a program, from a card edgebench does not bundle.")
def command(model: str, texts: tuple[str, ...], backend: str | None, precision: str | None, threads: int, form: str, allow_code: bool) -> None:
    """Classify TEXT..., or each line of standard input when no TEXT is given.

    MODEL is a card's name (see `edgebench models list`) or the path of a card file.
    """
    from edgebench.pipeline import load

    examples = list(texts) if texts else _lines()
    with load(model, backend=backend, precision=precision, threads=threads, allow_code=allow_code) as pipe:
        for text, found in zip(examples, pipe.batch(examples), strict=True):
            click.echo(_json(text, found) if form == "json" else _text(text, found))


def _lines() -> list[str]:
    if sys.stdin.isatty():
        raise UsageError("there is no text; give it as arguments, or one a line on standard input")
    lines = []
    for number, line in enumerate(sys.stdin.buffer, start=1):
        try:
            lines.append(line.decode("utf-8").rstrip("\r\n"))
        except UnicodeDecodeError as error:
            raise InputError(f"line {number} is not UTF-8 (byte {line[error.start]:#04x} at {error.start}); convert it first, e.g. with iconv") from None
    return lines


def _text(text: str, found: Any) -> str:
    cut = "  (cut: longer than the model reads)" if found.truncated else ""
    return f"{found.label}  {found.score:.3f}  {text[:200]}{cut}"


def _json(text: str, found: Any) -> str:
    return json.dumps({"input": text, **asdict(found)}, ensure_ascii=False)
