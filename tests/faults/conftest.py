"""Every fault is tried by one fixture, which says what came of it, and writes that down where EDGEBENCH_FAULTS names a file."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgebench.errors import EdgebenchError
from tests.faults import bundle

Try = Callable[..., str]


@pytest.fixture
def try_out(request: pytest.FixtureRequest) -> Try:
    """try_out(kind, name, expected, do) calls `do`, and is what it said; the class of its EdgebenchError, "exit 1" for the
    status 1, or "answers" must be `expected`.

    `lost` counts, after `do`, the records that should be there and are not. `tries`: how many faults of one kind `do` tries.
    `note`: what it said belongs on the page.
    """

    def one(kind: str, name: str, expected: str, do: Callable[[], Any], *, tries: int = 1, lost: Callable[[], int] = lambda: 0, note: bool = False) -> str:
        begin = time.perf_counter()
        try:
            result = do()
            said, happened = str(result or ""), f"exit {result}" if isinstance(result, int) else "answers"
        except EdgebenchError as error:
            said, happened = str(error), type(error).__name__
        seconds, missing = time.perf_counter() - begin, lost()
        if kept := os.environ.get("EDGEBENCH_FAULTS"):
            line = {
                "kind": kind, "fault": name, "expected": expected, "happened": happened, "tries": tries, "lost": missing, "seconds": round(seconds, 3),
                "test": request.node.name.partition("[")[0],
            }
            line |= {"note": said} if note else {}
            with Path(kept).open("a") as file:
                file.write(json.dumps(line) + "\n")
        assert happened == expected, said
        assert missing == 0
        return said

    return one


@pytest.fixture
def bundled(tmp_path: Path, bag_of_words: Path) -> Callable[..., Path]:
    """bundled("onnx", data, ...) -> the card file of a model whose one variant has these bytes: see `tests.faults.bundle.write`."""
    count = 0

    def make(format: str, data: bytes, **more: Any) -> Path:
        nonlocal count
        count += 1
        folder = tmp_path / f"bundle{count}"
        folder.mkdir()
        return bundle.write(folder, bag_of_words.parent / "bag" / "tokenizer.json", format, data, **more)

    return make
