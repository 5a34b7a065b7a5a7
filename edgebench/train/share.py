"""Graphs of one elastic net -> small graphs that read their weights from one file, each its own part of it.

A narrower net has the first rows or the first columns of a matrix. Laid down with that side outermost they are one piece at its
beginning, so ONNX's external data (file, offset, length) can name the piece; where the graph wants the other order a Transpose
follows, which an engine computes once, when it opens the file. A quantised net's parts share the whole one's scales, for a step
of its own would make other numbers of the same weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data

from edgebench.errors import EngineError
from edgebench.train.checkpoint import MAPS
from edgebench.train.elastic import OUTPUTS

LEAST = 16_384  # bytes: what is smaller stays in its graph
PAGE = 4_096  # what an engine maps starts on one


@dataclass(frozen=True)
class Graph:
    """A net's graph, and which layers of the whole net it has, counted from 0."""

    model: onnx.ModelProto
    layers: tuple[int, ...]


def share(graphs: Mapping[str, Graph], whole: str, folder: Path, weights: str) -> None:
    """Write each graph to `folder`/NAME.onnx and what they have in common to `folder`/`weights`. `whole` names the one the others are parts of."""
    store = _Store()
    matrices = _matrices(graphs[whole])
    scales = {key: _scales(graphs[whole].model, tensor.name) for key, tensor in matrices.items()}
    for name, tensor in _initializers(graphs[whole].model).items():
        if name not in {one.name for one in matrices.values()} and _size(tensor) >= LEAST:
            store.add(name, numpy_helper.to_array(tensor))
    for (layer, part), tensor in matrices.items():
        array = numpy_helper.to_array(tensor)
        store.add(f"{layer}.{part}", np.ascontiguousarray(array.T) if part in OUTPUTS else array)
    for name, graph in graphs.items():
        own = _matrices(graph)
        for (layer, part), tensor in own.items():
            _take_scales(graph.model, tensor.name, scales[layer, part])
            _refer(graph.model, tensor, store, f"{layer}.{part}", weights, transposed=part in OUTPUTS)
        taken = {one.name for one in own.values()}
        for key, tensor in _initializers(graph.model).items():
            if key in store.places and key not in taken:
                if numpy_helper.to_array(tensor).tobytes() != store.bytes_of(key):
                    raise EngineError(f"{key} of {name} is not that of {whole}; the nets are no parts of one")
                _point(tensor, store.places[key], weights)
    (folder / weights).write_bytes(store.content)
    for name, graph in graphs.items():
        (folder / f"{name}.onnx").write_bytes(graph.model.SerializeToString())


class _Store:
    """Arrays one after the other, and where each lies."""

    def __init__(self) -> None:
        self.content = b""
        self.places: dict[str, tuple[int, int]] = {}

    def add(self, name: str, array: NDArray[Any]) -> None:
        self.content += b"\0" * (-len(self.content) % PAGE)
        self.places[name] = (len(self.content), array.nbytes)
        self.content += array.tobytes()

    def bytes_of(self, name: str) -> bytes:
        offset, length = self.places[name]
        return self.content[offset : offset + length]


def _initializers(model: onnx.ModelProto) -> dict[str, TensorProto]:
    return {one.name: one for one in model.graph.initializer}


def _size(tensor: TensorProto) -> int:
    return numpy_helper.to_array(tensor).nbytes


def _matrices(graph: Graph) -> dict[tuple[int, str], TensorProto]:
    """The encoder's matrices by layer of the whole net and place in it: the first six products with a constant are the first layer's, in the order of
    `MAPS`; what comes after the last layer's is the head's."""
    there = _initializers(graph.model)
    products = [node.input[1] for node in graph.model.graph.node if node.op_type in ("MatMul", "MatMulInteger") and node.input[1] in there]
    count = len(MAPS) * len(graph.layers)
    if len(products) < count:
        raise EngineError(f"the graph has {len(products)} products with a constant; expected {len(MAPS)} for each of {len(graph.layers)} layers")
    return {(graph.layers[at // len(MAPS)], MAPS[at % len(MAPS)]): there[name] for at, name in enumerate(products[:count])}


def _scales(model: onnx.ModelProto, product: str) -> dict[str, NDArray[Any]]:
    """The scales and zero points of a quantised matrix, by the ends of their names; none of another."""
    there, stem = _initializers(model), product.removesuffix("_quantized")
    return {ending: numpy_helper.to_array(there[stem + ending]) for ending in ("_scale", "_zero_point") if stem != product}


def _take_scales(model: onnx.ModelProto, product: str, whole: dict[str, NDArray[Any]]) -> None:
    """A quantised matrix gets the first of the whole one's scales, by which the same weights are the same numbers."""
    there, stem = _initializers(model), product.removesuffix("_quantized")
    for ending, values in whole.items():
        own = there[stem + ending]
        own.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values[: own.dims[0]] if own.dims else values), own.name))


def _refer(model: onnx.ModelProto, tensor: TensorProto, store: _Store, key: str, weights: str, *, transposed: bool) -> None:
    """Make `tensor`, (in, out), a piece of the stored matrix: its first rows, or its first columns through a Transpose."""
    rows, columns = tensor.dims
    offset, _ = store.places[key]
    length = rows * columns * np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type)).itemsize
    if not transposed:
        _point(tensor, (offset, length), weights)
        return
    product = tensor.name
    tensor.name = f"{product}_rows"
    del tensor.dims[:]
    tensor.dims.extend((columns, rows))
    _point(tensor, (offset, length), weights)
    node = helper.make_node("Transpose", [tensor.name], [product], name=f"{product}_turned", perm=[1, 0])
    model.graph.node.insert(0, node)


def _point(tensor: TensorProto, place: tuple[int, int], weights: str) -> None:
    for data in ("raw_data", "float_data", "int32_data"):
        tensor.ClearField(data)
    tensor.raw_data = b""
    set_external_data(tensor, weights, offset=place[0], length=place[1])

