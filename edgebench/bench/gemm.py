"""One matrix product as the bytes of an ONNX file, its right side constant as a model's weights are: what a compute roof is measured with.

Written field by field (numbers of onnx.proto3), since the onnx package is no part of a device that only runs models.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

DATA_TYPES = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6}
OPSET, IR_VERSION = 13, 8


def model(op: str, shape: tuple[int, int], weights: NDArray[Any], *, taken: str, given: str) -> bytes:
    """`y = op(x, weights)`, x of this shape and of dtype `taken`, y of dtype `given`."""
    result = (shape[0], weights.shape[1])
    node = _bytes(1, b"x") + _bytes(1, b"w") + _bytes(2, b"y") + _bytes(4, op.encode())
    tensor = b"".join(_number(1, one) for one in weights.shape) + _number(2, DATA_TYPES[weights.dtype.name]) + _bytes(8, b"w") + _bytes(9, weights.tobytes())
    graph = _bytes(1, node) + _bytes(2, b"product") + _bytes(5, tensor) + _bytes(11, _value(b"x", taken, shape)) + _bytes(12, _value(b"y", given, result))
    return _number(1, IR_VERSION) + _bytes(7, graph) + _bytes(8, _number(2, OPSET))


def _value(name: bytes, dtype: str, shape: tuple[int, int]) -> bytes:
    """A ValueInfoProto."""
    dims = b"".join(_bytes(1, _number(1, one)) for one in shape)
    return _bytes(1, name) + _bytes(2, _bytes(1, _number(1, DATA_TYPES[dtype]) + _bytes(2, dims)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])
