"""Random bytes given to every parser of a stranger's file, guided by which lines they reach; needs atheris, which no test does.

    python tests/faults/fuzz.py CORPUS_FOLDER -max_total_time=1200

Each input goes to one parser, by its first byte. Nothing but an EdgebenchError may come out. Anything else is told once for each
place that it came from, and its input kept in FINDINGS (default: findings), for a test that is named for it.
"""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["edgebench"]):
    import edgebench.backends.fake
    from edgebench import lines, record, toml
    from edgebench.devices import far
    from edgebench.devices import profile as profiles
    from edgebench.errors import EdgebenchError
    from edgebench.models import card as cards
    from edgebench.models import onnx_graph, onnx_screen, tflite_graph, tflite_screen
    from edgebench.models.screen import screen

FOLDER = Path(tempfile.mkdtemp())
FILE = FOLDER / "one"
FINDINGS = Path(os.environ.get("FINDINGS", "findings"))


def framed(path: Path) -> None:
    with path.open("rb") as file:
        far.read_framed(file)


PARSERS: list[Callable[[Path], object]] = [
    cards.read,
    profiles.read,
    lambda path: onnx_screen.check(path, FOLDER, {}),
    tflite_screen.check,
    lambda path: screen(path, "torchscript", FOLDER, {}),
    onnx_graph.read,
    tflite_graph.input_shapes,
    record.read_lines,
    lambda path: toml.read(path, edgebench.backends.fake.Script),
    framed,
    lines.read,
]


def one(data: bytes) -> None:
    """Give the rest of the bytes to the parser that the first one names."""
    if not data:
        return
    FILE.write_bytes(data[1:])
    try:
        PARSERS[data[0] % len(PARSERS)](FILE)
    except EdgebenchError:
        pass
    except Exception as error:  # the finding
        last = traceback.extract_tb(error.__traceback__)[-1]
        kept = FINDINGS / f"{type(error).__name__}-{Path(last.filename).stem}-{last.lineno}"
        if not kept.exists():
            FINDINGS.mkdir(exist_ok=True)
            kept.write_bytes(data)
            traceback.print_exc()


def main() -> None:
    """Fuzz until told to stop."""
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
