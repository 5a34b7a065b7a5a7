"""One training as several processes: torchrun or `accelerate launch` starts them, and this finds its place among them.

    torchrun --nproc-per-node 2 -m edgebench train tinybert-sst2 --out runs/tinybert-sst2

Each process takes its share of every batch, and gradients are averaged by how many examples each had: what is learnt is what one
process learns from the whole batch, but for the order of sums, for dropout, which draws anew in each, and for terms that are means over
tokens, of which the shares may hold different numbers. The first process alone keeps checkpoints and results.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

T = TypeVar("T")


def count() -> int:
    """How many processes train together, by what started them."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Which of them this is, from 0."""
    return int(os.environ.get("RANK", "0"))


def is_first() -> bool:
    """Whether this process writes what all of them learnt."""
    return rank() == 0


def join() -> None:
    """Meet the others; nothing where there are none, or they have met already."""
    if count() > 1 and not dist.is_initialized():
        dist.init_process_group("gloo")
        atexit.register(dist.destroy_process_group)


def aside(folder: Path) -> Path:
    """Where this process may write: `folder`, or for all but the first one beside it that is deleted at the end. What they print is not shown."""
    if is_first():
        return folder
    mine = folder.parent / f".{folder.name}-{rank()}"
    mine.mkdir(parents=True, exist_ok=True)
    atexit.register(shutil.rmtree, mine, ignore_errors=True)
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    return mine


def shared(value: T) -> T:
    """The first process's value, in all."""
    if count() == 1:
        return value
    box: list[Any] = [value if is_first() else None]
    dist.broadcast_object_list(box, src=0)
    first: T = box[0]
    return first


def alike(modules: nn.Module) -> None:
    """Give all processes the first one's weights."""
    if count() > 1:
        for tensor in (*modules.parameters(), *modules.buffers()):
            dist.broadcast(tensor.data, src=0)


def share(rows: Sequence[int]) -> tuple[Sequence[int], float]:
    """This process's rows of a batch, and the weight of their mean in the whole batch's; of too few rows one again, of weight 0."""
    if count() == 1:
        return rows, 1.0
    mine = rows[rank() :: count()]
    return (mine, len(mine) / len(rows)) if mine else (rows[:1], 0.0)


def average(modules: nn.Module, weight: float) -> None:
    """Let each gradient be that of the whole batch."""
    if count() == 1:
        return
    gradients = [parameter.grad for parameter in modules.parameters() if parameter.grad is not None]
    if not gradients:
        return
    flat = torch.cat([one.reshape(-1) for one in gradients]) * weight
    dist.all_reduce(flat)
    at = 0
    for one in gradients:
        one.copy_(flat[at : at + one.numel()].view_as(one))
        at += one.numel()


def total(terms: dict[str, Tensor], weight: float) -> dict[str, float]:
    """Each term over the whole batch."""
    values = torch.stack([one.detach().float() for one in terms.values()]) * weight
    if count() > 1:
        dist.all_reduce(values)
    return dict(zip(terms, values.tolist(), strict=True))
