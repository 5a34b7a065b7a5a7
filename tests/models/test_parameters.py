"""Parameters are counted from the file, in any precision, and tables apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebench.models import parameters

onnx = pytest.importorskip("onnx", reason="graphs are written with onnx; install edgebench[test]")


def graph(path: Path, *, quantised: bool) -> Path:
    """A table of 100 x 16 that is looked up, directly or dequantised, and a matrix of 16 x 64."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    table = np.ones((100, 16), dtype=np.uint8 if quantised else np.float32)
    constants = [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.ones((16, 64), dtype=np.float32), "matrix")]
    nodes = [helper.make_node("Gather", ["words" if quantised else "table", "ids"], ["x"]), helper.make_node("MatMul", ["x", "matrix"], ["y"])]
    if quantised:
        constants.append(numpy_helper.from_array(np.float32(0.1), "scale"))
        nodes.insert(0, helper.make_node("DequantizeLinear", ["table", "scale"], ["words"]))
    ids, y = helper.make_tensor_value_info("ids", TensorProto.INT64, [None]), helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 64])
    onnx.save(helper.make_model(helper.make_graph(nodes, "g", [ids], [y], constants)), path)
    return path


@pytest.mark.parametrize("quantised", [False, True])
def test_what_is_looked_up_is_no_part_of_the_encoder(tmp_path: Path, quantised: bool) -> None:
    found = parameters.count(graph(tmp_path / "g.onnx", quantised=quantised))
    assert (found.tables, found.encoder) == (1600, 1024 + quantised)


def test_the_bundled_tinybert_has_two_thirds_of_its_parameters_in_its_tables() -> None:
    from edgebench import catalog

    found = parameters.count(catalog.find("models", "tinybert-sst2").parent / "tinybert-sst2" / "tinybert-sst2-fp32.onnx")
    assert found.tables == (30_522 + 128) * 312 or found.tables == (30_522 + 512) * 312
    assert 4_500_000 < found.encoder < 4_900_000
