"""Low rank: a matrix becomes two thin ones, W (out x in) ~ B (out x r) A (r x in), the table of words likewise.

The truncated singular value decomposition is the best such product for a unit input (Eckart and Young). With the inputs'
second moment C it is the decomposition of W C^(1/2), undone afterwards, that loses least on real inputs ("activation-aware").
Two products cost less than one only below the rank out*in/(out+in); `share` is a share of that.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from transformers import BertForSequenceClassification

from edgebench.train import nets
from edgebench.train.data import Batch
from edgebench.train.prune import encoder_maps

STEP = 8  # ranks are multiples of this
RIDGE = 1e-6  # of the mean second moment, so that directions never seen can be undone


def break_even(rows: int, columns: int) -> float:
    """The rank at which two factors hold as many weights as the matrix."""
    return rows * columns / (rows + columns)


@torch.no_grad()
def split(weight: Tensor, rank: int, moment: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """(out, r) and (r, in) whose product is nearest to (out, in) `weight`: on inputs with the (in, in) second moment, if one is given."""
    wide = weight.double()
    if moment is None:
        left, values, right = torch.linalg.svd(wide, full_matrices=False)
    else:
        root = _root(moment)
        left, values, right = torch.linalg.svd(wide @ root, full_matrices=False)
        right = torch.linalg.solve_triangular(root.T, right.T, upper=True).T
    half = values[:rank].sqrt()
    return (left[:, :rank] * half).to(weight.dtype), (half.unsqueeze(1) * right[:rank]).to(weight.dtype)


@torch.no_grad()
def factorize(
    net: BertForSequenceClassification, share: float, *, words: int | None = None, batches: Iterable[Batch] = (),
) -> BertForSequenceClassification:
    """`net` with every encoder matrix as two factors whose rank is `share` of break-even (1 leaves the matrices whole), and the
    table of words at rank `words`, if given.

    Factors suit the inputs of `batches`, if there are any.
    """
    if not 0 < share <= 1:
        raise ValueError(f"the share of the break-even rank is {share}; expected more than 0 and at most 1")
    moments, counts = _measure(net, batches)
    weights = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    for name, module in encoder_maps(net):
        rank = max(STEP, round(share * break_even(*module.weight.shape) / STEP) * STEP)
        if share < 1 and rank < min(module.weight.shape):
            _replace(weights, f"bert.encoder.{name}", *split(module.weight, rank, moments.get(name)))
    if words is not None:
        table = weights["bert.embeddings.word_embeddings.weight"]
        if not 0 < words < table.shape[1]:
            raise ValueError(f"the rank of the table of words is {words}; expected 1 to {table.shape[1] - 1}")
        entries, channels = _split_table(table, words, counts)
        del weights["bert.embeddings.word_embeddings.weight"]
        weights["bert.embeddings.word_embeddings.0.weight"], weights["bert.embeddings.word_embeddings.1.weight"] = entries, channels
    return nets.reshaped(net, weights)


def _replace(weights: dict[str, Tensor], name: str, outer: Tensor, inner: Tensor) -> None:
    del weights[f"{name}.weight"]
    weights[f"{name}.0.weight"], weights[f"{name}.1.weight"] = inner.contiguous(), outer.contiguous()
    if (bias := weights.pop(f"{name}.bias", None)) is not None:
        weights[f"{name}.1.bias"] = bias


def _split_table(table: Tensor, rank: int, counts: Tensor | None) -> tuple[Tensor, Tensor]:
    """(V, r) and (d, r): entries and the map that makes channels of them; words seen often count more, those never seen as one."""
    often = torch.ones(len(table)) if counts is None else counts + 1.0
    _, inner = split(table * often.sqrt().unsqueeze(1), rank)  # the row space that serves the weighted rows best
    basis = torch.linalg.qr(inner.double().T).Q  # (d, r), orthonormal
    return (table.double() @ basis).to(table.dtype).contiguous(), basis.to(table.dtype).contiguous()


def _root(moment: Tensor) -> Tensor:
    """Lower triangular L with L L^T = moment, a little away from singular."""
    moment = moment.double()
    return torch.linalg.cholesky(moment + RIDGE * moment.diagonal().mean() * torch.eye(len(moment), dtype=torch.float64))


def _measure(net: BertForSequenceClassification, batches: Iterable[Batch]) -> tuple[dict[str, Tensor], Tensor | None]:
    """Each encoder map's (in, in) second moment over real positions, and how often each word occurs."""
    moments: dict[str, Tensor] = {}
    counts: Tensor | None = None
    real = torch.empty(0, dtype=torch.bool)

    def keep(name: str) -> object:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            rows = inputs[0][real].double()
            moments[name] = moments.get(name, torch.zeros(())) + rows.T @ rows

        return hook

    net.eval()
    hooks = [module.register_forward_pre_hook(keep(name)) for name, module in encoder_maps(net)]
    try:
        for batch in batches:
            real = batch.mask.bool()
            net(input_ids=batch.ids, attention_mask=batch.mask)
            seen = torch.bincount(batch.ids[real], minlength=net.config.vocab_size).float()
            counts = seen if counts is None else counts + seen
    finally:
        for hook in hooks:
            hook.remove()
    return moments, counts
