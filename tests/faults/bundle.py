"""Model files as a stranger might write them, and a card around each that names its true digest."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

ENDINGS = {"onnx": "onnx", "tflite": "tflite", "torchscript": "pt", "fake": "fake"}
DATA = Path(__file__).resolve().parent.parent / "backends" / "data"
WORDS = 11  # in the test tokenizer, and rows of the table
FAKE = """\
run_ns = [1_000]
inputs = [{ name = "input_ids", dtype = "int64", shape = [-1, -1] }, { name = "attention_mask", dtype = "int64", shape = [-1, -1] }]
outputs = [{ name = "logits", table = [[0.0, 2.0], [2.0, 0.0]] }]
"""


def write(
    folder: Path, tokenizer: Path, format: str, data: bytes, *, files: Mapping[str, bytes] = {}, listed: bool = True, labels: int = 2,
    tokens: bytes | None = None, name: str = "model",
) -> Path:
    """The card's path. `files` lie beside the model, and are named in the card where `listed`."""
    path = folder / f"model.{ENDINGS[format]}"
    path.write_bytes(data)
    (folder / "tokenizer.json").write_bytes(tokenizer.read_bytes() if tokens is None else tokens)
    for one, content in files.items():
        (folder / one).write_bytes(content)
    named = "".join(f'weights{place} = {{ {", ".join(digests(folder / one))} }}\n' for place, one in enumerate(files)) if listed else ""
    card = folder / "model.toml"
    card.write_text(
        f'schema = 1\nname = {json.dumps(name)}\ntask = "text-classification"\nabout = "a fault"\nlicence = "Apache-2.0"\nsource = "made in a test"\n'
        f'labels = {json.dumps([f"label {place}" for place in range(labels)])}\ndataset = "sst2"\n'
        f'reference = "{format}/fp32"\npreprocess = {{ max_tokens = 16 }}\n'
        f'[files]\ntokenizer = {{ {", ".join(digests(folder / "tokenizer.json"))} }}\n{named}'
        f'[[variants]]\nformat = "{format}"\nprecision = "fp32"\n' + "\n".join(digests(path)) + "\n"
    )
    return card


def digests(path: Path) -> list[str]:
    """The lines of a card for this file."""
    data = path.read_bytes()
    return [f'file = "{path.name}"', f'sha256 = "{hashlib.sha256(data).hexdigest()}"', f"size_bytes = {len(data)}"]


def onnx(change: Callable[[Any], None] = lambda model: None) -> bytes:
    """The bag of words, as `change` leaves it."""
    package = pytest.importorskip("onnx", reason="the model is made with onnx; install edgebench[test]")
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    table = np.stack([np.zeros(WORDS), np.arange(WORDS)], axis=1).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["words"]),
        helper.make_node("Cast", ["attention_mask"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["real", "last"], ["weight"]),
        helper.make_node("Mul", ["words", "weight"], ["masked"]),
        helper.make_node("ReduceSum", ["masked", "one"], ["logits"], keepdims=0),
    ]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"]) for name in ("input_ids", "attention_mask")]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2])]
    constants = [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.array([2]), "last"), numpy_helper.from_array(np.array([1]), "one")]
    graph = helper.make_graph(nodes, "bag", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    change(model)
    assert package
    return bytes(model.SerializeToString())


def outside(location: str, *, offset: int = 0, length: int | None = None) -> bytes:
    """The bag of words with its table in another file."""

    def change(model: Any) -> None:
        from onnx import TensorProto

        table = model.graph.initializer[0]
        table.ClearField("raw_data")
        table.data_location = TensorProto.EXTERNAL
        for key, value in {"location": location, "offset": str(offset), "length": str(WORDS * 8 if length is None else length)}.items():
            table.external_data.add(key=key, value=value)

    return onnx(change)


def table() -> bytes:
    """The bytes of that file."""
    import numpy as np

    return np.stack([np.zeros(WORDS), np.arange(WORDS)], axis=1).astype(np.float32).tobytes()


def endless() -> bytes:
    """A Loop of 2^62 rounds around the answer."""

    def change(model: Any) -> None:
        from onnx import TensorProto, helper

        body = helper.make_graph(
            [helper.make_node("Identity", ["going"], ["goes"]), helper.make_node("Identity", ["carried"], ["carries"])], "round",
            [helper.make_tensor_value_info("at", TensorProto.INT64, []), helper.make_tensor_value_info("going", TensorProto.BOOL, []),
             helper.make_tensor_value_info("carried", TensorProto.FLOAT, None)],
            [helper.make_tensor_value_info("goes", TensorProto.BOOL, []), helper.make_tensor_value_info("carries", TensorProto.FLOAT, None)],
        )
        model.graph.initializer.append(helper.make_tensor("rounds", TensorProto.INT64, [], [2**62]))
        model.graph.initializer.append(helper.make_tensor("yes", TensorProto.BOOL, [], [True]))
        model.graph.node[-1].output[0] = "before"
        model.graph.node.append(helper.make_node("Loop", ["rounds", "yes", "before"], ["logits"], body=body))

    return onnx(change)


def greedy() -> bytes:
    """A ConstantOfShape of 2^40 numbers in its midst: no file is too large for it, and no memory large enough."""

    def change(model: Any) -> None:
        from onnx import TensorProto, helper

        model.graph.initializer.append(helper.make_tensor("shape", TensorProto.INT64, [1], [2**40]))
        model.graph.node[-1].output[0] = "before"
        model.graph.node.append(helper.make_node("ConstantOfShape", ["shape"], ["much"]))
        model.graph.node.append(helper.make_node("ReduceMax", ["much"], ["most"], keepdims=0))
        model.graph.node.append(helper.make_node("Add", ["before", "most"], ["logits"]))

    return onnx(change)


def tflite() -> bytes:
    return (DATA / "two_lengths.tflite").read_bytes()


def archive(members: Mapping[str, bytes], *, compressed: bool = False) -> bytes:
    """A zip."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as one:
        for name, data in members.items():
            one.writestr(name, data)
    return out.getvalue()


def torchscript() -> bytes:
    """A program that answers as the bag of words does, with what it takes and gives in its description."""
    torch = pytest.importorskip("torch", reason="the program is written with torch; install edgebench[torch]")
    import warnings

    class Bag(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.table = torch.nn.Parameter(torch.stack([torch.zeros(WORDS), torch.arange(WORDS).float()], dim=1))

        def forward(self, ids: Any, mask: Any) -> Any:
            return (self.table[ids] * mask.float().unsqueeze(2)).sum(1)

    one = [{"name": name, "dtype": "int64", "shape": [None, None]} for name in ("input_ids", "attention_mask")]
    described = json.dumps({"inputs": one, "outputs": [{"name": "logits", "dtype": "float32", "shape": [None, 2]}]})
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ids = torch.ones((1, 4), dtype=torch.int64)
        torch.jit.save(torch.jit.trace(Bag().eval(), (ids, ids)), out, _extra_files={"edgebench.json": described})
    return out.getvalue()
