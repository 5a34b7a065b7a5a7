"""A model file -> how many words its table has, by the graph: what `input_ids` picks rows of."""

from __future__ import annotations

from pathlib import Path

from edgebench.errors import UnsupportedError
from edgebench.models import onnx_graph, tflite_graph
from edgebench.models.tflite_graph import Table

IDS = "input_ids"
PASSING = {"Cast", "DequantizeLinear", "Identity", "Reshape", "Squeeze", "Unsqueeze"}  # operators behind which the first input is still what it was
GATHER, LOOKUP = 36, 7  # BuiltinOperator
LIKE_BEFORE = (6, 22, 43, 53, 70)  # DEQUANTIZE, RESHAPE, SQUEEZE, CAST, EXPAND_DIMS: the numbers are still the words'


def rows(path: Path, format: str) -> int | None:
    """None where the graph does not say: another format, or a table that is computed."""
    try:
        return _in_onnx(path) if format == "onnx" else _in_tflite(path) if format == "tflite" else None
    except UnsupportedError:
        return None


def _in_onnx(path: Path) -> int | None:
    graph = onnx_graph.read(path)
    ids, tables = {IDS}, {name: one.shape for name, one in graph.constants.items()}
    found = []
    for node in graph.nodes:  # an ONNX file lists them in the order of computing
        if node.op in PASSING and node.inputs and node.outputs:
            ids |= {node.outputs[0]} if node.inputs[0] in ids else set()
            if node.inputs[0] in tables:
                tables[node.outputs[0]] = tables[node.inputs[0]]
        elif node.op == "Gather" and len(node.inputs) == 2 and node.inputs[1] in ids and len(tables.get(node.inputs[0], ())) == 2:
            found.append(tables[node.inputs[0]][0])
    return min(found, default=None)


def _in_tflite(path: Path) -> int | None:
    with tflite_graph.reading(path) as model:
        codes = [max(one.number(0, "<b"), one.number(3, "<i")) for one in model.tables(1)]
        found = [size for graph in model.tables(2) for size in _in_subgraph(graph, codes)]
    return min(found, default=None)


def _in_subgraph(graph: Table, codes: list[int]) -> list[int]:
    tensors = graph.tables(0)
    ids = {place for place in graph.numbers(1) if IDS in tensors[place].text(3)}
    found = []
    for operator in graph.tables(3):
        code, inputs, outputs = codes[operator.number(0, "<I")], operator.numbers(1), operator.numbers(2)
        if code in LIKE_BEFORE and inputs[0] in ids:
            ids.add(outputs[0])
        elif code in (GATHER, LOOKUP):
            table, places = inputs[:2] if code == GATHER else inputs[1::-1]
            shape = tensors[table].numbers(0)
            if places in ids and len(shape) == 2:
                found.append(shape[0])
    return found
