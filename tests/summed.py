"""A graph of three nodes in an .onnx file: the sum of (id, -id) / 8 over the unmasked tokens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest


def write_graph(path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="the test model is written with onnx; install edgebench[test]")
    from onnx import TensorProto, helper, numpy_helper

    ramp = np.arange(32, dtype=np.float32) / 8
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["tokens"]),
        helper.make_node("Cast", ["attention_mask"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Einsum", ["tokens", "real"], ["logits"], equation="btd,bt->bd"),
    ]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"]) for name in ("input_ids", "attention_mask")]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2])]
    graph = helper.make_graph(nodes, "summed", inputs, outputs, [numpy_helper.from_array(np.stack([ramp, -ramp], 1), "table")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
