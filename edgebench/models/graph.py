"""A model file's operators with every shape known, whatever the format: what the readers give and `operations` counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

Shapes = Mapping[str, tuple[int, ...]]  # of a graph's inputs, by name


@dataclass(frozen=True)
class Tensor:
    """`shape` is None where it depends on the data or an operator is not known; a constant lies in the file."""

    name: str
    shape: tuple[int, ...] | None
    dtype: str  # numpy's name, or "bfloat16", "int4", ...
    bits: int  # of one element
    constant: bool = False

    @property
    def elements(self) -> int:
        return prod(self.shape or ())

    @property
    def size_bytes(self) -> int:
        return -(-self.elements * self.bits // 8)


@dataclass(frozen=True)
class Node:
    """One operator. An input or output that is left out is None."""

    op: str  # as the format spells it: MatMul, FULLY_CONNECTED
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_shaped(self) -> bool:
        """Whether every shape is known."""
        return all(one.shape is not None for one in (*self.inputs, *self.outputs) if one)
