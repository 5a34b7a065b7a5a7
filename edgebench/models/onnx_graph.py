"""An .onnx file -> its operators as the file has them, names and small constants included; shapes come from `onnx_shapes`.

A reader of its own, since the onnx package (18 MB) is no part of a device that only runs models. Field numbers are those
of onnx.proto3. Weights are looked at, never copied.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgebench.errors import UnsupportedError
from edgebench.models import protobuf

KEPT = 64  # elements: what shapes are computed from is small
# TensorProto.DataType -> (numpy's name or the field's, bits)
DTYPES: dict[int, tuple[str, int]] = {
    1: ("float32", 32), 2: ("uint8", 8), 3: ("int8", 8), 4: ("uint16", 16), 5: ("int16", 16), 6: ("int32", 32), 7: ("int64", 64), 8: ("object", 0),
    9: ("bool", 8), 10: ("float16", 16), 11: ("float64", 64), 12: ("uint32", 32), 13: ("uint64", 64), 16: ("bfloat16", 16), 21: ("uint4", 4), 22: ("int4", 4),
}
BITS = dict(DTYPES.values())


@dataclass(frozen=True)
class Constant:
    """A tensor of the file; `value` is a numpy array where it is small, else None."""

    dtype: str
    shape: tuple[int, ...]
    value: Any = None


@dataclass(frozen=True)
class OnnxNode:
    """An operator, its tensors by name; "" is an input that is left out."""

    op: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]


@dataclass
class OnnxGraph:
    """`inputs` and `declared` give (dtype, dimensions); a dimension is a size, a symbol, or "" where nothing is said."""

    nodes: list[OnnxNode] = field(default_factory=list)
    constants: dict[str, Constant] = field(default_factory=dict)
    inputs: dict[str, tuple[str, tuple[int | str, ...]]] = field(default_factory=dict)
    declared: dict[str, tuple[str, tuple[int | str, ...]]] = field(default_factory=dict)


def read(path: Path) -> OnnxGraph:
    """The main graph; UnsupportedError for a file that is none."""
    try:
        with path.open("rb") as file:
            return _model(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))
    except (ValueError, OSError, TypeError, OverflowError) as error:
        raise UnsupportedError(f"{path} cannot be counted: it is no ONNX file ({error}); export it again") from error


def _model(data: memoryview) -> OnnxGraph:
    for key, value in protobuf.fields(data):
        if key == 7:
            return _graph(protobuf.message(value))
    raise ValueError("there is no graph in it")


def _graph(data: memoryview) -> OnnxGraph:
    graph = OnnxGraph()
    for key, value in protobuf.fields(data):
        if key == 1:
            graph.nodes.append(_node(protobuf.message(value)))
        elif key == 5:
            name, constant = _tensor(protobuf.message(value))
            graph.constants[name] = constant
        elif key in (11, 12, 13):
            name, what = _declared(protobuf.message(value))
            graph.declared[name] = what
            if key == 11:
                graph.inputs[name] = what
    for name in graph.constants:  # up to IR version 3 initialisers were listed among the inputs
        graph.inputs.pop(name, None)
    return graph


def _node(data: memoryview) -> OnnxNode:
    node = OnnxNode("", [], [], {})
    op = ""
    for key, value in protobuf.fields(data):
        if key == 1:
            node.inputs.append(protobuf.text(value))
        elif key == 2:
            node.outputs.append(protobuf.text(value))
        elif key == 4:
            op = protobuf.text(value)
        elif key == 5:
            name, found = _attribute(protobuf.message(value))
            node.attributes[name] = found
    return OnnxNode(op, node.inputs, node.outputs, node.attributes)


def _attribute(data: memoryview) -> tuple[str, Any]:
    name, whole, real = "", list[int](), list[float]()
    found: Any = None
    for key, value in protobuf.fields(data):
        if key == 1:
            name = protobuf.text(value)
        elif key == 2:
            found = protobuf.float32(value)
        elif key == 3:
            found = protobuf.number(value)
        elif key == 4:
            found = protobuf.text(value)
        elif key == 5:
            found = _tensor(protobuf.message(value))[1]
        elif key == 7:
            real += _floats(protobuf.message(value))
        elif key == 8:
            whole += protobuf.numbers(value)
    return name, whole or real or found


def _tensor(data: memoryview) -> tuple[str, Constant]:
    import numpy as np

    name, dtype, shape, raw, typed = "", "float32", list[int](), None, list[Any]()
    for key, value in protobuf.fields(data):
        if key == 1:
            shape += protobuf.numbers(value)
        elif key == 2:
            dtype = DTYPES.get(protobuf.number(value), ("object", 0))[0]
        elif key == 4 and len(typed) < KEPT:
            typed += _floats(protobuf.message(value))
        elif key in (5, 7) and len(typed) < KEPT:
            typed += protobuf.numbers(value)
        elif key == 8:
            name = protobuf.text(value)
        elif key == 9:
            raw = protobuf.message(value)
    size = int(np.prod(shape, dtype=object)) if shape else 1
    if size < 0:
        raise ValueError(f"{name!r} has the shape {shape}")
    if size > KEPT or dtype not in ("float32", "int32", "int64", "bool", "float64"):
        return name, Constant(dtype, tuple(shape))
    if raw is not None:
        return name, Constant(dtype, tuple(shape), np.frombuffer(bytes(raw), dtype).reshape(shape))
    return name, Constant(dtype, tuple(shape), np.array(typed, dtype).reshape(shape) if len(typed) == size else None)


def _declared(data: memoryview) -> tuple[str, tuple[str, tuple[int | str, ...]]]:
    """A ValueInfoProto: its name, dtype and dimensions."""
    name, dtype, dims = "", "object", list[int | str]()
    for key, value in protobuf.fields(data):
        if key == 1:
            name = protobuf.text(value)
        elif key == 2:
            for kind, inner in protobuf.fields(protobuf.message(value)):
                if kind != 1:  # a sequence or a map
                    continue
                for part, what in protobuf.fields(protobuf.message(inner)):
                    if part == 1:
                        dtype = DTYPES.get(protobuf.number(what), ("object", 0))[0]
                    elif part == 2:
                        dims = [_dimension(protobuf.message(one)) for number, one in protobuf.fields(protobuf.message(what)) if number == 1]
    return name, (dtype, tuple(dims))


def _dimension(data: memoryview) -> int | str:
    for key, value in protobuf.fields(data):
        if key == 1:
            return protobuf.number(value)
        if key == 2:
            return protobuf.text(value)
    return ""


def _floats(data: memoryview) -> list[float]:
    import numpy as np

    found: list[float] = np.frombuffer(bytes(data), "<f4").tolist()
    return found
