"""Picture models small enough to make in a test: ONNX graphs of a few nodes, each with a card."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def picture_model(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes `nodes` from input "picture" to `outputs` as a model with a card, and returns the card's path."""

    def write(task: str, nodes: Sequence[Any], outputs: dict[str, list[int]], labels: Sequence[str], constants: Sequence[Any] = (), **preprocess: Any) -> Path:
        onnx = pytest.importorskip("onnx", reason="the test model is written with onnx; install edgebench[test]")
        size = [1, 3, preprocess["height"], preprocess["width"]]
        inputs = [onnx.helper.make_tensor_value_info("picture", onnx.TensorProto.FLOAT, size)]
        found = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in outputs.items()]
        graph = onnx.helper.make_graph(list(nodes), "tiny", inputs, found, list(constants))
        onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8), str(tmp_path / "tiny.onnx"))
        data = (tmp_path / "tiny.onnx").read_bytes()
        how = "\n".join(f"{key} = {value!r}" for key, value in preprocess.items())
        (tmp_path / "tiny.toml").write_text(
            f'schema = 1\nname = "tiny"\ntask = "{task}"\nabout = "a test"\nlicence = "Apache-2.0"\nsource = "made in a test"\nlabels = {list(labels)}\n'
            f'dataset = "none"\nreference = "onnx/fp32"\n[preprocess]\n{how}\n[[variants]]\nformat = "onnx"\nprecision = "fp32"\nfile = "tiny.onnx"\n'
            f'sha256 = "{sha256(data).hexdigest()}"\nsize_bytes = {len(data)}\n'
        )
        return tmp_path / "tiny.toml"

    return write
