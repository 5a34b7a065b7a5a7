"""A narrower, shallower BERT cut out of a fine-tuned one: the start of a student when no general distillation can be paid for.

TinyBERT starts its students from a general distillation over billions of words. Here the student inherits instead:

* layers: those named;
* hidden channels, FFN neurons: the ones with the largest activation energy times outgoing weight, so LayerNorm gains stay valid;
* heads: narrowed by the best low-rank approximation of each head's query-key and value-output products on real inputs
  (a singular value decomposition weighted by the inputs' second moment), which keeps all heads, as the attention loss needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from edgebench.train.nets import HEADS, Net, build


@torch.no_grad()
def shrink(
    teacher: Net, batches: Iterable[tuple[Tensor, Tensor]], *, layers: Sequence[int], hidden: int, ffn: int, dropout: float
) -> Net:
    """A student with `len(layers)` layers (teacher layers, 1-based), `hidden` channels and `ffn` neurons a layer.

    `batches` are (input_ids, mask) pairs, a few hundred sentences, on which activations are measured.
    """
    teacher.eval()
    moments, channel_energy, neuron_energy = _measure(teacher, batches)
    keep = _largest(channel_energy, hidden)
    config = teacher.config
    heads, labels, vocab = config.num_attention_heads, config.num_labels, config.vocab_size
    student = build(layers=len(layers), hidden=hidden, heads=heads, ffn=ffn, labels=labels, dropout=dropout, vocab=vocab, task=_task(teacher))
    source, target = teacher.bert, student.bert
    for name in ("word_embeddings", "position_embeddings", "token_type_embeddings"):
        getattr(target.embeddings, name).weight.copy_(getattr(source.embeddings, name).weight[:, keep])
    _copy_norm(source.embeddings.LayerNorm, target.embeddings.LayerNorm, keep)
    for index, one_based in enumerate(layers):
        old, new = source.encoder.layer[one_based - 1], target.encoder.layer[index]
        _cut_attention(old.attention, new.attention, keep, moments[one_based - 1])
        neurons = _largest(neuron_energy[one_based - 1] * old.output.dense.weight[keep].pow(2).sum(0), ffn)
        new.intermediate.dense.weight.copy_(old.intermediate.dense.weight[neurons][:, keep])
        new.intermediate.dense.bias.copy_(old.intermediate.dense.bias[neurons])
        new.output.dense.weight.copy_(old.output.dense.weight[keep][:, neurons])
        new.output.dense.bias.copy_(old.output.dense.bias[keep])
        _copy_norm(old.output.LayerNorm, new.output.LayerNorm, keep)
    if target.pooler is not None:  # the pooled vector keeps the same channels, so the head can be inherited too
        target.pooler.dense.weight.copy_(source.pooler.dense.weight[keep][:, keep])
        target.pooler.dense.bias.copy_(source.pooler.dense.bias[keep])
    student.classifier.weight.copy_(teacher.classifier.weight[:, keep])
    student.classifier.bias.copy_(teacher.classifier.bias)
    return student


@torch.no_grad()
def fit_projection(student: Tensor, teacher: Tensor, *, ridge: float = 1e-3) -> torch.nn.Linear:
    """The least-squares map from (n, d') student states to (n, d) teacher states, as a Linear layer."""
    inputs = torch.cat([student, torch.ones(len(student), 1)], dim=1).double()
    gram = inputs.T @ inputs / len(inputs)
    solution = torch.linalg.solve(gram + ridge * torch.eye(len(gram), dtype=torch.float64), inputs.T @ teacher.double() / len(inputs))
    layer = torch.nn.Linear(student.shape[1], teacher.shape[1])
    layer.weight.copy_(solution[:-1].T)
    layer.bias.copy_(solution[-1])
    return layer


def _task(net: Net) -> str:
    return next(task for task, head in HEADS.items() if isinstance(net, head))


def _measure(teacher: Net, batches: Iterable[tuple[Tensor, Tensor]]) -> tuple[list[Tensor], Tensor, list[Tensor]]:
    """Each layer's input second moment with a constant 1 appended, the channels' energy, each layer's neuron energy."""
    depth, width = teacher.config.num_hidden_layers, teacher.config.hidden_size
    moments = [torch.zeros(width + 1, width + 1, dtype=torch.float64) for _ in range(depth)]
    neurons = [torch.zeros(teacher.config.intermediate_size) for _ in range(depth)]
    channels, count = torch.zeros(width), 0
    seen: dict[int, Tensor] = {}
    hooks = [
        layer.intermediate.register_forward_hook(lambda _m, _i, out, at=index: seen.__setitem__(at, out))
        for index, layer in enumerate(teacher.bert.encoder.layer)
    ]
    for input_ids, mask in batches:
        states = teacher.bert(input_ids=input_ids, attention_mask=mask, output_hidden_states=True).hidden_states
        real = mask.bool()
        count += int(real.sum())
        for index in range(depth):
            inputs = torch.cat([states[index][real], torch.ones(int(real.sum()), 1)], dim=1).double()
            moments[index] += inputs.T @ inputs
            channels += states[index][real].var(0) * int(real.sum())
            neurons[index] += seen[index][real].pow(2).sum(0)
    for hook in hooks:
        hook.remove()
    outgoing = torch.stack([
        torch.cat([layer.attention.self.query.weight, layer.attention.self.key.weight, layer.attention.self.value.weight,
                   layer.intermediate.dense.weight]).pow(2).sum(0)
        for layer in teacher.bert.encoder.layer
    ]).sum(0)
    return [moment / count for moment in moments], channels * outgoing, neurons


def _largest(energy: Tensor, count: int) -> Tensor:
    return energy.topk(count).indices.sort().values


def _copy_norm(old: torch.nn.LayerNorm, new: torch.nn.LayerNorm, keep: Tensor) -> None:
    new.weight.copy_(old.weight[keep])
    new.bias.copy_(old.bias[keep])


def _cut_attention(old: torch.nn.Module, new: torch.nn.Module, keep: Tensor, moment: Tensor) -> None:
    """Narrow every head to the new width, keeping its products best on inputs with this second moment."""
    heads = old.self.num_attention_heads
    wide, narrow = old.self.attention_head_size, new.self.attention_head_size
    with_one = torch.cat([keep, torch.tensor([moment.shape[0] - 1])])
    moment = moment[with_one][:, with_one]
    root = torch.linalg.cholesky(moment + 1e-6 * moment.diagonal().mean() * torch.eye(len(moment), dtype=torch.float64))
    out_weight = old.output.dense.weight.double()[keep]
    for head in range(heads):
        rows, cut = slice(head * wide, (head + 1) * wide), slice(head * narrow, (head + 1) * narrow)
        query, key, value = (_rows_with_bias(getattr(old.self, name), rows, keep) for name in ("query", "key", "value"))
        # scores are divided by sqrt(head width), so the product must carry the ratio of the two widths
        left, values, right = torch.linalg.svd(root.T @ query.T @ key @ root * (narrow / wide) ** 0.5)
        scale = values[:narrow].sqrt().unsqueeze(1)
        _set_rows(new.self.query, cut, scale * torch.linalg.solve_triangular(root.T, left[:, :narrow], upper=True).T)
        _set_rows(new.self.key, cut, scale * torch.linalg.solve_triangular(root.T, right[:narrow].T, upper=True).T)
        left, values, right = torch.linalg.svd(out_weight[:, rows] @ value @ root, full_matrices=False)
        _set_rows(new.self.value, cut, torch.linalg.solve_triangular(root.T, (values[:narrow].unsqueeze(1) * right[:narrow]).T, upper=True).T)
        new.output.dense.weight[:, cut] = left[:, :narrow].float()
    new.output.dense.bias.copy_(old.output.dense.bias[keep])
    _copy_norm(old.output.LayerNorm, new.output.LayerNorm, keep)


def _rows_with_bias(linear: torch.nn.Linear, rows: slice, keep: Tensor) -> Tensor:
    return torch.cat([linear.weight[rows][:, keep], linear.bias[rows].unsqueeze(1)], dim=1).double()


def _set_rows(linear: torch.nn.Linear, rows: slice, weight_with_bias: Tensor) -> None:
    linear.weight[rows] = weight_with_bias[:, :-1].float()
    linear.bias[rows] = weight_with_bias[:, -1].float()
