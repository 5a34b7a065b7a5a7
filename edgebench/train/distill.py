"""Distillation losses: pure functions of student and teacher tensors and the padding mask, each a mean over what is real.

TinyBERT (arXiv 1909.10351) trains a student on the teacher's embedding output, hidden states and pre-softmax attention
scores first (`intermediate`), on its logits afterwards (`soft_cross_entropy`). The released code lets padding into the
means; here padded positions carry no weight, so a loss does not depend on what a sentence was batched with.

Nets of pictures imitate logits, where their teacher looks (`attention_map_error`), or what it sees (`feature_error`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from edgebench.train.nets import Traced


def soft_cross_entropy(student: Tensor, teacher: Tensor, *, temperature: float = 1.0) -> Tensor:
    """Mean over examples of -sum_c p_c log q_c for (B, C) logits, times temperature^2 (Hinton et al. 2015).

    The sum runs over classes: dividing by C as well, as one well-known code base does, silently halves the learning
    rate of a two-class task.
    """
    target = torch.softmax(teacher / temperature, dim=-1)
    return -(target * torch.log_softmax(student / temperature, dim=-1)).sum(-1).mean() * temperature**2


def hidden_error(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error of (B, S, width) states of equal width over the real positions of the (B, S) mask."""
    weight = mask.to(student.dtype).unsqueeze(-1)
    return ((student - teacher) ** 2 * weight).sum() / (weight.sum() * student.shape[-1])


def score_error(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error of (B, heads, S, S) pre-softmax scores over pairs of real positions."""
    if student.shape[1] != teacher.shape[1]:
        raise ValueError(f"the student has {student.shape[1]} attention heads, the teacher {teacher.shape[1]}; TinyBERT compares them one to one")
    real = mask.to(student.dtype)
    weight = (real[:, :, None] * real[:, None, :]).unsqueeze(1)
    return ((student - teacher) ** 2 * weight).sum() / (weight.sum() * student.shape[1])


def attention_map_error(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference of two attention maps of (N, C, H, W) activations of the same height and width.

    The map is the sum over channels of the squares, as one vector of length 1 for each picture (S. Zagoruyko, N. Komodakis, arXiv 1612.03928,
    equation 2 and the released code, which takes the mean over the map's points). The nets may differ in channels.
    """
    mine, theirs = (nn.functional.normalize(one.square().sum(1).flatten(1), dim=1) for one in (student, teacher))
    return (mine - theirs).square().mean()


def feature_error(student: Tensor, teacher: Tensor, project: nn.Module) -> Tensor:
    """Mean squared difference of (N, C, H, W) activations, the student's with `project` given the teacher's channels: FitNets' hint
    (A. Romero et al., arXiv 1412.6550, equation 3)."""
    return nn.functional.mse_loss(project(student), teacher)


def layer_map(student: int, teacher: int, how: str = "uniform") -> tuple[int, ...]:
    """For each of `student` layers the teacher layer (1-based) it imitates: every n-th of `teacher` ("uniform", as published, where the one
    number divides the other, else the nearest to it), the "first" or the "last"; the two others are the paper's ablations."""
    if not 0 < student <= teacher:
        raise ValueError(f"a student of {student} layers cannot imitate a teacher of {teacher} one to one; give 1 to {teacher}")
    if how == "uniform":
        return tuple(max(1, round(layer * teacher / student)) for layer in range(1, student + 1))
    if how not in ("first", "last"):
        raise ValueError(f"how is {how!r}; expected 'uniform', 'first' or 'last'")
    skipped = teacher - student if how == "last" else 0
    return tuple(range(skipped + 1, skipped + student + 1))


def intermediate(student: Traced, teacher: Traced, mask: Tensor, *, layer_map: Sequence[int], project: nn.Module) -> dict[str, Tensor]:
    """TinyBERT's embedding, hidden and attention terms, each summed over the student's layers.

    `layer_map[m]` is the teacher layer (1-based) whose output student layer m+1 imitates; the embedding output imitates
    the embedding output. `project` maps the student's width to the teacher's; as in the released code one projection
    serves every layer.
    """
    if len(layer_map) != len(student.scores):
        raise ValueError(f"layer_map names {len(layer_map)} teacher layers, the student has {len(student.scores)}; give one for each")
    hidden = [hidden_error(project(student.hidden[m]), teacher.hidden[n], mask) for m, n in enumerate(layer_map, start=1)]
    scores = [score_error(student.scores[m], teacher.scores[n - 1], mask) for m, n in enumerate(layer_map)]
    return {
        "embedding": hidden_error(project(student.hidden[0]), teacher.hidden[0], mask),
        "hidden": torch.stack(hidden).sum(),
        "attention": torch.stack(scores).sum(),
    }
