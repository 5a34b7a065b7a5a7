"""An .onnx file -> nothing, or RefusedError: see `edgebench.models.screen`.

Field numbers are those of onnx.proto3. Every message of the file is looked at, also where a parser would merge two of them:
what this reader cannot read is refused, so that no engine sees what it has not.

A weight outside the file (`external_data`) must lie in the card's folder, links followed, be a regular file under this one
name, be listed in the card, and have the listed bytes: a hard link passes an engine's own check of paths.
"""

from __future__ import annotations

import math
import mmap
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from edgebench.errors import RefusedError
from edgebench.models import protobuf
from edgebench.models.artifact import verify
from edgebench.models.card import File

DEEPEST = 100  # messages in messages, as protobuf's own readers allow
MOST_DENSE_BYTES = 4 << 30  # of a sparse tensor, which engines write out in full
# TensorProto.DataType -> bits of an element; text has none
BITS = {
    1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 8: 0, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64, 15: 128, 16: 16, 17: 8, 18: 8, 19: 8, 20: 8, 21: 4,
    22: 4, 23: 4, 24: 8, 25: 2, 26: 2,
}
WIDTHS = {4: 4, 10: 8}  # of packed floats and doubles
SMALLEST = 4  # elements that one number of a packed list may hold: four of two bits
# operator sets that ONNX Runtime brings; another is a library of somebody's
KNOWN = {
    "", "ai.onnx", "ai.onnx.ml", "ai.onnx.preview", "ai.onnx.preview.training", "ai.onnx.training", "com.microsoft", "com.microsoft.experimental",
    "com.microsoft.nchwc", "com.ms.internal.nhwc", "com.microsoft.dml",
}
GOING_ON = bytes(range(0x80, 0x100))  # bytes of a varint that are not its last
OPENING = ("EPContext", "PythonOp")  # of com.microsoft: they name files and programs to open


class _Screen:
    """One file being looked through; `_visit` has what is done with each kind of message."""

    def __init__(self, path: Path, folder: Path, listed: Mapping[Path, File]) -> None:
        self._path, self._folder, self._listed = path, folder, listed
        self._domains: dict[str, str] = {}  # of nodes: an operator in each
        self._own: set[str] = set()  # of functions that the file itself defines
        self._checked: set[Path] = set()

    def model(self, data: memoryview) -> None:
        """ModelProto."""
        graphs = 0
        for key, value in protobuf.fields(data):
            if key == 7:
                graphs += 1
                self._graph(protobuf.message(value), 1)
            elif key == 20:  # TrainingInfoProto
                self._each(value, {1: self._graph, 2: self._graph}, 2)
            elif key == 25:  # FunctionProto
                self._each(value, {7: self._node}, 2)
                self._own |= {protobuf.text(one) for number, one in protobuf.fields(protobuf.message(value)) if number == 10}
        if not graphs:
            raise ValueError("there is no graph in it")
        for domain, op in self._domains.items():
            if domain not in KNOWN | self._own:
                raise self._refused(f"has an operator {op!r} of {domain!r}, which only a library of that name could run; no such library is loaded")

    def _graph(self, data: memoryview, depth: int) -> None:
        self._each(data, {1: self._node, 5: self._tensor, 15: self._sparse}, depth)

    def _node(self, data: memoryview, depth: int) -> None:
        op = domain = ""
        for key, value in protobuf.fields(data):
            if key == 4:
                op = protobuf.text(value)
            elif key == 5:
                self._attribute(protobuf.message(value), depth + 1)
            elif key == 7:
                domain = protobuf.text(value)
        if op in OPENING:
            raise self._refused(f"has an operator {op!r}, which opens files and programs of its own; export the model without it")
        self._domains.setdefault(domain, op)

    def _attribute(self, data: memoryview, depth: int) -> None:
        """Tensors, graphs and sparse tensors, one or several."""
        tensor, graph, sparse = self._tensor, self._graph, self._sparse
        self._each(data, {5: tensor, 6: graph, 10: tensor, 11: graph, 22: sparse, 23: sparse}, depth)

    def _each(self, value: protobuf.Value, kinds: Mapping[int, Callable[[memoryview, int], object]], depth: int) -> None:
        """What `kinds` has for each field of a message."""
        if depth > DEEPEST:
            raise ValueError(f"messages lie in each other more than {DEEPEST} deep")
        for key, inner in protobuf.fields(protobuf.message(value)):
            if key in kinds:
                kinds[key](protobuf.message(inner), depth + 1)

    def _sparse(self, data: memoryview, depth: int) -> None:
        dims, width = list[int](), 0
        for key, value in protobuf.fields(data):
            if key in (1, 2):
                bits = self._tensor(protobuf.message(value), depth)
                width = max(width, bits if key == 1 else 0)
            elif key == 3:
                dims += protobuf.numbers(value)
        if any(one < 0 for one in dims) or math.prod(dims) * width // 8 > MOST_DENSE_BYTES:
            raise self._refused(f"has a sparse tensor of the shape {_shape(dims)}; expected at most {MOST_DENSE_BYTES} bytes written out")

    def _tensor(self, data: memoryview, depth: int) -> int:
        """Check that it holds what it declares; the bits of an element."""
        name, kind, dims, raw, held, place, outside = "", 0, list[int](), None, 0, 0, dict[str, str]()
        for key, value in protobuf.fields(data):
            if key == 1:
                dims += protobuf.numbers(value)
            elif key == 2:
                kind = protobuf.number(value)
            elif key in WIDTHS:
                held += len(protobuf.message(value)) // WIDTHS[key]
            elif key in (5, 7, 11):
                held += 1 if isinstance(value, int) else len(bytes(value).translate(None, GOING_ON))
            elif key == 6:
                held += 1
            elif key == 8:
                name = protobuf.text(value)
            elif key == 9:
                raw = len(protobuf.message(value))
            elif key == 13:
                entry = dict(protobuf.fields(protobuf.message(value)))
                outside[protobuf.text(entry.get(1, memoryview(b"")))] = protobuf.text(entry.get(2, memoryview(b"")))
            elif key == 14:
                place = protobuf.number(value)
        if any(one < 0 for one in dims):
            raise self._refused(f"has a tensor {name!r} of the shape {_shape(dims)}; a size is 0 or more")
        if kind not in BITS:
            if dims or raw or held:
                raise self._refused(f"has a tensor {name!r} of type {kind}, which is none; export it again")
            return 0
        elements = math.prod(dims)
        size = (elements * BITS[kind] + 7) // 8
        if outside or place:
            self._outside(name, outside, size)
        elif raw is not None and raw != size and kind != 8:
            raise self._refused(f"has a tensor {name!r} that declares {size} bytes and holds {raw}; it is damaged, or made to fill memory")
        elif raw is None and elements > held * SMALLEST:
            raise self._refused(f"has a tensor {name!r} that declares {elements} elements and holds {held}; it is damaged, or made to fill memory")
        return BITS[kind]

    def _outside(self, name: str, entries: dict[str, str], size: int) -> None:
        """A weight in another file: see the module."""
        location = entries.get("location", "")
        who = f"keeps its tensor {name!r} in {location!r}, "
        if not location or Path(location).is_absolute() or ".." in Path(location).parts or "\0" in location or "\\" in location:
            raise self._refused(f"{who}which leaves the card's folder; keep the weights beside the file")
        path = (self._path.parent / location).resolve()
        if not path.is_relative_to(self._folder):
            raise self._refused(f"{who}which leads to {path}, outside the card's folder; put the file itself there")
        try:
            found = os.stat(path)
        except OSError as error:
            raise self._refused(f"{who}which cannot be read: {error.strerror}; put it there, and list it in the card") from error
        if not stat.S_ISREG(found.st_mode):
            raise self._refused(f"{who}which is no regular file; put the weights there")
        if found.st_nlink > 1:
            raise self._refused(f"{who}which is a hard link: the same file has another name elsewhere; put a copy there")
        if path not in self._listed:
            raise self._refused(f"{who}which the card does not list, so nothing says what its bytes must be; list it under [files]")
        try:
            begin, length = int(entries.get("offset", "0")), int(entries.get("length", str(size)))
        except ValueError as error:
            raise self._refused(f"{who}at a place that is no number ({error}); export it again") from error
        if begin < 0 or length < size or begin + length > found.st_size:
            raise self._refused(f"{who}{length} bytes from {begin} on; it needs {size}, and the file has {found.st_size}; it is damaged")
        if path not in self._checked:
            verify(path, self._listed[path].sha256, self._listed[path].size_bytes)
            self._checked.add(path)

    def _refused(self, why: str) -> RefusedError:
        return RefusedError(f"{self._path} {why}")


def check(path: Path, folder: Path, listed: Mapping[Path, File]) -> None:
    """See `edgebench.models.screen.screen`."""
    try:
        with path.open("rb") as file:
            _Screen(path, folder, listed).model(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))
    except (ValueError, OSError, OverflowError, RecursionError, TypeError) as error:
        raise RefusedError(f"{path} is no ONNX file ({error}); no engine is given what cannot be looked through: export it again") from error


def _shape(dims: list[int]) -> str:
    return str(dims[:8]).replace("]", ", ...]") if len(dims) > 8 else str(dims)
