"""A fine-tuned classifier from elsewhere -> a net, its tokenizer and its labels: a Hugging Face folder, or one of our cards.

    read(Path("bert-base-uncased-sst2"))      # config.json, model.safetensors or pytorch_model.bin, tokenizer.json
    read_card(card, path)                     # the weights come out of its fp32 ONNX file
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import BertForSequenceClassification

from edgebench.errors import CardError, UnsupportedError
from edgebench.models.artifact import beside, digest_of, verify
from edgebench.models.card import Card
from edgebench.train import nets

MAPS = (  # the order of a layer's products in a graph that `edgebench.train.export` wrote
    "attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense", "intermediate.dense", "output.dense",
)


@dataclass(frozen=True)
class Source:
    """What is to be compressed. `origin` names it in a card, with the first digits of its weights' sha256."""

    net: BertForSequenceClassification
    tokenizer: Path
    labels: tuple[str, ...]
    max_tokens: int
    licence: str
    origin: str


def read(folder: Path) -> Source:
    """A BERT sequence classifier as `save_pretrained` leaves it; CardError says what is missing, UnsupportedError what is no BERT."""
    try:
        config = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise CardError(f"{folder / 'config.json'} cannot be read ({error}); expected the folder of a Hugging Face checkpoint") from error
    kind, activation = config.get("model_type"), config.get("hidden_act", "gelu")
    if kind != "bert" or activation != "gelu" or config.get("position_embedding_type", "absolute") != "absolute":
        raise UnsupportedError(f"{folder} holds a {kind!r} with {activation!r}; only BERT with exact gelu and absolute positions can be compressed")
    tokenizer, weights = folder / "tokenizer.json", _weights(folder)
    if not tokenizer.exists():
        raise CardError(f"{folder} has no tokenizer.json; write it with AutoTokenizer.from_pretrained(...).save_pretrained({str(folder)!r})")
    found = {name.replace(".gamma", ".weight").replace(".beta", ".bias"): tensor.float() for name, tensor in _tensors(weights).items()}
    found.pop("bert.embeddings.position_ids", None)
    if "classifier.weight" not in found or "bert.pooler.dense.weight" not in found:
        raise CardError(f"{weights} has no classifier; fine-tune it first (`edgebench train`), or give a BertForSequenceClassification")
    if config["hidden_size"] % config["num_attention_heads"]:
        raise CardError(f"{folder / 'config.json'} divides {config['hidden_size']} channels among {config['num_attention_heads']} heads; correct the file")
    net = _shaped(found, config["hidden_size"] // config["num_attention_heads"], config.get("layer_norm_eps", 1e-12), path=weights)
    names = {int(at): name for at, name in (config.get("id2label") or {}).items()}
    count = net.config.num_labels
    labels = tuple(names.get(at, f"LABEL_{at}") for at in range(count)) if names else tuple(f"LABEL_{at}" for at in range(count))
    return Source(net.eval(), tokenizer, labels, _max_tokens(config), config.get("license", "unknown"), f"{folder.name}, sha256 {digest_of(weights)[:16]}")


def read_card(card: Card, path: Path) -> Source:
    """The net inside the fp32 ONNX file of a card that edgebench wrote; `path` is the card's."""
    variant, tokenizer = card.variant("onnx", "fp32"), card.files.get("tokenizer")
    if tokenizer is None:
        raise CardError(f"card {card.name!r} has no [files.tokenizer]; only a text classifier can be compressed")
    file, words = beside(path, variant), beside(path, tokenizer)
    verify(file, variant.sha256, variant.size_bytes)
    verify(words, tokenizer.sha256, tokenizer.size_bytes)
    net = _shaped(*_from_graph(file), path=file)
    most = int(card.preprocess.get("max_tokens", 512))
    return Source(net.eval(), words, card.labels, most, card.licence, f"{card.name}, sha256 {variant.sha256[:16]}")


def _shaped(weights: dict[str, Tensor], head_width: int, norm_eps: float, *, path: Path) -> BertForSequenceClassification:
    try:
        return nets.like(weights, head_width=head_width, norm_eps=norm_eps)
    except (KeyError, ValueError, RuntimeError) as error:
        raise CardError(f"{path} is no BERT classifier ({' '.join(str(error).split())[:200]}); expected one of BertForSequenceClassification") from error


def _weights(folder: Path) -> Path:
    for name in ("model.safetensors", "pytorch_model.bin"):
        if (folder / name).exists():
            return folder / name
    raise CardError(f"{folder} has neither model.safetensors nor pytorch_model.bin; expected the folder of a Hugging Face checkpoint")


def _tensors(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return dict(load_file(path))
    return dict(torch.load(path, weights_only=True, map_location="cpu"))


def _max_tokens(config: dict[str, Any]) -> int:
    return int(config.get("max_position_embeddings", 512))


def _from_graph(path: Path) -> tuple[dict[str, Tensor], int, float]:
    """The state dict inside a graph that our exporter wrote, the width of a head and the epsilon of LayerNorm.

    A transposed matrix lost its name, so it is known by its place: six products with a constant in every layer.
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(path).graph
    arrays = {one.name: torch.from_numpy(numpy_helper.to_array(one).copy()) for one in graph.initializer}
    products = [node.input[1] for node in graph.node if node.op_type == "MatMul" and node.input[1] in arrays]
    names = [f"bert.encoder.layer.{at // 6}.{MAPS[at % 6]}.weight" for at in range(len(products))]
    if "places" not in arrays or len(products) % 6 or not products:
        raise UnsupportedError(f"{path.name} is no graph that `edgebench export` wrote of a whole BERT; compress its checkpoint instead")
    found = {name: arrays[product].T.contiguous() for name, product in zip(names, products, strict=True)}
    for name, tensor in arrays.items():
        if name.startswith("layers."):
            found[f"bert.encoder.layer.{name.removeprefix('layers.')}"] = tensor
    found["bert.embeddings.word_embeddings.weight"] = arrays["words.weight"]
    found["bert.embeddings.position_embeddings.weight"] = arrays["places"]
    found["bert.embeddings.token_type_embeddings.weight"] = torch.zeros(2, arrays["places"].shape[1])  # type 0 is in the places
    for part in ("weight", "bias"):
        found[f"bert.embeddings.LayerNorm.{part}"] = arrays[f"norm.{part}"]
        found[f"bert.pooler.dense.{part}"] = arrays[f"pooler.{part}"]
        found[f"classifier.{part}"] = arrays[f"classifier.{part}"]
    return found, _head_width(graph, arrays), _norm_eps(graph)


def _head_width(graph: Any, arrays: dict[str, Tensor]) -> int:
    """The constant by which scores are scaled is 1 / sqrt(width)."""
    from onnx import numpy_helper

    constants = {node.output[0]: numpy_helper.to_array(node.attribute[0].t) for node in graph.node if node.op_type == "Constant"}
    transposed = {node.output[0] for node in graph.node if node.op_type == "MatMul" and node.input[1] not in arrays}
    for node in graph.node:
        if node.op_type == "Mul" and node.input[0] in transposed and node.input[1] in constants:
            return round(float(constants[node.input[1]]) ** -2)
    raise UnsupportedError("the graph scales no attention scores by a constant; compress its checkpoint instead")


def _norm_eps(graph: Any) -> float:
    """In float32, of which the six digits that people write are left: 1e-12 comes back as 1e-12."""
    found = [one.f for node in graph.node if node.op_type == "LayerNormalization" for one in node.attribute if one.name == "epsilon"]
    return float(f"{found[0]:.6g}") if found else 1e-5
