"""A BERT small enough to train in a second, and sentences whose label one token decides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from edgebench.train.data import Examples

NEEDS = "training is tested where torch and transformers are installed; install edgebench[train]"
SHAPE = {"num_hidden_layers": 2, "hidden_size": 24, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 40}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch = pytest.importorskip("torch", reason=NEEDS)
    pytest.importorskip("transformers", reason=NEEDS)
    torch.set_num_threads(1)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A folder as `fetch_weights` leaves it, of an encoder with random weights."""
    import torch
    from safetensors.torch import save_file

    from edgebench.train.nets import build

    torch.manual_seed(0)
    net = build(layers=2, hidden=24, heads=2, ffn=32, labels=2, vocab=40)
    folder = tmp_path / "weights"
    folder.mkdir()
    save_file(net.bert.state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(SHAPE))
    return folder


@pytest.fixture
def examples() -> Examples:
    """96 sentences of 3 to 8 tokens; token 7 makes it positive, token 8 negative."""
    from random import Random

    from edgebench.train.data import Examples

    random = Random(0)
    labels = [row % 2 for row in range(96)]
    ids = [[2, 8 - label, *random.choices(range(10, 40), k=random.randint(0, 5)), 3] for label in labels]
    return Examples(ids, labels)
