"""Operations and bytes: of graphs small enough to count by hand, of the bundled model by BERT's formula, of MobileNetV2 as published."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgebench.errors import UnsupportedError
from edgebench.models import onnx_graph, onnx_shapes, operations, tflite_graph
from edgebench.models.graph import Node, Tensor
from edgebench.models.operations import Count

BUNDLED = Path(__file__).parents[2] / "models" / "tinybert-sst2"
TWO_LENGTHS = Path(__file__).parents[1] / "backends" / "data" / "two_lengths.tflite"
WEIGHTS = Path(os.environ.get("EDGEBENCH_DATA", "/nowhere")).parent / "weights"


def counted(tmp_path: Path, nodes: list[Any], inputs: dict[str, list[Any]], weights: dict[str, Any], **shapes: tuple[int, ...]) -> Count:
    """Of a graph made of these nodes, whose outputs nobody declared."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in inputs.items()]
    last = helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "made", values, [last], [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()])
    path = tmp_path / "made.onnx"
    onnx.save(helper.make_model(graph), path)
    return count(path, shapes)


def count(path: Path, shapes: dict[str, tuple[int, ...]]) -> Count:
    return operations.count(onnx_shapes.nodes(onnx_graph.read(path), shapes))


def bundled(precision: str, length: int) -> Count:
    return count(BUNDLED / f"tinybert-sst2-{precision}.onnx", {"input_ids": (1, length), "attention_mask": (1, length)})


def bert_macs(length: int, *, layers: int = 4, hidden: int = 312, inner: int = 1200, labels: int = 2) -> int:
    """Four projections, two feed-forward matrices, scores and sums of attention; the pooler and the classifier see one token."""
    each = 4 * hidden * hidden + 2 * hidden * inner + 2 * length * hidden
    return layers * length * each + hidden * hidden + hidden * labels


def test_a_product_counts_two_operations_for_each_multiplication_and_its_operands_once(tmp_path: Path) -> None:
    found = counted(tmp_path, [helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": ["n", 8]}, {"w": np.zeros((8, 3), np.float32)}, x=(5, 8))
    assert (found.macs, found.ops, found.precision) == (5 * 8 * 3, 2 * 5 * 8 * 3, "fp32")
    assert (found.weight_bytes, found.activation_bytes) == (4 * 8 * 3, 4 * 5 * 8 + 4 * 5 * 3)


def test_gemm_sums_over_the_axis_that_its_turned_side_says(tmp_path: Path) -> None:
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"], transA=1, transB=1)
    found = counted(tmp_path, [node], {"x": [8, 5]}, {"w": np.zeros((3, 8), np.float32), "b": np.zeros(3, np.float32)}, x=(8, 5))
    assert found.macs == 5 * 8 * 3
    assert found.ops == 2 * found.macs + 5 * 3


@pytest.mark.parametrize(("group", "macs"), [(1, 8 * 4 * 9 * 7 * 7), (4, 8 * 1 * 9 * 7 * 7)])
def test_a_grouped_convolution_multiplies_only_within_its_group(tmp_path: Path, group: int, macs: int) -> None:
    node = helper.make_node("Conv", ["x", "w"], ["y"], strides=[2, 2], pads=[1, 1, 1, 1], group=group)
    found = counted(tmp_path, [node], {"x": [1, 4, 13, 13]}, {"w": np.zeros((8, 4 // group, 3, 3), np.float32)}, x=(1, 4, 13, 13))
    assert found.macs == macs


def test_an_activation_between_two_operators_is_written_once_and_read_once(tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["a"]), helper.make_node("Add", ["a", "a"], ["y"])]
    found = counted(tmp_path, nodes, {"x": [10]}, {}, x=(10,))
    assert (found.ops, found.activation_bytes) == (20, 4 * 10 * 4)


def test_a_view_moves_nothing(tmp_path: Path) -> None:
    nodes = [helper.make_node("Reshape", ["x", "to"], ["a"]), helper.make_node("Relu", ["a"], ["y"])]
    found = counted(tmp_path, nodes, {"x": [2, 5]}, {"to": np.array([-1], np.int64)}, x=(2, 5))
    assert (found.weight_bytes, found.activation_bytes) == (0, 2 * 4 * 10)


def test_of_an_embedding_only_the_rows_looked_up_are_read(tmp_path: Path) -> None:
    nodes = [helper.make_node("Cast", ["x"], ["ids"], to=TensorProto.INT64), helper.make_node("Gather", ["table", "ids"], ["y"])]
    found = counted(tmp_path, nodes, {"x": [3]}, {"table": np.zeros((1000, 16), np.float32)}, x=(3,))
    assert found.weight_bytes == 3 * 16 * 4


def test_a_shape_computed_in_the_graph_is_followed(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Shape", ["x"], ["size"]), helper.make_node("Gather", ["size", "zero"], ["batch"]),
        helper.make_node("Unsqueeze", ["batch", "axes"], ["first"]), helper.make_node("Concat", ["first", "rest"], ["to"], axis=0),
        helper.make_node("Reshape", ["x", "to"], ["a"]), helper.make_node("MatMul", ["a", "w"], ["y"]),
    ]
    weights = {"zero": np.array(0), "axes": np.array([0]), "rest": np.array([6, 4]), "w": np.zeros((4, 2), np.float32)}
    assert counted(tmp_path, nodes, {"x": ["n", 24]}, weights, x=(5, 24)).macs == 5 * 6 * 4 * 2


def test_integers_between_a_quantised_pair_and_a_product_are_one_byte_and_the_product_is_int8(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]), helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["a"]),
        helper.make_node("DequantizeLinear", ["w", "scale", "zero"], ["b"]), helper.make_node("MatMul", ["a", "b"], ["y"]),
    ]
    weights = {"scale": np.float32(1), "zero": np.uint8(0), "w": np.zeros((8, 3), np.uint8)}
    found = counted(tmp_path, nodes, {"x": [5, 8]}, weights, x=(5, 8))
    assert found.precision == "int8"
    assert found.weight_bytes == 8 * 3 + 4 + 1  # and the scale and the zero
    assert found.activation_bytes == 4 * 40 + 2 * 40 + 4 * 15


def test_an_unknown_operator_that_multiplies_is_refused_by_name(tmp_path: Path) -> None:
    node = helper.make_node("Riddle", ["x", "w"], ["y"], domain="somebody")
    with pytest.raises(UnsupportedError, match="operator Riddle multiplies, and how many it does is not known"):
        counted(tmp_path, [node], {"x": [4, 64]}, {"w": np.zeros((64, 64), np.float32)}, x=(4, 64))


def test_an_operator_whose_shapes_do_not_fit_is_refused_by_name() -> None:
    inputs = tuple(Tensor(name, (4,), "float32", 32) for name in "xw")
    with pytest.raises(UnsupportedError, match=r"operator DEPTHWISE_CONV_2D cannot multiply tensors of \[\[4\], \[4\]\]; the file is broken"):
        operations.count([Node("DEPTHWISE_CONV_2D", inputs, inputs[:1])])


def test_what_follows_data_is_left_out_and_named(tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["a"]), helper.make_node("NonZero", ["a"], ["y"])]
    found = counted(tmp_path, nodes, {"x": [10]}, {}, x=(10,))
    assert (found.ops, found.uncounted) == (10, ("NonZero",))


@pytest.mark.parametrize("length", [8, 32, 128])
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_the_bundled_model_has_the_multiplications_of_berts_formula(precision: str, length: int) -> None:
    found = bundled(precision, length)
    assert found.macs == bert_macs(length)
    assert found.precision == precision
    assert not found.uncounted
    assert 2 * found.macs < found.ops < 2.05 * found.macs


def test_weights_of_one_byte_are_counted_as_such() -> None:
    assert 0.25 < bundled("int8", 32).weight_bytes / bundled("fp32", 32).weight_bytes < 0.3


@pytest.mark.parametrize("length", [32, 128])
def test_the_tflite_file_has_the_same_multiplications_as_the_onnx_file_and_nearly_the_same_operations(length: int) -> None:
    found = operations.count(tflite_graph.nodes(BUNDLED / "tinybert-sst2-int8.tflite", {"input_ids": (1, length), "attention_mask": (1, length)}))
    assert found.macs == bert_macs(length)
    assert found.precision == "int8"
    assert found.ops == pytest.approx(bundled("int8", length).ops, rel=0.01)
    assert found.weight_bytes == pytest.approx(bundled("int8", length).weight_bytes, rel=0.15)


def test_a_tflite_file_says_which_lengths_it_can_be_counted_for() -> None:
    with pytest.raises(UnsupportedError, match=r"cannot be counted for inputs of \[1, 5\], \[1, 5\]; its graphs are made for .*\[1, 32\]"):
        tflite_graph.nodes(BUNDLED / "tinybert-sst2-int8.tflite", {"input_ids": (1, 5), "attention_mask": (1, 5)})


def test_mobilenet_v2_has_the_300_million_multiplications_of_its_paper() -> None:
    """Sandler et al., MobileNetV2, CVPR 2018, table 4: 300 M multiply-adds."""
    path = WEIGHTS / "mobilenet_v2_1.0_224_quant.tflite"
    if not path.exists():
        pytest.skip("needs mobilenet_v2_1.0_224_quant.tflite beside the folder of EDGEBENCH_DATA")
    found = operations.count(tflite_graph.nodes(path, tflite_graph.input_shapes(path)[0]))
    assert found.macs == pytest.approx(300e6, rel=0.005)
    assert found.precision == "int8"
    assert found.weight_bytes == pytest.approx(3.5e6, rel=0.02)  # its parameters, a byte each


@pytest.mark.parametrize("keep", [0, 3, 7, 100, 1_000_000])
def test_a_cut_off_onnx_file_is_one_clear_error(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "cut.onnx"
    path.write_bytes((BUNDLED / "tinybert-sst2-int8.onnx").read_bytes()[:keep])
    with pytest.raises(UnsupportedError, match=r"cut.onnx cannot be counted: it is no ONNX file \(.+\); export it again"):
        count(path, {"input_ids": (1, 8), "attention_mask": (1, 8)})


@pytest.mark.parametrize("keep", [0, 3, 7, 100, 1000])
def test_a_cut_off_tflite_file_is_one_clear_error(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "cut.tflite"
    path.write_bytes((BUNDLED / "tinybert-sst2-int8.tflite").read_bytes()[:keep])
    with pytest.raises(UnsupportedError, match=r"cut.tflite cannot be counted: it is no TFLite file \(.+\); export it again"):
        tflite_graph.nodes(path, {"input_ids": (1, 32), "attention_mask": (1, 32)})


@pytest.mark.parametrize("seed", range(60))
def test_damaged_bytes_are_counted_or_refused_but_raise_nothing_else(tmp_path: Path, seed: int) -> None:
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["a"]), helper.make_node("Reshape", ["a", "to"], ["y"])], "made",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 8])], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 3])],
        [numpy_helper.from_array(np.zeros((8, 3), np.float32), "w"), numpy_helper.from_array(np.array([-1, 3]), "to")],
    )
    random = np.random.default_rng(seed)
    for name, good in (("a.onnx", helper.make_model(graph).SerializeToString()), ("a.tflite", TWO_LENGTHS.read_bytes())):
        data = bytearray(good)
        for place in random.integers(8, len(data), 4):
            data[place] = random.integers(256)
        path = tmp_path / name
        path.write_bytes(data)
        with contextlib.suppress(UnsupportedError):
            if name.endswith("onnx"):
                count(path, {"x": (5, 8)})
            else:
                for shapes in tflite_graph.input_shapes(path):
                    operations.count(tflite_graph.nodes(path, shapes))
