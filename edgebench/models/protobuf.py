"""The wire format of protocol buffers -> fields by number, as far as ONNX files need it: no schema, nothing copied.

After "Encoding" in the protocol buffers' documentation: a varint key holds the field's number and its wire type.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
Value = int | memoryview  # a varint, or the bytes of everything else


def fields(data: memoryview) -> Iterator[tuple[int, Value]]:
    """(number, value) of every field in order; ValueError where the bytes are no message."""
    place = 0
    while place < len(data):
        key, place = varint(data, place)
        kind = key & 7
        if kind == VARINT:
            value, place = varint(data, place)
            yield key >> 3, value
            continue
        if kind == BYTES:
            size, place = varint(data, place)
        elif kind in (FIXED64, FIXED32):
            size = 8 if kind == FIXED64 else 4
        else:
            raise ValueError(f"wire type {kind} at byte {place}")
        if place + size > len(data):
            raise ValueError(f"a field of {size} bytes at byte {place} of {len(data)}")
        yield key >> 3, data[place : place + size]
        place += size


def varint(data: memoryview, place: int) -> tuple[int, int]:
    """The number that begins at `place`, and where it ends."""
    number = shift = 0
    while place < len(data) and shift < 70:
        byte = data[place]
        place += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, place
    raise ValueError(f"a number without an end at byte {place}")


def signed(number: int) -> int:
    """An int64 as varints carry it."""
    return number - (1 << 64) if number >> 63 else number


def numbers(value: Value) -> list[int]:
    """A repeated int64, packed or not."""
    if isinstance(value, int):
        return [signed(value)]
    found, place = [], 0
    while place < len(value):
        number, place = varint(value, place)
        found.append(signed(number))
    return found


def message(value: Value) -> memoryview:
    """The bytes of a message, a text or a packed list; ValueError for a number in its place."""
    if isinstance(value, int):
        raise ValueError("a number where a message was expected")
    return value


def text(value: Value) -> str:
    """A string field."""
    return str(message(value), "utf-8", "replace")


def number(value: Value) -> int:
    """A whole number; ValueError for bytes in its place."""
    if not isinstance(value, int):
        raise ValueError("bytes where a number was expected")
    return signed(value)


def float32(value: Value) -> float:
    """One float field; ValueError for one of another size."""
    data = message(value)
    if len(data) != 4:
        raise ValueError(f"{len(data)} bytes where a float was expected")
    return float(struct.unpack("<f", data)[0])
