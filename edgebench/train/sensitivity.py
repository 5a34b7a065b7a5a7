"""A classifier and labelled rows -> what it scores with one part of it rounded, thinned or left out, and all else as it was.

    for change in sensitivity(source, examples, about): ...

Rounding is simulated: weights lie on the symmetric steps that `edgebench.train.qat` trains for, activations stay as they are, so that
what is lost is the part's own. "all but" a part is the cure to the loss of "all": that part left in fp32. Heads and neurons are taken out by
`edgebench.train.prune`'s importance. Nothing is trained in between: what training wins back is another question.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import BertForSequenceClassification

from edgebench.change import Change
from edgebench.models import card as cards
from edgebench.models import data
from edgebench.models.card import Card
from edgebench.train import checkpoint, nets, prune
from edgebench.train.data import Batch, Examples, collate, fingerprint, hold_out, shuffled, tokenised
from edgebench.train.loop import predict_logits
from edgebench.train.qat import Rounded

BITS = (8, 4, 3, 2)
KEPT = (0.5, 0.25)  # of a layer's heads or neurons
IMPORTANCE = 32  # batches of 32 examples


@dataclass(frozen=True)
class About:
    """What every line says: the card's name, its file's digest, and which rows were answered."""

    model: str
    sha256: str
    dataset: str
    rows: str
    seed: int = 0


def of_card(
    card: Card, path: Path, *, held_out: int, seed: int, folder: Path | None = None, offline: bool = True, known: Iterable[Change] = (),
) -> Iterator[Change]:
    """Of the card at `path`, on `held_out` rows of its training set drawn by `seed` (a recipe's own, if `seed` is the recipe's), chosen by
    importance on others of it. UnsupportedError where the net cannot be read back out of its file."""
    source = checkpoint.read_card(card, path)
    labelled = data.load(cards.dataset_of(card, path), "train", folder=folder, offline=offline)
    training, rows = hold_out(tokenised(labelled, source.tokenizer, source.max_tokens), held_out, seed)
    batches = [collate(training, picked) for picked in shuffled(training, 32, seed=seed, epoch=0)[:IMPORTANCE]]
    about = About(card.name, card.variant("onnx", "fp32").sha256, labelled.name, f"{held_out:,} training rows held out by seed {seed}", seed)
    return sensitivity(source.net, rows, about, measured=batches, known=known)


def parts(net: BertForSequenceClassification) -> dict[str, list[str]]:
    """Each part's name -> the modules whose weights it has."""
    found = {"words": ["bert.embeddings.word_embeddings"]}
    for at in range(len(net.bert.encoder.layer)):
        layer = f"bert.encoder.layer.{at}"
        found[f"layer {at + 1} attention"] = [f"{layer}.attention.{one}" for one in ("self.query", "self.key", "self.value", "output.dense")]
        found[f"layer {at + 1} feed-forward"] = [f"{layer}.intermediate.dense", f"{layer}.output.dense"]
    found["head"] = ["bert.pooler.dense", "classifier"]
    return found


def sensitivity(
    net: BertForSequenceClassification, examples: Examples, about: About, *, measured: Iterable[Batch] = (), bits: Iterable[int] = BITS,
    kept: Iterable[float] = KEPT, known: Iterable[Change] = (),
) -> Iterator[Change]:
    """One line for each change, the net as it was first; those whose key is among `known` are not computed again.

    `measured` are labelled batches, not of `examples`, by which heads and neurons are chosen; without any, only layers are left out.
    """
    net.eval()
    labels, digest = torch.tensor(examples.labels), fingerprint(examples)
    done = {one.key for one in known}
    whole = predict_logits(net, examples).argmax(1)

    def line(kind: Any, part: str, amount: float, parameters: int, changed: Any) -> Iterator[Change]:
        one = Change(
            model=about.model, sha256=about.sha256, kind=kind, part=part, amount=amount, dataset=about.dataset, rows=about.rows, rows_sha256=digest,
            n=len(labels), right=0, lost=0, won=0, agreement=0.0, parameters=parameters, seed=about.seed, started_at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        )
        if one.key not in done:
            yield _counted(one, predict_logits(changed(), examples).argmax(1), whole, labels)

    yield from line("none", "all", 0, nets.parameter_count(net), lambda: net)
    yield from _rounding(net, bits, line)
    yield from _thinning(net, measured, kept, line)


def _counted(one: Change, answers: Tensor, whole: Tensor, labels: Tensor) -> Change:
    import msgspec

    was, now = whole == labels, answers == labels
    return msgspec.structs.replace(
        one, right=int(now.sum()), lost=int((was & ~now).sum()), won=int((~was & now).sum()), agreement=(answers == whole).float().mean().item(),
    )


def _rounding(net: BertForSequenceClassification, bits: Iterable[int], line: Any) -> Iterator[Change]:
    every = parts(net)
    names = [name for modules in every.values() for name in modules]
    for width in bits:
        yield from line("bits", "all", width, _size(net, names), lambda width=width: rounded(net, names, width))
        for part, modules in every.items():
            yield from line("bits", part, width, _size(net, modules), lambda modules=modules, width=width: rounded(net, modules, width))
            rest = [name for name in names if name not in modules]
            yield from line("bits", f"all but {part}", width, _size(net, rest), lambda rest=rest, width=width: rounded(net, rest, width))


@torch.no_grad()
def rounded(net: BertForSequenceClassification, modules: Iterable[str], bits: int) -> BertForSequenceClassification:
    """A copy whose named modules' weights lie on the steps of `bits`: of a matrix one for each output, of the table of words one for each
    channel at 8 bits and for each word below."""
    copy = nets.reshaped(net, net.state_dict()).eval()
    for name in modules:
        module = copy.get_submodule(name)
        dim = 1 if isinstance(module, nn.Embedding) and bits == 8 else 0
        module.weight.copy_(Rounded(bits, dim)(module.weight))
    return copy


def _thinning(net: BertForSequenceClassification, measured: Iterable[Batch], kept: Iterable[float], line: Any) -> Iterator[Change]:
    depth, batches = len(net.bert.encoder.layer), list(measured)
    importance = prune.importance(net, batches) if batches else None
    for at in range(depth) if depth > 1 else ():
        rest = [one for one in range(depth) if one != at]
        size = sum(one.numel() for one in net.bert.encoder.layer[at].parameters())
        yield from line("layer", f"layer {at + 1}", 0, size, lambda rest=rest: prune.keep_layers(net, rest))
    if importance is None:
        return
    for share in kept:
        for at in (*range(depth), None):
            for kind in ("heads", "neurons"):
                part = "all" if at is None else f"layer {at + 1}"
                smaller = prune.cut(net, _chosen(importance, at, kind, share))
                gone = nets.parameter_count(net) - nets.parameter_count(smaller)
                yield from line(kind, part, share, gone, lambda smaller=smaller: smaller)


def _chosen(importance: prune.Importance, at: int | None, kind: str, share: float) -> prune.Kept:
    """All heads and neurons, but of layer `at` (None: of each) only the most important share of `kind`."""
    some = prune.choose(importance, heads=share if kind == "heads" else 1.0, neurons=share if kind == "neurons" else 1.0)
    every = prune.choose(importance, heads=1.0, neurons=1.0)
    pick = lambda mine, whole: [one if at in (None, place) else other for place, (one, other) in enumerate(zip(mine, whole, strict=True))]  # noqa: E731
    return prune.Kept(pick(some.heads, every.heads), pick(some.neurons, every.neurons))


def _size(net: nn.Module, names: Iterable[str]) -> int:
    return sum(net.get_submodule(name).weight.numel() for name in names)
