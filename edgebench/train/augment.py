"""TinyBERT's data augmentation (arXiv 1909.10351): sentences like those there are, for the student to imitate its teacher on.

For each word that may be replaced, once: candidates. A word of one piece gets the masked language model's likeliest pieces in its
place, with the whole sentence as a second segment; a word of several pieces gets the nearest words by cosine. Then, `copies` times: each such word
is replaced by a random candidate of its own with probability `chance`. A sentence met before is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from random import Random

import numpy as np
import torch
from tokenizers import Tokenizer, pre_tokenizers
from torch import Tensor, nn

from edgebench.errors import CardError, MissingError

Candidates = Callable[[Sequence[str]], list[list[str]]]  # words -> for each word what may stand there; nothing where it stays

# words that carry the grammar and not the matter; a sentence without its own would be another sentence
GRAMMAR = """
a about above after again against all am an and any are as at be because been before being below between both but by can could did do does
doing down during each few for from further had has have having he her here hers herself him himself his how i if in into is it its itself
just me more most my myself no nor not now of off on once only or other our ours ourselves out over own same she should so some such than
that the their theirs them themselves then there these they this those through to too under until up very was we were what when where which
while who whom why will with would you your yours yourself yourselves
"""
STOP_WORDS = frozenset(GRAMMAR.split())


@dataclass(frozen=True)
class Vectors:
    """Words and their unit vectors (n, width)."""

    words: tuple[str, ...]
    matrix: Tensor

    @cached_property
    def places(self) -> dict[str, int]:
        return {word: at for at, word in enumerate(self.words)}

    def nearest(self, word: str, count: int) -> list[str]:
        """The `count` words of largest cosine, without the word itself; none for a word that is not known."""
        if word not in self.places:
            return []
        order = (self.matrix @ self.matrix[self.places[word]]).topk(min(count + 1, len(self.words))).indices.tolist()
        return [self.words[at] for at in order if self.words[at] != word][:count]


def read_vectors(folder: Path, *, most: int = 100_000) -> Vectors:
    """The first `most` words (as published) of a folder of word vectors: `vectors.npy` (n, width) and `words.parquet`, a column of words."""
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise MissingError("reading word vectors needs pyarrow, which is not installed; install edgebench[frame]") from error
    table = parquet.read_table(folder / "words.parquet")
    words = table.column(0).to_pylist()[:most]
    matrix = torch.from_numpy(np.load(folder / "vectors.npy", mmap_mode="r")[:most].astype(np.float32))
    if len(words) != len(matrix) or not words or not isinstance(words[0], str):
        raise CardError(f"{folder} has {len(matrix)} vectors and {len(words)} words; expected one word for each vector")
    return Vectors(tuple(words), nn.functional.normalize(matrix, dim=1))


def read_masked_lm(folder: Path) -> nn.Module:
    """The masked language model in a folder of weights, for `published`."""
    from transformers import BertForMaskedLM

    net: nn.Module = BertForMaskedLM.from_pretrained(folder)
    return net.eval()


def augmented(texts: Iterable[str], candidates: Candidates, *, copies: int = 20, chance: float = 0.4, seed: int = 0) -> list[str]:
    """Up to `copies` new sentences of each text, which is not among them; words are lower-cased and set apart by blanks, as WordPiece cuts them."""
    if not 0 < chance <= 1 or copies < 0:
        raise ValueError(f"chance is {chance}, copies {copies}; expected more than 0 and at most 1, and no less than 0")
    random = Random(seed)
    made: list[str] = []
    for text in texts:
        words = split_words(text)
        choices = candidates(words)
        seen = {tuple(words)}
        for _ in range(copies):
            copy = tuple(random.choice(some) if some and random.random() < chance else word for word, some in zip(words, choices, strict=True))
            if copy not in seen:
                seen.add(copy)
                made.append(" ".join(copy))
    return made


def split_words(text: str) -> list[str]:
    """Words and punctuation marks, lower-cased, as BERT's first step cuts them."""
    return [word for word, _ in pre_tokenizers.BertPreTokenizer().pre_tokenize_str(text.lower())]


def replaceable(word: str) -> bool:
    """Of letters alone, and no stop word."""
    return word.isalpha() and word not in STOP_WORDS


def published(net: nn.Module | None, tokenizer: Path, vectors: Vectors | None, *, count: int = 15) -> Candidates:
    """The published rule: `net`, a masked language model, for words of one piece, `vectors` for the others. Without a model the vectors are
    for all words, without vectors words of several pieces stay.

    `net(input_ids, attention_mask, token_type_ids).logits` is (B, S, V); `count` is the paper's K.
    """
    encoder = Tokenizer.from_file(str(tokenizer))
    encoder.no_padding()
    encoder.no_truncation()
    unknown = encoder.token_to_id("[UNK]")
    nearest = cache(lambda word: vectors.nearest(word, count) if vectors else [])  # most words of a corpus are met again

    def candidates(words: Sequence[str]) -> list[list[str]]:
        pieces = [encoder.encode(word, add_special_tokens=False).ids for word in words]
        whole = [at for at, word in enumerate(words) if replaceable(word) and len(pieces[at]) == 1 and pieces[at] != [unknown]]
        found: list[list[str]] = [[] for _ in words]
        if net is not None and whole:
            for at, some in zip(whole, _predicted(net, encoder, pieces, whole, count), strict=True):
                found[at] = some
        for at, word in enumerate(words):
            if vectors is not None and replaceable(word) and (net is None or len(pieces[at]) > 1):
                found[at] = nearest(word)
        return found

    return candidates


@torch.no_grad()
def _predicted(net: nn.Module, encoder: Tokenizer, pieces: list[list[int]], whole: list[int], count: int) -> list[list[str]]:
    """For each place in `whole`, the likeliest whole pieces there: one row a place, [CLS] masked [SEP] sentence [SEP]."""
    net.eval()
    first, last, mask = (encoder.token_to_id(one) for one in ("[CLS]", "[SEP]", "[MASK]"))
    flat = [at for word in pieces for at in word]
    starts = [sum(len(word) for word in pieces[:at]) for at in whole]
    rows = [[first, *flat[:at], mask, *flat[at + 1:], last, *flat, last] for at in starts]
    kinds = [0] * (len(flat) + 2) + [1] * (len(flat) + 1)
    ids = torch.tensor(rows)
    logits = net(input_ids=ids, attention_mask=torch.ones_like(ids), token_type_ids=torch.tensor([kinds] * len(rows))).logits
    at_mask = logits[torch.arange(len(rows)), torch.tensor(starts) + 1]
    likeliest = at_mask.topk(min(count, at_mask.shape[-1])).indices.tolist()
    return [[word for one in row if (word := encoder.id_to_token(one) or "").isalpha()] for row in likeliest]
