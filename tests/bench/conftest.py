"""A card whose one file is a script for the fake engine: a cell that answers, crashes or hangs as a test says."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = """\
run_ns = [1_000]
inputs = [{ name = "input_ids", dtype = "int64", shape = [-1, -1] }, { name = "attention_mask", dtype = "int64", shape = [-1, -1] }]
outputs = [{ name = "logits", table = [[0.0, 2.0], [2.0, 0.0]] }]
"""


@pytest.fixture
def scripted(bag_of_words: Path, tmp_path: Path) -> Callable[..., Path]:
    """scripted('failures = [...]') -> the card file of "scripted"; `replace` takes words of the usual script and others for them."""

    def make(more: str = "", replace: tuple[str, str] = ("", "")) -> Path:
        shutil.copy(bag_of_words.parent / "bag" / "tokenizer.json", tmp_path)
        (tmp_path / "scripted.fake").write_text(SCRIPT.replace(*replace) + more)
        card = tmp_path / "scripted.toml"
        card.write_text(
            'schema = 1\nname = "scripted"\ntask = "text-classification"\nabout = "plays a script"\nlicence = "Apache-2.0"\nsource = "made in a test"\n'
            'labels = ["negative", "positive"]\ndataset = "sst2"\nreference = "fake/fp32"\npreprocess = { max_tokens = 16 }\n'
            f"[files]\ntokenizer = {{ {', '.join(_described(tmp_path / 'tokenizer.json'))} }}\n"
            f'[[variants]]\nformat = "fake"\nprecision = "fp32"\n{chr(10).join(_described(tmp_path / "scripted.fake"))}\n'
        )
        return card

    return make


def _described(path: Path) -> list[str]:
    data = path.read_bytes()
    return [f'file = "{path.name}"', f'sha256 = "{hashlib.sha256(data).hexdigest()}"', f"size_bytes = {len(data)}"]
