"""MobileBERT (arXiv 2004.02984): thin deep blocks between wide bottlenecks, taught layer by layer by a teacher of the same outer width.

    net = build(layers=6, hidden=128, inner=32, heads=4, labels=2)           # NoNorm and relu; layer_norm and gelu are its "without OPT"
    for layer in range(6): train(transfer_loss(net, teacher, layer), stage(net, layer), ...)   # progressive knowledge transfer
    encoder = from_tflite(path)                                              # the real 24 layers, out of a published int8 file

The architecture is `transformers`' own. Between blocks teacher and student are equally wide and have as many heads, so features and
attention compare without projections: that is the point of the design.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import MobileBertConfig, MobileBertForSequenceClassification, MobileBertModel

from edgebench.errors import CardError
from edgebench.train import nets
from edgebench.train.data import Batch
from edgebench.train.export import MASKED
from edgebench.train.loop import Loss

FEATURES, MEAN, VARIANCE, ATTENTION = 100.0, 5000.0, 5.0, 1.0  # the published weights of the four terms


class MobileBert(MobileBertForSequenceClassification):
    """The library's classifier, which also says how it is written to a file."""

    def exported(self) -> nn.Module:
        """(ids, mask) -> logits in plain operations, sharing the parameters."""
        return Plain(self)


def build(
    *, layers: int, hidden: int, inner: int, heads: int, labels: int, words: int = 128, ffn: int = 512, ffns: int = 4,
    vocab: int = 30_522, positions: int = 512, norm: str = "no_norm", activation: str = "relu", thin_attention: bool = False,
) -> MobileBert:
    """A classifier with random weights: `hidden` channels between blocks, `inner` within, `ffns` feed-forward nets of `ffn` neurons a block.

    `thin_attention` is TINY's: queries, keys and values all come out of one bottleneck. The teacher, IB-BERT, is a net of this kind with a wide
    `inner`, one `ffn`, norm "layer_norm" and activation "gelu".
    """
    config = MobileBertConfig(
        vocab_size=vocab, num_hidden_layers=layers, hidden_size=hidden, intra_bottleneck_size=inner, embedding_size=words, num_attention_heads=heads,
        intermediate_size=ffn, num_feedforward_networks=ffns, max_position_embeddings=positions, normalization_type=norm, hidden_act=activation,
        use_bottleneck_attention=thin_attention, key_query_shared_bottleneck=not thin_attention, classifier_activation=False, num_labels=labels,
    )
    config._attn_implementation = "edgebench_scores"
    return MobileBert(config)


def published(layers: int = 24, positions: int = 512) -> MobileBertModel:
    """An encoder of the published shape, with random weights."""
    return MobileBertModel(MobileBertConfig(num_hidden_layers=layers, max_position_embeddings=positions, classifier_activation=False), add_pooling_layer=True)


def classifier(encoder: MobileBertModel, labels: int) -> MobileBert:
    """A classifier around an encoder's weights, with a fresh head."""
    config = MobileBertConfig.from_dict({**encoder.config.to_dict(), "num_labels": labels})
    config._attn_implementation = "edgebench_scores"
    net = MobileBert(config)
    net.mobilebert.load_state_dict(encoder.state_dict(), strict=False)  # a classifier's encoder has the pooler, which does nothing here
    return net


def trace(net: MobileBert, input_ids: Tensor, attention_mask: Tensor) -> nets.Traced:
    """Logits, hidden states (the embedding output first) and pre-softmax scores of one forward pass."""
    out = net(input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=True)
    return nets.Traced(out.logits, tuple(out.hidden_states), tuple(layer.attention.self.scores for layer in net.mobilebert.encoder.layer))


def feature_transfer(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """How far (B, S, width) states are from the teacher's, over real positions: of the normalised states, of their means and variances.

    NoNorm has no statistics of its own, so a student must learn the scale that normalising takes away.
    """
    real = mask.to(student.dtype)
    width = student.shape[-1:]
    shape = (nn.functional.layer_norm(student, width) - nn.functional.layer_norm(teacher, width)).pow(2).mean(-1)
    mean = (student.mean(-1) - teacher.mean(-1)).pow(2)
    variance = (student.var(-1, unbiased=False) - teacher.var(-1, unbiased=False)).abs()
    return ((FEATURES * shape + MEAN * mean + VARIANCE * variance) * real).sum() / real.sum()


def attention_transfer(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Kullback-Leibler divergence of the teacher's attention from (B, heads, S, S) scores of both, in the mean over heads and real rows."""
    hidden = (1.0 - mask.to(student.dtype))[:, None, None, :] * MASKED
    mine, theirs = (torch.log_softmax(scores + hidden, dim=-1) for scores in (student, teacher))
    rows = (theirs.exp() * (theirs - mine)).sum(-1)  # (B, heads, S)
    real = mask.to(student.dtype)[:, None, :]
    return ATTENTION * (rows * real).sum() / (real.sum() * student.shape[1])


def transfer_loss(student: MobileBert, teacher: MobileBert, layers: Sequence[int]) -> Loss:
    """For the loop: feature and attention transfer of the blocks named (from 0), in the mean over them."""
    teacher.eval().requires_grad_(False)

    def loss(batch: Batch) -> dict[str, Tensor]:
        with torch.no_grad():
            theirs = trace(teacher, batch.ids, batch.mask)
        mine = trace(student, batch.ids, batch.mask)
        features = [feature_transfer(mine.hidden[at + 1], theirs.hidden[at + 1], batch.mask) for at in layers]
        attention = [attention_transfer(mine.scores[at], theirs.scores[at], batch.mask) for at in layers]
        return {"features": torch.stack(features).mean(), "attention": torch.stack(attention).mean()}

    return loss


def stage(student: MobileBert, layer: int) -> nn.Module:
    """The block that learns in this stage of progressive transfer; all others stand still. (The published code lets those below learn at a
    tenth of the rate; the loop has one rate.)"""
    student.requires_grad_(False)
    block: nn.Module = student.mobilebert.encoder.layer[layer]
    return block.requires_grad_(True)


@torch.no_grad()
def take_embeddings(student: MobileBert, teacher: MobileBert) -> None:
    """Students start with their teacher's embeddings."""
    student.mobilebert.embeddings.load_state_dict(teacher.mobilebert.embeddings.state_dict())


class Plain(nn.Module):
    """A MobileBert's forward pass in plain operations: (B, S) ids and their 1/0 mask -> (B, C) logits."""

    def __init__(self, net: MobileBert) -> None:
        super().__init__()
        table, config = net.mobilebert.embeddings, net.config
        self.words, self.widen, self.norm = table.word_embeddings, table.embedding_transformation, table.LayerNorm
        self.places = nn.Buffer((table.position_embeddings.weight + table.token_type_embeddings.weight[0]).detach().clone())
        self.layers, self.classifier = net.mobilebert.encoder.layer, net.classifier
        self.heads, self.thin = config.num_attention_heads, config.use_bottleneck_attention

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        words = self.words(input_ids)
        edge = torch.zeros_like(words[:, :1])
        threes = torch.cat([torch.cat([words[:, 1:], edge], 1), words, torch.cat([edge, words[:, :-1]], 1)], dim=2)  # the next, this one, the one before
        x = self.norm(self.widen(threes) + self.places[: input_ids.shape[1]])
        mask = ((1.0 - attention_mask.to(x.dtype)) * MASKED)[:, None, None, :]
        for layer in self.layers:
            x = self._block(layer, x, mask)
        logits: Tensor = self.classifier(x[:, 0])
        return logits

    def _block(self, layer: Any, x: Tensor, mask: Tensor) -> Tensor:
        attention, narrow = layer.attention.self, layer.bottleneck.input(x)
        asked, valued = (narrow, narrow) if self.thin else (layer.bottleneck.attention(x), x)
        query, key, value = (self._split(project(one)) for project, one in ((attention.query, asked), (attention.key, asked), (attention.value, valued)))
        weights = torch.softmax(query @ key.transpose(-1, -2) * attention.scaling + mask, dim=-1)
        mixed = (weights @ value).transpose(1, 2).reshape(narrow.shape)
        y = layer.attention.output.LayerNorm(layer.attention.output.dense(mixed) + narrow)
        for feed in (*getattr(layer, "ffn", ()), layer):
            neurons = feed.intermediate.intermediate_act_fn(feed.intermediate.dense(y))
            y = feed.output.LayerNorm(feed.output.dense(neurons) + y)
        wide = layer.output.bottleneck
        out: Tensor = wide.LayerNorm(wide.dense(y) + x)
        return out

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)


def from_tflite(path: Path) -> MobileBertModel:
    """The encoder inside a TFLite file that kept the original checkpoint's names, its int8 weights times their scales; it has as many
    positions as the file.

    The beta of an input bottleneck is not in the file: it only ever adds up with the bias of attention's output, so training moved both
    alike, and of two equal constants the converter kept one.
    """
    from ai_edge_litert import schema_py_generated as schema

    tree = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(path.read_bytes()), 0))
    found: dict[str, Tensor] = {}
    for tensor in tree.subgraphs[0].tensors:
        name, data = _name(tensor.name.decode()), tree.buffers[tensor.buffer].data
        if name and data is not None and len(data):
            found[name] = _values(tensor, data, schema)
    places = found.get("embeddings.position_embeddings.weight")
    if places is None or "embeddings.word_embeddings.weight" not in found:
        raise CardError(f"{path.name} holds no tensors with the names of a MobileBERT; expected a file that kept its checkpoint's")
    depth = 1 + max(int(name.split(".")[2]) for name in found if name.startswith("encoder.layer."))
    for layer in range(depth):
        found.setdefault(f"encoder.layer.{layer}.bottleneck.input.LayerNorm.bias", found[f"encoder.layer.{layer}.attention.output.dense.bias"])
    net = published(depth, len(places))
    missing = net.load_state_dict(found, strict=False).missing_keys
    if missing:
        raise CardError(f"{path.name} lacks {len(missing)} tensors of a MobileBERT, first {missing[0]!r}; expected the whole encoder")
    return net.eval()


def _name(written: str) -> str | None:
    """`module/bert/encoder/layer_3/ffn_layer_0/output/FakeLayerNorm/gamma` -> `encoder.layer.3.ffn.0.output.LayerNorm.weight`."""
    match = re.fullmatch(r"module(?:_apply_tokens)?/bert/((?:embeddings|encoder)/.*)", written.split(";")[0])
    if not match:
        return None
    if match[1] == "embeddings/Reshape_1":
        return "embeddings.position_embeddings.weight"
    name = re.sub(r"(ffn_)?layer_(\d+)", lambda one: f"{'ffn' if one[1] else 'layer'}/{one[2]}", match[1]).replace("FakeLayerNorm", "LayerNorm")
    name = re.sub(r"(/Tensordot)?/MatMul$", "/weight", name).replace("/gamma", "/weight").replace("/beta", "/bias")
    if name.endswith("_embeddings"):
        name += "/weight"
    return name.replace("/", ".") if name.endswith(("/weight", "/bias")) else None


def _values(tensor: Any, data: Any, schema: Any) -> Tensor:
    """As float32, in the tensor's shape; a leading 1 of positions is dropped."""
    raw = torch.from_numpy(data).contiguous()
    if tensor.type == schema.TensorType.INT8:
        scale = torch.from_numpy(tensor.quantization.scale).float()
        whole = raw.view(torch.int8).reshape(tuple(tensor.shape)).float()
        return whole * scale.reshape(-1, *[1] * (whole.ndim - 1))  # one scale, or one for each row
    shape = tuple(int(one) for one in tensor.shape)
    return raw.view(torch.float32).reshape(shape[1:] if len(shape) == 3 else shape).clone()
