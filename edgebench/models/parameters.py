"""A model's ONNX file -> how many numbers it holds, and how many of them are tables that are looked up and never multiplied.

What is left of a language model without its tables is its encoder (with its head): what its time depends on.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path

from edgebench.models import onnx_graph

LOOKED_UP = ("Gather", "GatherBlockQuantized", "Slice")  # of places a slice, as long as the text
RENAMED = ("DequantizeLinear", "Cast", "Identity", "Reshape")  # what may stand between a table and its look-up
LEAST = 1_024  # a smaller constant belongs to the graph's arithmetic (a shape, a mask, a scale)


@dataclass(frozen=True)
class Parameters:
    """`tables` are among `all`. Scales and zero points of quantised weights count where they are many: at most one in 32."""

    all: int
    tables: int

    @property
    def encoder(self) -> int:
        """All but the tables."""
        return self.all - self.tables


def count(path: Path) -> Parameters:
    """Of an .onnx file in any precision; UnsupportedError where it is none."""
    graph = onnx_graph.read(path)
    sizes = {name: prod(one.shape) for name, one in graph.constants.items()}
    sources: dict[str, str] = {}
    for node in graph.nodes:
        if node.op in RENAMED and node.inputs and node.outputs:
            sources[node.outputs[0]] = sources.get(node.inputs[0], node.inputs[0])
    looked_up = {sources.get(node.inputs[0], node.inputs[0]) for node in graph.nodes if node.op in LOOKED_UP}
    tables = sum(size for name, size in sizes.items() if name in looked_up and size >= LEAST)
    return Parameters(sum(sizes.values()), tables)
