"""A fine-tuned teacher and labelled texts -> a searched net of cells (AdaBERT, arXiv 2001.04246), small enough for two processor cores.

Probes on the teacher; the search on two halves of the texts, the words frozen at the best projection of the teacher's table; the found cell drawn
(`cell.svg`, `architecture.json`); and the found net trained further on all of them. The published search has 8 cells of 3 nodes, ten
operations and 80 epochs; here 4 cells of 2 nodes and six operations by default, as an hour allows.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import torch

from edgebench.train import search
from edgebench.train.cells import Architecture, CellNet, take_words
from edgebench.train.data import Examples
from edgebench.train.loop import Schedule, train
from edgebench.train.nets import Net
from edgebench.train.search import Space, Supernet

SPACE = Space(deepest=4, nodes=2, operations=("conv3", "conv5", "dilated3", "max3", "identity", "zero"))
WIDTH = 128  # channels, as published
RETRAINED = 3  # times as many epochs as were searched

Progress = Callable[[str, int, int, dict[str, float]], None]


def adabert(
    teacher: Net, examples: Examples, out: Path, *, epochs: float, cost: float, seed: int, batch_size: int = 64, space: Space = SPACE, width: int = WIDTH,
    progress: Progress = lambda stage, step, steps, losses: None,
) -> tuple[CellNet, Architecture]:
    """Search for `epochs` epochs with `cost` as the weight of the cost (published: 4), then train what was found."""
    def loop(stage: str) -> dict[str, Any]:
        return {
            "seed": seed, "checkpoint": out / f"{stage}.checkpoint", "log": out / f"{stage}.jsonl",
            "progress": lambda step, steps, losses: progress(stage, step, steps, losses),
        }

    torch.manual_seed(seed)
    known = search.probe(teacher, examples, Schedule(epochs=epochs, batch_size=batch_size, learning_rate=5e-3), **loop("probes"))
    order = torch.randperm(len(examples)).tolist()
    half, choosing = known.select(order[: len(order) // 2]), known.select(order[len(order) // 2 :])
    config = teacher.config
    net = Supernet(space, width=width, vocab=config.vocab_size, labels=config.num_labels, positions=config.max_position_embeddings)
    take_words(net, teacher.get_input_embeddings().weight.detach())
    net.words.requires_grad_(False)
    schedule = Schedule(epochs=epochs, batch_size=batch_size, learning_rate=2e-3, weight_decay=3e-4, clip_norm=5.0)
    steps = round(-(-len(half.examples) // schedule.batch_size) * epochs)
    train(search.search_loss(net, half, choosing, steps=steps, beta=cost), net, half.examples, schedule, **loop("search"))
    found = search.derive(net)
    (out / "architecture.json").write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    (out / "cell.svg").write_text(search.draw(found))
    small = search.inherit(net, found)
    train(search.retrain_loss(small, known), small, examples, msgspec.structs.replace(schedule, epochs=RETRAINED * epochs), **loop("retrain"))
    return small.eval(), found
