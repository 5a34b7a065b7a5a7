"""A .tflite file -> its operators with the shapes the file was made for: each signature is a subgraph of fixed shapes.

A reader of the FlatBuffers layout of its own, for the four tables that counting needs: offsets and field numbers are those
of TensorFlow Lite's schema.fbs (version 3). Weights are never read.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edgebench.errors import UnsupportedError
from edgebench.models.graph import Node, Shapes, Tensor

# TensorType -> (numpy's name, bits)
DTYPES = {
    0: ("float32", 32), 1: ("float16", 16), 2: ("int32", 32), 3: ("uint8", 8), 4: ("int64", 64), 6: ("bool", 8), 7: ("int16", 16), 9: ("int8", 8),
    10: ("float64", 64), 12: ("uint64", 64), 15: ("uint32", 32), 16: ("uint16", 16), 17: ("int4", 4), 18: ("bfloat16", 16),
}
# BuiltinOperator: the names that counting knows or that our files hold; another is shown by its number
OPERATORS = {
    0: "ADD", 1: "AVERAGE_POOL_2D", 2: "CONCATENATION", 3: "CONV_2D", 4: "DEPTHWISE_CONV_2D", 5: "DEPTH_TO_SPACE", 6: "DEQUANTIZE", 7: "EMBEDDING_LOOKUP",
    8: "FLOOR", 9: "FULLY_CONNECTED", 11: "L2_NORMALIZATION", 14: "LOGISTIC", 17: "MAX_POOL_2D", 18: "MUL", 19: "RELU", 20: "RELU_N1_TO_1", 21: "RELU6",
    22: "RESHAPE", 23: "RESIZE_BILINEAR", 25: "SOFTMAX", 26: "SPACE_TO_DEPTH", 28: "TANH", 34: "PAD", 36: "GATHER", 37: "BATCH_TO_SPACE_ND",
    38: "SPACE_TO_BATCH_ND", 39: "TRANSPOSE", 40: "MEAN", 41: "SUB", 42: "DIV", 43: "SQUEEZE", 45: "STRIDED_SLICE", 47: "EXP", 48: "TOPK_V2", 49: "SPLIT",
    50: "LOG_SOFTMAX", 53: "CAST", 54: "PRELU", 55: "MAXIMUM", 56: "ARG_MAX", 57: "MINIMUM", 58: "LESS", 59: "NEG", 60: "PADV2", 61: "GREATER",
    62: "GREATER_EQUAL", 63: "LESS_EQUAL", 64: "SELECT", 65: "SLICE", 66: "SIN", 67: "TRANSPOSE_CONV", 69: "TILE", 70: "EXPAND_DIMS", 71: "EQUAL",
    72: "NOT_EQUAL", 73: "LOG", 74: "SUM", 75: "SQRT", 76: "RSQRT", 77: "SHAPE", 78: "POW", 79: "ARG_MIN", 81: "REDUCE_PROD", 82: "REDUCE_MAX", 83: "PACK",
    84: "LOGICAL_OR", 86: "LOGICAL_AND", 87: "LOGICAL_NOT", 88: "UNPACK", 89: "REDUCE_MIN", 90: "FLOOR_DIV", 92: "SQUARE", 93: "ZEROS_LIKE", 94: "FILL",
    97: "RESIZE_NEAREST_NEIGHBOR", 98: "LEAKY_RELU", 99: "SQUARED_DIFFERENCE", 100: "MIRROR_PAD", 101: "ABS", 102: "SPLIT_V", 104: "CEIL",
    105: "REVERSE_V2", 107: "GATHER_ND", 108: "COS", 111: "ELU", 114: "QUANTIZE", 116: "ROUND", 117: "HARD_SWISH", 123: "SELECT_V2", 126: "BATCH_MATMUL",
    128: "CUMSUM", 130: "BROADCAST_TO", 132: "CONV_3D", 150: "GELU",
}
CUSTOM = 32


@dataclass(frozen=True)
class Table:
    """A FlatBuffers table at `place`; a field is found by its number in the schema. struct.error and IndexError outside the bytes."""

    data: memoryview
    place: int

    def offset(self, field: int) -> int:
        """Where the field's value lies; 0 where it has none."""
        vtable = self.place - self._int("<i", self.place)
        size = self._int("<H", vtable)
        entry = 4 + 2 * field
        inside = self._int("<H", vtable + entry) if entry < size else 0
        return self.place + inside if inside else 0

    def number(self, field: int, format: str, default: int = 0) -> int:
        found = self.offset(field)
        return self._int(format, found) if found else default

    def table(self, field: int) -> Table | None:
        found = self.offset(field)
        return Table(self.data, found + self._int("<I", found)) if found else None

    def tables(self, field: int) -> list[Table]:
        begin, count = self._vector(field)
        return [Table(self.data, place + self._int("<I", place)) for place in range(begin, begin + 4 * count, 4)]

    def numbers(self, field: int) -> tuple[int, ...]:
        """A vector of int32."""
        begin, count = self._vector(field)
        return struct.unpack_from(f"<{count}i", self.data, begin) if count else ()

    def text(self, field: int) -> str:
        begin, count = self._vector(field)
        return str(self.data[begin : begin + count], "utf-8", "replace")

    def length(self, field: int) -> int:
        """Of a vector, or 0 without one."""
        return self._vector(field)[1]

    def _vector(self, field: int) -> tuple[int, int]:
        found = self.offset(field)
        if not found:
            return 0, 0
        begin = found + self._int("<I", found)
        count = self._int("<I", begin)
        if begin + 4 + count > len(self.data):  # an element has at least a byte
            raise IndexError(f"a vector of {count} at byte {begin}")
        return begin + 4, count

    def _int(self, format: str, place: int) -> int:
        if place < 0:
            raise IndexError(f"an offset to byte {place}")
        return int(struct.unpack_from(format, self.data, place)[0])


def nodes(path: Path, shapes: Shapes) -> list[Node]:
    """The operators of the subgraph made for inputs of these shapes; UnsupportedError where there is none, or the file is no TFLite file."""
    with reading(path) as model:
        graphs = [(_inputs(graph), graph) for graph in model.tables(2)]
        for known, graph in graphs:
            if _same(known, shapes):
                return list(_operators(graph, model))
    there = "; ".join(sorted({", ".join(str(list(shape)) for shape in known.values()) for known, _ in graphs}))
    raise UnsupportedError(f"{path} cannot be counted for inputs of {', '.join(str(list(one)) for one in shapes.values())}; its graphs are made for {there}")


def input_shapes(path: Path) -> list[dict[str, tuple[int, ...]]]:
    """The inputs of each subgraph by name, in the file's order; UnsupportedError for a file that is none."""
    with reading(path) as model:
        return [_inputs(graph) for graph in model.tables(2)]


@contextmanager
def reading(path: Path) -> Iterator[Table]:
    """The root table; what goes wrong inside is one sentence."""
    try:
        with path.open("rb") as file:
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        if bytes(data[4:8]) != b"TFL3":
            raise ValueError("it does not begin as one")
        yield Table(data, struct.unpack_from("<I", data, 0)[0])
    except (ValueError, IndexError, struct.error, OSError) as error:
        raise UnsupportedError(f"{path} cannot be counted: it is no TFLite file ({error}); export it again") from error


def _inputs(graph: Table) -> dict[str, tuple[int, ...]]:
    tensors = graph.tables(0)
    return {tensors[place].text(3): tensors[place].numbers(0) for place in graph.numbers(1)}


def _same(known: Shapes, shapes: Shapes) -> bool:
    """Names differ between a signature and its subgraph, so the shapes decide."""
    return sorted(known.values()) == sorted(map(tuple, shapes.values()))


def _operators(graph: Table, model: Table) -> Iterator[Node]:
    buffers = model.tables(4)
    codes = [_name(one) for one in model.tables(1)]
    tensors = [_tensor(place, one, buffers) for place, one in enumerate(graph.tables(0))]
    for operator in graph.tables(3):
        inputs = tuple(tensors[place] if place >= 0 else None for place in operator.numbers(1))
        outputs = tuple(tensors[place] for place in operator.numbers(2) if place >= 0)
        options = operator.table(4)
        op = codes[operator.number(0, "<I")]
        kernel = {}
        if op in ("AVERAGE_POOL_2D", "MAX_POOL_2D") and options:  # Pool2DOptions: filter_width, filter_height
            kernel = {"kernel_shape": [options.number(4, "<i"), options.number(3, "<i")]}
        yield Node(op, inputs, outputs, kernel)


def _name(code: Table) -> str:
    number = max(code.number(0, "<b"), code.number(3, "<i"))  # the first is a byte, and full; the second came for what is above 127
    return code.text(1) if number == CUSTOM else OPERATORS.get(number, f"operator {number}")


def _tensor(place: int, tensor: Table, buffers: list[Table]) -> Tensor:
    dtype, bits = DTYPES.get(tensor.number(1, "<b"), ("object", 0))
    buffer = buffers[tensor.number(2, "<I")]
    constant = buffer.length(0) > 0 or buffer.number(2, "<Q") > 0  # in the table, or after it in files above 2 GB
    return Tensor(f"{place}:{tensor.text(3)}", tensor.numbers(0), dtype, bits, constant)
