"""Vocabulary trimming: the word pieces that a task's texts use, and a table and a tokenizer.json of those alone.

The table of words is two thirds of a TinyBERT. WordPiece takes the longest piece that fits, so a text whose pieces are all kept is cut into
the same pieces by the smaller vocabulary, and the net's answer is the same number. Single characters are kept too, so that a new word
falls apart into shorter pieces, as new words did before, and is not unknown.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import BertForSequenceClassification

from edgebench.errors import UsageError
from edgebench.train import nets

TABLES = ("bert.embeddings.word_embeddings.weight", "bert.embeddings.word_embeddings.0.weight")


def used(tokenizer: Path, texts: Iterable[str], *, at_least: int = 1) -> list[int]:
    """The ids to keep, ascending: pieces that occur `at_least` times in `texts`, single characters, and special tokens."""
    document = _document(tokenizer)
    encoder = Tokenizer.from_file(str(tokenizer))
    encoder.no_padding()
    encoder.no_truncation()
    counts: Counter[int] = Counter()
    for one in encoder.encode_batch_fast(list(texts)):
        counts.update(one.ids)
    prefix = document["model"]["continuing_subword_prefix"]
    kept = {piece for piece, count in counts.items() if count >= at_least}
    kept |= {at for piece, at in document["model"]["vocab"].items() if len(piece.removeprefix(prefix)) == 1}
    kept |= {one["id"] for one in document["added_tokens"]} | set(_special(document))
    kept |= {document["model"]["vocab"][piece] for piece in ("[PAD]", document["model"]["unk_token"]) if piece in document["model"]["vocab"]}
    return sorted(kept)


@torch.no_grad()
def trim(net: BertForSequenceClassification, kept: list[int]) -> BertForSequenceClassification:
    """`net` with the rows `kept` of its table of words, in that order."""
    weights = dict(net.state_dict())
    name = next(one for one in TABLES if one in weights)
    weights[name] = weights[name][torch.tensor(kept)].clone()
    return nets.reshaped(net, weights)


def write_tokenizer(source: Path, kept: list[int], path: Path) -> None:
    """The tokenizer of `source` with the pieces `kept`, numbered from 0 in that order, wherever it names a number."""
    document = _document(source)
    new = {old: place for place, old in enumerate(kept)}
    vocabulary = document["model"]["vocab"]
    document["model"]["vocab"] = {piece: new[at] for piece, at in sorted(vocabulary.items(), key=lambda item: item[1]) if at in new}
    for token in document["added_tokens"]:
        token["id"] = new[token["id"]]
    processor = document.get("post_processor") or {}
    for name in ("sep", "cls"):  # BertProcessing: ["[SEP]", 102]
        if name in processor:
            processor[name][1] = new[processor[name][1]]
    for token in processor.get("special_tokens", {}).values():  # TemplateProcessing
        token["ids"] = [new[at] for at in token["ids"]]
    if document.get("padding"):
        document["padding"]["pad_id"] = new[document["padding"]["pad_id"]]
    path.write_text(json.dumps(document, ensure_ascii=False))


def _special(document: dict[str, Any]) -> list[int]:
    """Ids that the tokenizer puts around a text."""
    processor = document.get("post_processor") or {}
    named = [processor[name][1] for name in ("sep", "cls") if name in processor]
    return named + [at for token in processor.get("special_tokens", {}).values() for at in token["ids"]]


def _document(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text())
    kind = document["model"].get("type", "WordPiece")
    if kind != "WordPiece":
        raise UsageError(f"{path.name} is a {kind} tokenizer; trimming is for WordPiece, which cuts a text the same way without the pieces it does not use")
    return document
