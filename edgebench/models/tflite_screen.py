"""A .tflite file -> nothing, or RefusedError: see `edgebench.models.screen`.

Every offset of the tables that an interpreter follows must lie in the file, every index in its list, and no tensor may
declare a size that is negative or that no small device has. Field numbers are those of TensorFlow Lite's schema.fbs
(version 3).
"""

from __future__ import annotations

import math
from pathlib import Path

from edgebench.errors import RefusedError, UnsupportedError
from edgebench.models.tflite_graph import DTYPES, Table, reading

MOST_BYTES = (1 << 31) - 64  # of one tensor; interpreters have added INT_MAX to something and gone round
TEXT = 5  # TensorType of strings, whose length in the file is not that of a tensor


def check(path: Path) -> None:
    """See `edgebench.models.screen.screen`."""
    try:
        with reading(path) as model:
            _Screen(model).model()
    except UnsupportedError as error:
        raise RefusedError(str(error).replace("cannot be counted", "is not opened")) from error


class _Screen:
    """ValueError, IndexError or struct.error for what is wrong."""

    def __init__(self, model: Table) -> None:
        self._model = model
        self._left = len(model.data)  # tables and numbers take four bytes each; a small file may name the same ones a thousand times

    def model(self) -> None:
        version = self._model.number(0, "<I")
        if version != 3:
            raise ValueError(f"its schema is {version}, not 3")
        codes = self._tables(self._model, 1)
        for code in codes:
            code.text(1)
        lengths = [self._buffer(one) for one in self._tables(self._model, 4)]
        graphs = self._tables(self._model, 2)
        if not graphs:
            raise ValueError("there is no graph in it")
        for graph in graphs:
            self._graph(graph, len(codes), lengths)
        for one in self._tables(self._model, 7):  # SignatureDef
            if one.number(4, "<I") >= len(graphs):
                raise IndexError(f"a signature of graph {one.number(4, '<I')}, and there are {len(graphs)}")
        self._model.text(3)

    def _graph(self, graph: Table, codes: int, lengths: list[int]) -> None:
        tensors = self._tables(graph, 0)
        for tensor in tensors:
            self._tensor(tensor, lengths)
        for field in (1, 2):
            _within(self._numbers(graph, field), 0, len(tensors), "an input or output of a graph")
        for operator in self._tables(graph, 3):
            if operator.number(0, "<I") >= codes:
                raise IndexError(f"operator {operator.number(0, '<I')}, and there are {codes}")
            _within(self._numbers(operator, 1), -1, len(tensors), "an input of an operator")
            _within(self._numbers(operator, 2), 0, len(tensors), "an output of an operator")
            _within(self._numbers(operator, 8), 0, len(tensors), "an intermediate of an operator")

    def _tensor(self, tensor: Table, lengths: list[int]) -> None:
        name, shape, buffer = tensor.text(3), self._numbers(tensor, 0), tensor.number(2, "<I")
        if any(one < 0 for one in shape) or any(one < -1 for one in self._numbers(tensor, 7)):
            raise ValueError(f"tensor {name!r} has the shape {list(shape)}; a size is 0 or more")
        kind = tensor.number(1, "<b")
        bits = DTYPES.get(kind, ("", 0))[1]
        size = (math.prod(shape) * bits + 7) // 8
        if size >= MOST_BYTES:
            raise ValueError(f"tensor {name!r} declares {size} bytes; expected less than {MOST_BYTES}")
        if buffer >= len(lengths):
            raise IndexError(f"tensor {name!r} lies in buffer {buffer}, and there are {len(lengths)}")
        held, sparse = lengths[buffer], tensor.offset(6)
        if held and bits and held < size and not sparse and kind != TEXT:
            raise ValueError(f"tensor {name!r} declares {size} bytes and holds {held}")

    def _buffer(self, buffer: Table) -> int:
        """How many bytes it holds, in itself or behind the tables."""
        inside, begin, size = buffer.length(0), buffer.number(1, "<Q"), buffer.number(2, "<Q")
        if begin > 1 and begin + size > len(buffer.data):
            raise IndexError(f"a buffer of {size} bytes at byte {begin} of {len(buffer.data)}")
        return inside or size

    def _numbers(self, table: Table, field: int) -> tuple[int, ...]:
        self._spend(table.length(field))
        return table.numbers(field)

    def _tables(self, table: Table, field: int) -> list[Table]:
        self._spend(table.length(field))
        found = table.tables(field)
        for one in found:
            one.offset(0)  # its own list of fields lies in the file
        return found

    def _spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise ValueError("it names more than there is room for in it")


def _within(numbers: tuple[int, ...], least: int, end: int, what: str) -> None:
    for one in numbers:
        if not least <= one < end:
            raise IndexError(f"{what} is tensor {one}, and there are {end}")
