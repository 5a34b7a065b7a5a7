"""Marian's Transformer (encoder, decoder, one word table for both and for the output) in plain operations.

    net = load(folder)                       # config.json and pytorch_model.bin, as published for transformers
    logits = net(ids, mask, target)          # training: (B, S), (B, S), (B, T) -> (B, T, V)
    Encoder(net), Step(net)                  # the two graphs that a translator is exported as

Post-norm layers, SiLU, sinusoidal places, words times the root of the width: M. Junczys-Dowmunt et al., "Marian: Fast neural
machine translation in C++" (2018), after A. Vaswani et al. (2017). Parameters have transformers' names, so its checkpoints load.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

MASKED = -1e4  # added to the scores of padding, see edgebench.train.export


@dataclass(frozen=True)
class Shape:
    """What a net's size depends on. `end` ends a sentence, `start` begins its translation and is never part of one."""

    vocab: int
    width: int
    heads: int
    ffn: int
    encoder_layers: int
    decoder_layers: int
    end: int
    start: int
    unknown: int
    places: int = 512
    dropout: float = 0.1


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))

    def split(self, x: Tensor) -> Tensor:
        """(B, S, width) -> (B, heads, S, width / heads)."""
        return x.reshape(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)

    def remembered(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of x, each (B, heads, S, width / heads)."""
        return self.split(self.k_proj(x)), self.split(self.v_proj(x))

    def forward(self, x: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        scores = self.split(self.q_proj(x)) @ key.transpose(-1, -2) * (key.shape[-1] ** -0.5)
        weights = torch.softmax(scores if mask is None else scores + mask, dim=-1)
        out: Tensor = self.out_proj((weights @ value).transpose(1, 2).reshape(x.shape))
        return out


class Layer(nn.Module):
    """One layer of the encoder, or with `encoder_attn` of the decoder."""

    def __init__(self, shape: Shape, *, decoder: bool) -> None:
        super().__init__()
        self.self_attn = Attention(shape.width, shape.heads)
        self.self_attn_layer_norm = nn.LayerNorm(shape.width)
        if decoder:
            self.encoder_attn = Attention(shape.width, shape.heads)
            self.encoder_attn_layer_norm = nn.LayerNorm(shape.width)
        self.fc1 = nn.Linear(shape.width, shape.ffn)
        self.fc2 = nn.Linear(shape.ffn, shape.width)
        self.final_layer_norm = nn.LayerNorm(shape.width)
        self.dropout = nn.Dropout(shape.dropout)

    def attend(self, x: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        """Self-attention over keys and values, with its norm."""
        out: Tensor = self.self_attn_layer_norm(x + self.dropout(self.self_attn(x, key, value, mask)))
        return out

    def consult(self, x: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        """Attention to the source's keys and values, with its norm."""
        out: Tensor = self.encoder_attn_layer_norm(x + self.dropout(self.encoder_attn(x, key, value, mask)))
        return out

    def feed(self, x: Tensor) -> Tensor:
        out: Tensor = self.final_layer_norm(x + self.dropout(self.fc2(nn.functional.silu(self.fc1(x)))))
        return out


class Stack(nn.Module):
    def __init__(self, shape: Shape, layers: int, *, decoder: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(shape, decoder=decoder) for _ in range(layers))


class Marian(nn.Module):
    """The whole net. `words` is the table of words, also the output's; `bias` is added to the logits."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.scale = math.sqrt(shape.width)
        self.words = nn.Embedding(shape.vocab, shape.width)
        self.encoder = Stack(shape, shape.encoder_layers, decoder=False)
        self.decoder = Stack(shape, shape.decoder_layers, decoder=True)
        self.bias = nn.Parameter(torch.zeros(shape.vocab))
        self.places = nn.Buffer(sinusoids(shape.places, shape.width), persistent=False)
        self.dropout = nn.Dropout(shape.dropout)
        nn.init.normal_(self.words.weight, std=shape.width**-0.5)

    def encode(self, ids: Tensor, mask: Tensor) -> Tensor:
        """(B, S) ids and their 1/0 mask -> (B, S, width)."""
        x, hidden = self.dropout(embed(self.words, self.places, ids, 0, self.scale)), shut(mask)
        for layer in self.encoder.layers:
            x = layer.feed(layer.attend(x, *layer.self_attn.remembered(x), hidden))
        return x

    def decode(self, source: Tensor, mask: Tensor, target: Tensor) -> Tensor:
        """What follows each place of `target` (B, T), which begins with `start`: (B, T, width), before the output's words."""
        x, hidden = self.dropout(embed(self.words, self.places, target, 0, self.scale)), shut(mask)
        ahead = torch.full((target.shape[1], target.shape[1]), MASKED).triu(1)
        for layer in self.decoder.layers:
            x = layer.attend(x, *layer.self_attn.remembered(x), ahead)
            x = layer.feed(layer.consult(x, *layer.encoder_attn.remembered(source), hidden))
        return x

    def logits(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.words.weight, self.bias)

    def forward(self, ids: Tensor, mask: Tensor, target: Tensor) -> Tensor:
        return self.logits(self.decode(self.encode(ids, mask), mask, target))


class Encoder(nn.Module):
    """(B, S) ids and mask -> (B, 2 decoder layers, heads, S, head width): keys and values of each decoder layer in turn.

    They are all that the decoder asks of the source, and are computed once for a sentence.
    """

    def __init__(self, net: Marian) -> None:
        super().__init__()
        self.words, self.places, self.layers = net.words, nn.Buffer(net.places), net.encoder.layers
        self.keys, self.values = (nn.ModuleList(getattr(layer.encoder_attn, name) for layer in net.decoder.layers) for name in ("k_proj", "v_proj"))
        self.heads, self.scale = net.shape.heads, net.scale

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        x, hidden = embed(self.words, self.places, input_ids, 0, self.scale), shut(attention_mask)
        for layer in self.layers:
            x = layer.feed(layer.attend(x, *layer.self_attn.remembered(x), hidden))
        split = (x.shape[0], x.shape[1], self.heads, -1)
        return torch.stack([one(x).reshape(split).transpose(1, 2) for pair in zip(self.keys, self.values, strict=True) for one in pair], dim=1)


class Step(nn.Module):
    """One more token: (B, 1) ids, the source's (B, S) mask, `cross` as Encoder gives it, `past` alike with T places
    -> (B, V) logits and `present` with T + 1 places. `past` of the first token has none.

    The output is a map of its own over the same weights: exporters turn a table and a map into what is best for each.
    """

    def __init__(self, net: Marian) -> None:
        super().__init__()
        self.words, self.places, self.layers = net.words, nn.Buffer(net.places), net.decoder.layers
        self.scale = net.scale
        self.output = nn.Linear(1, 1)
        self.output.weight, self.output.bias = net.words.weight, net.bias

    def forward(self, input_ids: Tensor, attention_mask: Tensor, cross: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        hidden, present = shut(attention_mask), []
        x = embed(self.words, self.places, input_ids, past.shape[3], self.scale)
        for at, layer in enumerate(self.layers):
            mine = [torch.cat([past[:, 2 * at + side], new], dim=2) for side, new in enumerate(layer.self_attn.remembered(x))]
            present += mine
            x = layer.feed(layer.consult(layer.attend(x, *mine, None), cross[:, 2 * at], cross[:, 2 * at + 1], hidden))
        return self.output(x[:, 0]), torch.stack(present, dim=1)


def embed(words: nn.Module, places: Tensor, ids: Tensor, first: int, scale: float) -> Tensor:
    """(B, S) ids -> (B, S, width): words times `scale`, and their places, the first of them at `first`."""
    out: Tensor = words(ids) * scale + places[first : first + ids.shape[1]]
    return out


def shut(mask: Tensor) -> Tensor:
    """A 1/0 mask (B, S) as what is added to scores."""
    return ((1.0 - mask.to(torch.float32)) * MASKED)[:, None, None, :]


def sinusoids(places: int, width: int) -> Tensor:
    """(places, width): sines in the first half of each row, cosines in the second."""
    rates = 10_000.0 ** (-2 * torch.arange(width // 2, dtype=torch.float64) / width)
    angles = torch.arange(places, dtype=torch.float64)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1).float()


def load(folder: Path) -> Marian:
    """The net of a published checkpoint: `config.json` and `pytorch_model.bin`."""
    config = json.loads((folder / "config.json").read_text())
    vocab = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    net = Marian(Shape(
        vocab=config["vocab_size"], width=config["d_model"], heads=config["encoder_attention_heads"], ffn=config["encoder_ffn_dim"],
        encoder_layers=config["encoder_layers"], decoder_layers=config["decoder_layers"], end=config["eos_token_id"],
        start=config["decoder_start_token_id"], unknown=vocab["<unk>"], places=config["max_position_embeddings"],
    ))
    found = torch.load(folder / "pytorch_model.bin", weights_only=True, map_location="cpu")
    mine = {name.removeprefix("model."): tensor for name, tensor in found.items() if ".layers." in name}
    net.load_state_dict({**mine, "words.weight": found["model.shared.weight"], "bias": found["final_logits_bias"][0]})
    return net.eval()


def save(net: Marian, path: Path) -> None:
    torch.save({"shape": asdict(net.shape), "weights": net.state_dict()}, path)


def read(path: Path) -> Marian:
    """What `save` wrote."""
    saved = torch.load(path, weights_only=True, map_location="cpu")
    net = Marian(Shape(**saved["shape"]))
    net.load_state_dict(saved["weights"])
    return net.eval()


@torch.no_grad()
def keep_words(net: Marian, kept: list[int]) -> Marian:
    """The same net with the words `kept` (their numbers, in the order that they are to have) and no others."""
    new = {old: number for number, old in enumerate(kept)}
    shape = net.shape
    small = Marian(Shape(**{**asdict(shape), "vocab": len(kept), "end": new[shape.end], "start": new[shape.start], "unknown": new[shape.unknown]}))
    weights = net.state_dict()
    small.load_state_dict({**weights, "words.weight": weights["words.weight"][kept], "bias": weights["bias"][kept]})
    return small.eval()


@torch.no_grad()
def keep_layers(net: Marian, encoder: Sequence[int], decoder: Sequence[tuple[int, int, int]]) -> Marian:
    """The same net with these layers (1-based) and no others, after S. Shleifer, A. Rush, arXiv 2010.13002.

    A layer of the decoder may be put together: its self-attention of one layer, its attention to the source of another, and its
    feed-forward part of a third. With one layer left that is a far better start than any layer whole.
    """
    small = Marian(Shape(**{**asdict(net.shape), "encoder_layers": len(encoder), "decoder_layers": len(decoder)}))
    small.words.load_state_dict(net.words.state_dict())
    small.bias.copy_(net.bias)
    for at, one_based in enumerate(encoder):
        small.encoder.layers[at].load_state_dict(net.encoder.layers[one_based - 1].state_dict())
    for at, sources in enumerate(decoder):
        weights: dict[str, Tensor] = {}
        for one_based, part in zip(sources, (("self_attn",), ("encoder_attn",), ("fc1", "fc2", "final_layer_norm")), strict=True):
            weights |= {name: one for name, one in net.decoder.layers[one_based - 1].state_dict().items() if name.startswith(part)}
        small.decoder.layers[at].load_state_dict(weights)
    return small.eval()
