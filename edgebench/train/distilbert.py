"""DistilBERT (arXiv 1910.01108): half of the teacher's layers, then a masked language model that learns from text and teacher at once.

    student = start(teacher, LAYERS)                              # a BertForMaskedLM with some of the layers
    train(loss(student, teacher, ...), student, texts, schedule)  # the triple loss, as published: 5 soft, 2 masked words, 1 cosine

The student here keeps BERT's token types, which the published one drops (2 x 768 numbers), so that it loads wherever a BERT does.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertForMaskedLM

from edgebench.train.data import Batch
from edgebench.train.loop import Loss

LAYERS = (0, 2, 4, 7, 9, 11)  # of 12, counted from 0: not quite every other one
TEMPERATURE = 2.0
WEIGHTS = (5.0, 2.0, 1.0)  # soft targets, masked words, cosine
IGNORED = -100  # a position whose word is not asked for


def start(teacher: BertForMaskedLM, layers: Sequence[int] = LAYERS) -> BertForMaskedLM:
    """A student with those of the teacher's layers, counted from 0, its embeddings and its output layer."""
    depth = teacher.config.num_hidden_layers
    if not layers or not all(0 <= one < depth for one in layers):
        raise ValueError(f"layers are {', '.join(map(str, layers)) or 'none'}; the teacher has 0 to {depth - 1}")
    config = BertConfig.from_dict({**teacher.config.to_dict(), "num_hidden_layers": len(layers)})
    student = BertForMaskedLM(config)
    weights = teacher.state_dict()
    kept = {name: tensor for name, tensor in weights.items() if not name.startswith("bert.encoder.layer.")}
    for new, old in enumerate(layers):
        prefix = f"bert.encoder.layer.{old}."
        kept |= {f"bert.encoder.layer.{new}.{name.removeprefix(prefix)}": tensor for name, tensor in weights.items() if name.startswith(prefix)}
    student.load_state_dict(kept)
    return student


def mask_words(ids: Tensor, real: Tensor, *, mask_id: int, vocabulary: int, special: Sequence[int], share: float = 0.15) -> tuple[Tensor, Tensor]:
    """BERT's masking of (B, S) ids: (ids to read, words to find, `IGNORED` elsewhere).

    Of the chosen `share`, eight in ten become [MASK], one a random word, one stays. Special tokens and padding are never chosen.
    """
    may = real.bool() & ~torch.isin(ids, torch.tensor(list(special)))
    chosen = may & (torch.rand(ids.shape) < share)
    wanted = torch.where(chosen, ids, torch.full_like(ids, IGNORED))
    lot = torch.rand(ids.shape)
    read = torch.where(chosen & (lot < 0.8), torch.full_like(ids, mask_id), ids)
    return torch.where(chosen & (lot >= 0.9), torch.randint(0, vocabulary, ids.shape), read), wanted


def triple(
    student: tuple[Tensor, Tensor], teacher: tuple[Tensor, Tensor], wanted: Tensor, real: Tensor, *, temperature: float = TEMPERATURE,
) -> dict[str, Tensor]:
    """The three terms for (logits, last hidden states) of both, over real positions; `wanted` are (B, S) words or `IGNORED`.

    Kullback-Leibler divergence at `temperature`, times its square, in the mean over positions; cross entropy of the masked words; one minus the
    cosine of the hidden states. Each is weighted as published.
    """
    rows = real.bool()
    mine, theirs = student[0][rows], teacher[0][rows]  # (positions, V)
    soft = nn.functional.kl_div(
        torch.log_softmax(mine / temperature, -1), torch.log_softmax(theirs / temperature, -1), reduction="batchmean", log_target=True,
    ) * temperature**2
    words = nn.functional.cross_entropy(student[0].flatten(0, 1), wanted.flatten(), ignore_index=IGNORED, reduction="sum")
    cosine = (1.0 - nn.functional.cosine_similarity(student[1][rows], teacher[1][rows], dim=-1)).mean()
    asked = (wanted != IGNORED).sum().clamp_min(1)  # a batch in which no word was chosen has no such term
    return {"soft": WEIGHTS[0] * soft, "masked_words": WEIGHTS[1] * words / asked, "cosine": WEIGHTS[2] * cosine}


def loss(student: BertForMaskedLM, teacher: BertForMaskedLM, *, mask_id: int, special: Sequence[int], share: float = 0.15) -> Loss:
    """For the one loop: masks are drawn anew for every batch (dynamic masking), and both read the same masked ids."""
    teacher.eval().requires_grad_(False)
    vocabulary = teacher.config.vocab_size

    def terms(batch: Batch) -> dict[str, Tensor]:
        read, wanted = mask_words(batch.ids, batch.mask, mask_id=mask_id, vocabulary=vocabulary, special=special, share=share)
        mine = student(input_ids=read, attention_mask=batch.mask, output_hidden_states=True)
        with torch.no_grad():
            theirs = teacher(input_ids=read, attention_mask=batch.mask, output_hidden_states=True)
        return triple((mine.logits, mine.hidden_states[-1]), (theirs.logits, theirs.hidden_states[-1]), wanted, batch.mask)

    return terms


def task_triple(
    student: tuple[Tensor, Tensor], teacher: tuple[Tensor, Tensor], labels: Tensor, real: Tensor, *, temperature: float = TEMPERATURE, soft: float = 0.7,
) -> dict[str, Tensor]:
    """The same for a classifier: (B, C) logits and (B, S, d) last hidden states, labels in the place of masked words; `soft` of the weight is the teacher's."""
    divergence = nn.functional.kl_div(
        torch.log_softmax(student[0] / temperature, -1), torch.log_softmax(teacher[0] / temperature, -1), reduction="batchmean", log_target=True,
    ) * temperature**2
    rows = real.bool()
    cosine = (1.0 - nn.functional.cosine_similarity(student[1][rows], teacher[1][rows], dim=-1)).mean()
    return {"soft": soft * divergence, "cross_entropy": (1.0 - soft) * nn.functional.cross_entropy(student[0], labels), "cosine": cosine}
