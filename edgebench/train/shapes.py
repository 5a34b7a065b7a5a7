"""A BERT's shape -> files with random weights and a card: for time, size and memory, which do not depend on what a net has learnt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from edgebench.models import card as cards
from edgebench.models.artifact import beside, digest_of
from edgebench.models.card import Card, File, Tolerance, Variant
from edgebench.train import nets
from edgebench.train.bundle import write_tokenizer
from edgebench.train.cards import write_card
from edgebench.train.export import export

VARIANTS = ("onnx/fp32", "onnx/int8")
ANYTHING = Tolerance(difference=1.0, agreement=0.0, accuracy_loss=1.0)  # answers that mean nothing cannot be wrong


def write(
    name: str, into: Path, like: Path, *, layers: int, hidden: int, heads: int, ffn: int, labels: int = 2, variants: Sequence[str] = VARIANTS, seed: int = 0,
    tell: Callable[[str], None] = lambda line: None,
) -> Path:
    """`into`/`name`.toml, which reads with the tokenizer and is timed on the data set of the card at `like`."""
    other = cards.read(like)
    most = int(other.preprocess.get("max_tokens", 128))
    torch.manual_seed(seed)
    net = nets.build(layers=layers, hidden=hidden, heads=heads, ffn=ffn, labels=labels).eval()
    folder = into / name
    written = export(net, folder, variants=variants, lengths=[most], progress=tell)
    words = folder / "tokenizer.json"
    write_tokenizer(beside(like, other.files["tokenizer"]), words, most)
    files = tuple(
        Variant(file=f"{name}/{one.path.name}", sha256=one.sha256, size_bytes=one.size_bytes, format=one.format, precision=one.precision) for one in written
    )
    card = Card(
        schema=1, name=name, task=other.task, about=f"{layers} layers x {hidden} with random weights: its answers mean nothing", licence="CC0-1.0",
        source=f"random weights drawn by edgebench, seed {seed}", labels=other.labels[:labels], dataset=cards.dataset_of(other, like), reference=files[0].name,
        variants=files, files={"tokenizer": File(f"{name}/tokenizer.json", digest_of(words), words.stat().st_size)}, preprocess={"max_tokens": most},
        tolerance={one.precision: ANYTHING for one in files}, parameters=nets.parameter_count(net), made_by={"seed": seed, "weights": "random"},
    )
    path = into / f"{name}.toml"
    write_card(card, path)
    return path
