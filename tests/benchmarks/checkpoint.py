"""A bundled fp32 ONNX file -> the same weights as a transformers checkpoint, so that other libraries run the same model."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from torch import nn
from transformers import BertConfig, BertForSequenceClassification

from edgebench.train.export import Classifier


def from_onnx(path: Path, tokenizer: Path, folder: Path, labels: list[str]) -> BertForSequenceClassification:
    """Write config, weights and tokenizer into `folder`; return the net.

    The exporter keeps a parameter's name, or, for a weight it transposed, leaves the place of its MatMul: products with a
    constant come in the order in which the net calls its Linear layers.
    """
    graph = onnx.load(path).graph
    constants = {one.name: torch.from_numpy(numpy_helper.to_array(one).copy()) for one in graph.initializer}
    products = [constants[node.input[1]] for node in graph.node if node.op_type == "MatMul" and node.input[1] in constants]
    words, layers = constants["words.weight"], len({name.split(".")[1] for name in constants if name.startswith("layers.")})
    hidden, ffn = words.shape[1], max(one.shape[1] for one in products)
    config = BertConfig(
        vocab_size=words.shape[0], hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=12, intermediate_size=ffn,
        id2label=dict(enumerate(labels)), label2id={label: place for place, label in enumerate(labels)},
    )
    config._attn_implementation = "eager"
    net = BertForSequenceClassification(config)
    module = Classifier(net)
    linears = iter(products)
    with torch.no_grad():
        for name, linear in _in_call_order(module):
            weight = constants.get(f"{name}.weight")
            linear.weight.copy_(next(linears).T if weight is None else weight)
            linear.bias.copy_(constants[f"{name}.bias"])
        for name, value in module.named_parameters():
            if "norm" in name.lower():
                value.copy_(constants[name])
        net.bert.embeddings.word_embeddings.weight.copy_(words)
        net.bert.embeddings.position_embeddings.weight.copy_(constants["places"])
        net.bert.embeddings.token_type_embeddings.weight.zero_()
    net.save_pretrained(folder)
    shutil.copyfile(tokenizer, folder / "tokenizer.json")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]", "model_max_length": 128}\n')
    return net


def _in_call_order(module: Classifier) -> list[tuple[str, nn.Linear]]:
    inside = ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense", "intermediate.dense", "output.dense")
    names = [f"layers.{at}.{one}" for at in range(len(module.layers)) for one in inside] + ["pooler", "classifier"]
    found: list[tuple[str, Any]] = [(name, module.get_submodule(name)) for name in names]
    return found


def fastembed_code(onnx_file: Path, checkpoint: Path, text: str) -> str:
    """A program that runs the same file through fastembed's own text model, the raw output as the embedding."""
    return f"""
import shutil, pathlib, json
from fastembed import TextEmbedding
from fastembed.common.model_description import PoolingType, ModelSource
folder = pathlib.Path({str(checkpoint)!r})
if not (folder / "model.onnx").exists():
    shutil.copyfile({str(onnx_file)!r}, folder / "model.onnx")
    special = {{name + "_token": "[" + name.upper() + "]" for name in ("pad", "cls", "sep", "unk")}}
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
where = ModelSource(hf="none/none")
TextEmbedding.add_custom_model(model="same", pooling=PoolingType.DISABLED, normalization=False, sources=where, dim=2, model_file="model.onnx")
print(next(iter(TextEmbedding(model_name="same", specific_model_path=str(folder), threads=1).embed([{text!r}]))))
"""
