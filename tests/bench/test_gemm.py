"""The bytes of a product are an ONNX file that the onnx package accepts and the engine multiplies by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from edgebench import plugins
from edgebench.backends.base import Options
from edgebench.bench import gemm


@pytest.mark.parametrize(("op", "taken", "weights", "given"), [("MatMul", "float32", "float32", "float32"), ("MatMulInteger", "uint8", "int8", "int32")])
def test_a_product_is_a_valid_graph_and_gives_numpys_result(tmp_path: Path, op: str, taken: str, weights: str, given: str) -> None:
    random = np.random.default_rng(0)
    right = random.integers(-60, 60, (200, 7)).astype(weights)
    left = random.integers(0, 100, (3, 200)).astype(taken)
    data = gemm.model(op, (3, 200), right, taken=taken, given=given)
    onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
    path = tmp_path / "product.onnx"
    path.write_bytes(data)
    session = plugins.get("backends", "onnxruntime").open(path, Options())
    assert (session.run({"x": left})["y"] == left.astype(given) @ right.astype(given)).all()
    session.close()
