"""Labelled sentences, or sentences with labelled words -> length-bucketed batches of token ids, in an order that a seed and an epoch number fix."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
from tokenizers import Tokenizer
from torch import Tensor

from edgebench.models import spans
from edgebench.models.data import Labelled

UNLABELLED = -100  # a position without a label: PyTorch's cross entropy passes it over
POOL_BATCHES = 40  # sentences are sorted by length within pools of this many batches: little padding, still well mixed


@dataclass(frozen=True)
class Examples:
    """Tokenised sentences and their label numbers, in one order: one number for a sentence, one for each of its tokens, or those of
    another sentence's tokens."""

    ids: list[list[int]]
    labels: list[int] | list[list[int]]

    def __len__(self) -> int:
        return len(self.ids)

    def select(self, rows: Sequence[int]) -> Examples:
        return Examples([self.ids[row] for row in rows], [self.labels[row] for row in rows])  # type: ignore[arg-type]

    def __add__(self, other: Examples) -> Examples:
        return Examples(self.ids + other.ids, self.labels + other.labels)  # type: ignore[operator]

    def without_labels(self) -> Examples:
        """The same sentences, as ones with labelled words of which none is labelled."""
        return Examples(self.ids, [[UNLABELLED] * len(one) for one in self.ids])


@dataclass(frozen=True)
class Batch:
    """One padded batch; `rows` are the sentences' places in the Examples it came from."""

    rows: Tensor  # (B,) int64
    ids: Tensor  # (B, S) int64
    mask: Tensor  # (B, S) int64, 1 where real
    labels: Tensor  # (B,) int64, or (B, longest) with UNLABELLED where there is none


def tokenised(labelled: Labelled, tokenizer: Path, max_tokens: int) -> Examples:
    """The texts as the ids that the `tokenizer.json` gives, special tokens included, cut at `max_tokens`."""
    return Examples(encoded(labelled.texts, tokenizer, max_tokens), [int(label) for label in labelled.labels])


def encoded(texts: Sequence[str], tokenizer: Path, max_tokens: int) -> list[list[int]]:
    """Texts alone, likewise."""
    encoder = Tokenizer.from_file(str(tokenizer))
    encoder.no_padding()
    encoder.enable_truncation(max_tokens)
    return [one.ids for one in encoder.encode_batch_fast(list(texts))]


def tagged(labelled: Labelled, tokenizer: Path, max_tokens: int) -> Examples:
    """The texts as ids, and for the first token of each word the number of the tag that its place in the spans gives it.

    Words are the tokenizer's own, as they are when the net is used: spans that end within one take all of it.
    """
    encoder = Tokenizer.from_file(str(tokenizer))
    encoder.no_padding()
    encoder.enable_truncation(max_tokens)
    numbers = {name: number for number, name in enumerate(labelled.label_names)}
    encodings = encoder.encode_batch(list(labelled.texts))
    labels: list[list[int]] = []
    for encoding, reference in zip(encodings, labelled.references, strict=True):
        words = encoding.word_ids
        firsts = [at for at, word in enumerate(words) if word is not None and (at == 0 or word != words[at - 1])]
        lasts = [at for at, word in enumerate(words) if word is not None and (at + 1 == len(words) or word != words[at + 1])]
        places = [(encoding.offsets[first][0], encoding.offsets[last][1]) for first, last in zip(firsts, lasts, strict=True)]
        labels.append(row := [UNLABELLED] * len(encoding.ids))
        for first, tag in zip(firsts, spans.tags_of(places, spans.read(reference)), strict=True):
            row[first] = numbers[tag]
    return Examples([one.ids for one in encodings], labels)


def sentences(labelled: Labelled, tokenizer: Path, *, count: int, max_tokens: int, seed: int) -> Examples:
    """`count` random sentences out of longer texts, as ids; their labels are -1, for only a teacher says what they mean.

    A sentence ends at a full stop, question or exclamation mark before a blank. Those of fewer than four words, of more
    than `max_tokens` tokens, or met before are passed over.
    """
    encoder = Tokenizer.from_file(str(tokenizer))
    encoder.no_padding()
    encoder.no_truncation()
    texts = list(labelled.texts)
    Random(seed).shuffle(texts)
    found: dict[tuple[int, ...], None] = {}
    for text in texts:
        parts = [part for part in re.split(r"(?<=[.!?])\s+", re.sub(r"<[^>]+>", " ", text)) if len(part.split()) >= 4]
        found |= {tuple(one.ids): None for one in encoder.encode_batch_fast(parts) if len(one.ids) <= max_tokens}
        if len(found) >= count:
            break
    ids = [list(one) for one in found][:count]
    return Examples(ids, [-1] * len(ids))


def hold_out(examples: Examples, count: int, seed: int) -> tuple[Examples, Examples]:
    """Split off `count` random examples: what checkpoints are judged on, so that the reported set stays unseen."""
    if not 0 < count < len(examples):
        raise ValueError(f"cannot hold out {count} of {len(examples)} examples; give a count between")
    order = torch.randperm(len(examples), generator=torch.Generator().manual_seed(seed), device="cpu").tolist()
    return examples.select(order[count:]), examples.select(order[:count])


def collate(examples: Examples, rows: Sequence[int], pad: int = 0) -> Batch:
    """Pad the chosen rows to their longest."""
    picked = [examples.ids[row] for row in rows]
    longest = max(map(len, picked))
    ids = torch.tensor([one + [pad] * (longest - len(one)) for one in picked])
    mask = torch.tensor([[1] * len(one) + [0] * (longest - len(one)) for one in picked])
    labels = [examples.labels[row] for row in rows]
    longest = max((len(one) for one in labels if isinstance(one, list)), default=0)
    padded = [one + [UNLABELLED] * (longest - len(one)) if isinstance(one, list) else one for one in labels]
    return Batch(torch.tensor(rows), ids, mask, torch.tensor(padded))


def shuffled(examples: Examples, batch_size: int, *, seed: int, epoch: int) -> list[list[int]]:
    """The epoch's batches as lists of rows; the same for the same seed and epoch, so that a run resumes exactly."""
    generator = torch.Generator().manual_seed(seed * 1_000 + epoch)
    order = torch.randperm(len(examples), generator=generator, device="cpu").tolist()
    batches: list[list[int]] = []
    for start in range(0, len(order), batch_size * POOL_BATCHES):
        pool = sorted(order[start:start + batch_size * POOL_BATCHES], key=lambda row: len(examples.ids[row]))
        batches += [pool[at:at + batch_size] for at in range(0, len(pool), batch_size)]
    return [batches[at] for at in torch.randperm(len(batches), generator=generator, device="cpu").tolist()]


def in_order(examples: Examples, batch_size: int = 64) -> Iterator[Batch]:
    """Every example once, short ones first."""
    rows = sorted(range(len(examples)), key=lambda row: len(examples.ids[row]))
    for at in range(0, len(rows), batch_size):
        yield collate(examples, rows[at:at + batch_size])


def fingerprint(examples: Examples) -> str:
    """sha256 over ids and labels: two runs with the same value saw the same data."""
    digest = hashlib.sha256()
    for ids, label in zip(examples.ids, examples.labels, strict=True):
        digest.update(f"{','.join(map(str, label)) if isinstance(label, list) else label}:{','.join(map(str, ids))}\n".encode())
    return digest.hexdigest()
