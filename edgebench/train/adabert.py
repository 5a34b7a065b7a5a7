"""A fine-tuned teacher and labelled texts -> a searched net of cells (AdaBERT, arXiv 2001.04246), small enough for two processor cores.

Probes on the teacher; the search on two halves of the texts, from the best projection of the teacher's table of words; the found cell drawn
(`cell.svg`, `architecture.json`); and the found net trained further on all of them. The published search has 8 cells of 3 nodes, ten
operations and 80 epochs; here 4 cells of 2 nodes and six operations by default, as an hour allows.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor

from edgebench import whole
from edgebench.train import search
from edgebench.train.cells import Architecture, CellNet, build, take_words
from edgebench.train.data import Examples
from edgebench.train.loop import Schedule, train
from edgebench.train.nets import Net
from edgebench.train.search import Known, Space, Supernet

SPACE = Space(deepest=4, nodes=2, operations=("conv3", "conv5", "dilated3", "max3", "identity", "zero"))
WIDTH = 128  # channels, as published

Progress = Callable[[str, int, int, dict[str, float]], None]


class How(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`probes`, `search` and `retrain` are the three stages' schedules; the first two see `searched` random texts, or all. `cost` weighs size
    and work, `gamma` the probes against the labels, `soft` the teacher's own answers in the last stage. In the share `weights_first` of the search
    nothing is chosen; `dropout` is that of the last stage. With `random` a cell is drawn, not searched for."""

    probes: Schedule = Schedule(epochs=1, batch_size=64, learning_rate=5e-3)
    search: Schedule = Schedule(epochs=1, batch_size=64, learning_rate=2e-3, weight_decay=3e-4, clip_norm=5.0)
    retrain: Schedule = Schedule(epochs=3, batch_size=64, learning_rate=2e-3, weight_decay=3e-4, clip_norm=5.0)
    searched: int | None = None
    cost: float = 4.0
    gamma: float = 0.8
    soft: float = 0.0
    weights_first: float = 0.0
    dropout: float = 0.1
    width: int = WIDTH
    deepest: int = SPACE.deepest
    nodes: int = SPACE.nodes
    operations: tuple[str, ...] = SPACE.operations
    random: bool = False

    @property
    def space(self) -> Space:
        return Space(self.deepest, self.nodes, self.operations)


def lasting(epochs: float, batch_size: int, cost: float) -> How:
    """The defaults for `epochs` epochs of probes and of search, and three times as many after it."""
    how = How(cost=cost)
    changed = {"probes": epochs, "search": epochs, "retrain": 3 * epochs}
    schedules = {name: msgspec.structs.replace(getattr(how, name), epochs=more, batch_size=batch_size) for name, more in changed.items()}
    return msgspec.structs.replace(how, **schedules)


def adabert(
    teacher: Net, examples: Examples, out: Path, how: How, *, seed: int, more: Examples | None = None,
    progress: Progress = lambda stage, step, steps, losses: None,
) -> tuple[CellNet, Architecture]:
    """Search, then train what was found, which also imitates the teacher on the sentences `more`, whose labels are -1."""
    def loop(stage: str) -> dict[str, Any]:
        return {
            "seed": seed, "checkpoint": out / f"{stage}.checkpoint", "log": out / f"{stage}.jsonl",
            "progress": lambda step, steps, losses: progress(stage, step, steps, losses),
        }

    torch.manual_seed(seed)
    order = torch.randperm(len(examples)).tolist()
    examples = examples.select(order)
    count = min(how.searched or len(examples), len(examples))
    rest = examples.select(range(count, len(examples))) + more if more else examples.select(range(count, len(examples)))
    known = search.probe(teacher, examples.select(range(count)), how.probes, more=rest, **loop("probes"))
    words = teacher.get_input_embeddings().weight.detach()
    torch.manual_seed(seed)
    if how.random:
        found = search.at_random(how.space, seed)
        small = build(found, width=how.width, dropout=how.dropout, **_sizes(teacher))
        take_words(small, words)
    else:
        small, found = _searched(known, count, how, _sizes(teacher), words, loop("search"))
    whole.write(out / "architecture.json", msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    whole.write(out / "cell.svg", search.draw(found))
    train(search.retrain_loss(small, known, gamma=how.gamma, soft=how.soft), small, known.examples, how.retrain, **loop("retrain"))
    return small.eval(), found


def _searched(known: Known, count: int, how: How, sizes: dict[str, int], words: Tensor, loop: dict[str, Any]) -> tuple[CellNet, Architecture]:
    """The found net with the weights it has from the search, over the first `count` examples: half for weights, half for choices."""
    half, choosing = known.select(range(count // 2)), known.select(range(count // 2, count))
    net = Supernet(how.space, width=how.width, **sizes)
    take_words(net, words)
    steps = round(-(-len(half.examples) // how.search.batch_size) * how.search.epochs)
    loss = search.search_loss(net, half, choosing, steps=steps, gamma=how.gamma, beta=how.cost, weights_first=how.weights_first)
    train(loss, net, half.examples, how.search, **loop)
    found = search.derive(net)
    return search.inherit(net, found, dropout=how.dropout), found


def _sizes(teacher: Net) -> dict[str, int]:
    config = teacher.config
    return {"vocab": config.vocab_size, "labels": config.num_labels, "positions": config.max_position_embeddings}
