"""BERT encoders with a head that classifies a text or each of its tokens, built and loaded through `transformers`.

The architectures are that library's own. What is added is what distillation needs and it does not return: the attention
scores *before* the softmax (its `output_attentions` are probabilities after it).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    BertConfig,
    BertForSequenceClassification,
    BertForTokenClassification,
)
from transformers.masking_utils import eager_mask

Net: TypeAlias = BertForSequenceClassification | BertForTokenClassification
HEADS: dict[str, type[Net]] = {"text-classification": BertForSequenceClassification, "token-classification": BertForTokenClassification}


@dataclass(frozen=True)
class Traced:
    """What one forward pass of a classifier leaves behind.

    `hidden` has one entry more than `scores`: entry 0 is the embedding output, after its LayerNorm.
    """

    logits: Tensor  # (B, C), or (B, S, C) of a token classifier
    hidden: tuple[Tensor, ...]  # each (B, S, width)
    scores: tuple[Tensor, ...]  # each (B, heads, S, S), scaled, without the mask


def _attention_keeping_scores(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None,
    scaling: float | None = None, dropout: float = 0.0, **_: Any,
) -> tuple[Tensor, Tensor]:
    """Plain attention that leaves its pre-softmax scores on the module, for `trace` to pick up."""
    scores = query @ key.transpose(-1, -2) * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    module.scores = scores
    weights = torch.softmax(scores if attention_mask is None else scores + attention_mask, dim=-1)
    weights = nn.functional.dropout(weights, dropout, module.training)
    return (weights @ value).transpose(1, 2).contiguous(), weights


AttentionInterface.register("edgebench_scores", _attention_keeping_scores)
AttentionMaskInterface.register("edgebench_scores", eager_mask)  # without a mask of its own name an attention gets none at all


def build(
    *, layers: int, hidden: int, heads: int, ffn: int, labels: int, dropout: float = 0.1, vocab: int = 30_522, task: str = "text-classification"
) -> Net:
    """A BERT classifier for `task`, with random weights."""
    config = BertConfig(
        vocab_size=vocab, num_hidden_layers=layers, hidden_size=hidden, num_attention_heads=heads, intermediate_size=ffn,
        num_labels=labels, hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout,
    )
    config._attn_implementation = "edgebench_scores"
    return HEADS[task](config)


def load_pretrained(folder: Path, *, labels: int, task: str = "text-classification") -> Net:
    """The encoder in `folder` (`config.json`, and `model.safetensors` or `model.onnx`) under a fresh classification head.

    A checkpoint without a pooler leaves that as fresh as the head.
    """
    shape = json.loads((folder / "config.json").read_text())
    net = build(
        layers=shape["num_hidden_layers"], hidden=shape["hidden_size"], heads=shape["num_attention_heads"],
        ffn=shape["intermediate_size"], labels=labels, vocab=shape["vocab_size"], task=task,
    )
    found = _from_onnx(folder / "model.onnx") if (folder / "model.onnx").exists() else _from_safetensors(folder / "model.safetensors")
    missing = [name for name in net.bert.load_state_dict(found, strict=False).missing_keys if not name.startswith("pooler.")]
    if missing:
        raise ValueError(f"{folder} lacks {len(missing)} of the encoder's tensors, first {missing[0]!r}; expected a BERT checkpoint")
    return net


def like(weights: dict[str, Tensor], *, head_width: int, dropout: float = 0.1, norm_eps: float = 1e-12) -> BertForSequenceClassification:
    """A net of the shape that `weights` (a classifier's state dict) have, holding them.

    Layers may differ in their heads, each `head_width` wide, and in their neurons; a map or the table of words may be two
    factors (`query.0.weight`, `query.1.weight`), as `edgebench.train.factorize` leaves them.
    """
    table = weights.get("bert.embeddings.word_embeddings.weight", weights.get("bert.embeddings.word_embeddings.0.weight"))
    depth = 1 + max((int(name.split(".")[3]) for name in weights if name.startswith("bert.encoder.layer.")), default=-1)
    hidden = weights["bert.embeddings.LayerNorm.weight"].shape[0]
    if table is None or not depth or hidden % head_width:
        raise ValueError(f"{depth} layers of {hidden} channels in heads of {head_width} are no BERT classifier; expected its whole state dict")
    config = BertConfig(
        vocab_size=len(table), num_hidden_layers=depth, hidden_size=hidden, num_attention_heads=hidden // head_width, intermediate_size=1,
        num_labels=weights["classifier.weight"].shape[0], max_position_embeddings=weights["bert.embeddings.position_embeddings.weight"].shape[0],
        type_vocab_size=weights["bert.embeddings.token_type_embeddings.weight"].shape[0],
        hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout, layer_norm_eps=norm_eps,
    )
    config._attn_implementation = "edgebench_scores"
    net = BertForSequenceClassification(config)
    for name, module in list(net.named_modules()):
        if isinstance(module, nn.Linear | nn.Embedding):
            net.set_submodule(name, _shaped(module, name, weights))
    for layer in net.bert.encoder.layer:
        attention = layer.attention.self
        attention.all_head_size = width_of(attention.query)
        attention.num_attention_heads = attention.all_head_size // head_width
    config.intermediate_size = max(width_of(layer.intermediate.dense) for layer in net.bert.encoder.layer)
    net.load_state_dict(weights)
    return net


def reshaped(net: BertForSequenceClassification, weights: dict[str, Tensor]) -> BertForSequenceClassification:
    """A net like `net` in everything that its tensors do not say, with `weights`, a state dict in whatever shape.

    With `net`'s own it is a copy; `copy.deepcopy` refuses a net whose attentions hold the scores of a forward pass.
    """
    config = net.config
    made = like(weights, head_width=head_width(net), dropout=config.hidden_dropout_prob, norm_eps=config.layer_norm_eps)
    return made.train(net.training)


def width_of(module: nn.Module) -> int:
    """The outputs of a map, whether one Linear or two factors."""
    return (module[-1] if isinstance(module, nn.Sequential) else module).out_features


def head_width(net: BertForSequenceClassification) -> int:
    """Channels of each attention head."""
    return net.bert.encoder.layer[0].attention.self.attention_head_size


def trace(net: Net, input_ids: Tensor, attention_mask: Tensor) -> Traced:
    """Run `net` on (B, S) int64 ids and their 1/0 mask, keeping every hidden state and score."""
    out = net(input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=True)
    scores = tuple(layer.attention.self.scores for layer in net.bert.encoder.layer)
    return Traced(out.logits, tuple(out.hidden_states), scores)


def parameter_count(net: nn.Module) -> int:
    """Trainable and frozen parameters; a shared tensor counts once."""
    return sum(parameter.numel() for parameter in net.parameters())


def _shaped(module: nn.Linear | nn.Embedding, name: str, weights: dict[str, Tensor]) -> nn.Module:
    """`module`, or one of its kind in the shape of its weights; two factors where there are two."""
    if f"{name}.weight" in weights:
        rows, columns = weights[f"{name}.weight"].shape
        if isinstance(module, nn.Embedding):
            return nn.Embedding(rows, columns, padding_idx=module.padding_idx)
        return nn.Linear(columns, rows, bias=f"{name}.bias" in weights)
    first, second = weights[f"{name}.0.weight"], weights[f"{name}.1.weight"]
    words = isinstance(module, nn.Embedding)
    inner = nn.Embedding(*first.shape, padding_idx=module.padding_idx) if words else nn.Linear(first.shape[1], first.shape[0], bias=False)
    return nn.Sequential(inner, nn.Linear(second.shape[1], second.shape[0], bias=f"{name}.1.bias" in weights))


def _from_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return {name.removeprefix("bert."): tensor for name, tensor in load_file(path).items()}


def _from_onnx(path: Path) -> dict[str, Tensor]:
    """The weights of a graph that the tracing exporter wrote: parameters kept their names, but a transposed one is known
    only by its product's, `/encoder/layer.0/attention/self/query/MatMul`."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(path).graph
    found = {one.name: torch.from_numpy(numpy_helper.to_array(one).copy()) for one in graph.initializer}
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in found:
            name = node.name.strip("/").removesuffix("/MatMul").replace("/", ".")
            found[f"{name}.weight"] = found.pop(node.input[1]).T.contiguous()
    return found
