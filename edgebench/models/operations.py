"""Operators with shapes -> what one run asks of a machine: operations, and bytes that must move at least.

A multiplication and an addition are two operations. Matrix products and convolutions are counted by their shapes; every
other operator that computes counts one for each element it gives (a reduction for each it takes), whatever the function:
next to the products that is 1 or 2 %. Operators that only move or rename elements count none.

Bytes: each weight is read once, of a table only the rows that are looked up; each tensor between operators is written once
and read once, an input only read, an output only written. The graph is taken as the file has it: an engine that fuses
operators moves less, one that runs out of cache between the uses of a weight moves more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import prod

from edgebench.errors import UnsupportedError
from edgebench.models.graph import Node, Tensor

LARGE = 1024  # elements: an unknown operator with so large a constant multiplies by it, most likely
NARROW = ("int8", "uint8")


@dataclass(frozen=True)
class Count:
    """Of one run. `precision` is that of most multiplications; `by_operator` are operations; `uncounted` names operators left out."""

    ops: int
    macs: int
    weight_bytes: int
    activation_bytes: int
    precision: str
    by_operator: dict[str, int] = field(default_factory=dict)
    uncounted: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        return self.weight_bytes + self.activation_bytes


def count(nodes: Sequence[Node]) -> Count:
    """UnsupportedError where an operator that multiplies cannot be counted: a sum without it would be no bound."""
    nodes, sources = _folded(nodes)
    ops: Counter[str] = Counter()
    macs: Counter[str] = Counter()
    uncounted: Counter[str] = Counter()
    counted = []
    for node in nodes:
        multiplied = _multiplications(node)
        if multiplied is None and not node.is_shaped:
            uncounted[node.op] += 1
            continue
        counted.append(node)
        if multiplied is None:
            ops[node.op] += _elementwise(node)
        else:
            ops[node.op] += 2 * multiplied + _biases(node)
            macs[_precision(node, sources)] += multiplied
    weights, activations = _moved(counted, sources)
    return Count(
        ops=sum(ops.values()), macs=sum(macs.values()), weight_bytes=weights, activation_bytes=activations,
        precision=macs.most_common(1)[0][0] if macs else "fp32", by_operator=dict(ops.most_common()), uncounted=tuple(sorted(uncounted)),
    )


# --- what multiplies: the shapes of (inputs, first output) -> multiplications -------------------------------------------


def _size(node: Node, place: int) -> tuple[int, ...]:
    found = node.inputs[place]
    return (found.shape if found else None) or ()


def _product(node: Node) -> int:
    """Rows of the left side by columns of the right: each element given takes as many multiplications as a row is long."""
    return node.outputs[0].elements * _size(node, 0)[-2 if node.attributes.get("transA") else -1]


def _connected(node: Node) -> int:
    """Weights of (outputs, inputs)."""
    return node.outputs[0].elements * _size(node, 1)[-1]


def _batched(node: Node) -> int:
    """BATCH_MATMUL, either side turned or not: what is summed over is what its left side has beyond the rows it gives."""
    out = node.outputs[0]
    return out.elements * prod(_size(node, 0)[-2:]) // (out.shape or (1,))[-2]


def _convolution(weights: int) -> Callable[[Node], int]:
    """Weights of (outputs, inputs of a group, ...window) or (outputs, ...window, inputs of a group)."""
    return lambda node: node.outputs[0].elements * prod(_size(node, weights)[1:])


def _depthwise(node: Node) -> int:
    _, high, wide, _ = _size(node, 1)
    return node.outputs[0].elements * high * wide


def _transposed(data: int, weights: int, *, last: bool) -> Callable[[Node], int]:
    """Each element taken goes to a window of every output."""
    return lambda node: prod(_size(node, data)) * prod(_size(node, weights)[:-1] if last else _size(node, weights)[1:])


def _recurrent(node: Node) -> int:
    steps, batch, _ = _size(node, 0)
    return steps * batch * (prod(_size(node, 1)) + prod(_size(node, 2)))


def _n_bits(node: Node) -> int:
    return node.outputs[0].elements * int(node.attributes["K"])


MULTIPLY: dict[str, tuple[Callable[[Node], int], int]] = {  # and the input that holds the weights
    "BATCH_MATMUL": (_batched, 1), "CONV_2D": (_convolution(1), 1), "Conv": (_convolution(1), 1), "ConvInteger": (_convolution(1), 1),
    "ConvTranspose": (_transposed(0, 1, last=False), 1), "DEPTHWISE_CONV_2D": (_depthwise, 1), "DynamicQuantizeMatMul": (_product, 1),
    "FULLY_CONNECTED": (_connected, 1), "FusedConv": (_convolution(1), 1), "FusedGemm": (_product, 1), "FusedMatMul": (_product, 1),
    "GRU": (_recurrent, 1), "Gemm": (_product, 1), "LSTM": (_recurrent, 1), "MatMul": (_product, 1), "MatMulInteger": (_product, 1),
    "MatMulIntegerToFloat": (_product, 1), "MatMulNBits": (_n_bits, 0), "QGemm": (_product, 3), "QLinearConv": (_convolution(3), 3),
    "QLinearMatMul": (_product, 3), "RNN": (_recurrent, 1), "TRANSPOSE_CONV": (_transposed(2, 1, last=True), 1),
}
BIASES = {
    "CONV_2D": 2, "Conv": 2, "ConvTranspose": 2, "DEPTHWISE_CONV_2D": 2, "FULLY_CONNECTED": 2, "FusedConv": 2, "FusedGemm": 2, "Gemm": 2, "QGemm": 6,
    "QLinearConv": 8, "TRANSPOSE_CONV": 3,
}  # the input that holds one number for each output channel
REFUSED = ("Attention", "CONV_3D", "Einsum", "GroupQueryAttention", "If", "Loop", "MultiHeadAttention", "QAttention", "Scan", "WHILE")  # hold products
VIEWS = ("Dropout", "EXPAND_DIMS", "Flatten", "Identity", "RESHAPE", "Reshape", "SQUEEZE", "Squeeze", "Unsqueeze")
MOVES = (
    "BATCH_TO_SPACE_ND", "BROADCAST_TO", "CAST", "CONCATENATION", "Cast", "Concat", "ConstantOfShape", "DEPTH_TO_SPACE", "DepthToSpace", "EMBEDDING_LOOKUP",
    "Expand", "FILL", "GATHER", "GATHER_ND", "Gather", "GatherElements", "GatherND", "MIRROR_PAD", "PACK", "PAD", "PADV2", "Pad", "REVERSE_V2", "Range",
    "SHAPE", "SLICE", "SPACE_TO_BATCH_ND", "SPACE_TO_DEPTH", "SPLIT", "SPLIT_V", "STRIDED_SLICE", "ScatterND", "Shape", "Slice", "Split", "TILE", "TRANSPOSE",
    "Tile", "Transpose", "UNPACK",
)
REDUCTIONS = ("ARG_MAX", "ARG_MIN", "ArgMax", "ArgMin", "GlobalAveragePool", "GlobalMaxPool", "MEAN", "QLinearGlobalAveragePool", "REDUCE_MAX", "REDUCE_MIN",
              "REDUCE_PROD", "SUM")
POOLS = ("AVERAGE_POOL_2D", "AveragePool", "MAX_POOL_2D", "MaxPool")
LOOKUPS = {"EMBEDDING_LOOKUP": 1, "GATHER": 0, "Gather": 0}  # the input that is the table


def _multiplications(node: Node) -> int | None:
    """None for an operator without; UnsupportedError where they cannot be known."""
    has_weights = any(one.constant and one.elements > LARGE for one in node.inputs if one)
    if node.op in MULTIPLY and node.is_shaped:
        try:
            return MULTIPLY[node.op][0](node)
        except (IndexError, KeyError, ValueError, ZeroDivisionError):
            shapes = [list(one.shape or ()) for one in node.inputs if one]
            raise UnsupportedError(f"operator {node.op} cannot multiply tensors of {shapes}; the file is broken; export it again") from None
    known = node.op in VIEWS or node.op in MOVES or node.op in LOOKUPS
    if node.op in MULTIPLY or node.op in REFUSED or (has_weights and not node.is_shaped and not known):
        why = "its shapes depend on the data" if node.op in MULTIPLY else "how many it does is not known"
        raise UnsupportedError(f"operator {node.op} multiplies, and {why}; the operations cannot be counted")
    return None


def _biases(node: Node) -> int:
    """An addition for each element given, where there is a bias."""
    place = BIASES.get(node.op)
    return node.outputs[0].elements if place is not None and len(node.inputs) > place and node.inputs[place] else 0


def _elementwise(node: Node) -> int:
    if node.op in VIEWS or node.op in MOVES:
        return 0
    if node.op in REDUCTIONS or node.op.startswith("Reduce"):
        return node.inputs[0].elements if node.inputs and node.inputs[0] else 0
    elements = node.outputs[0].elements if node.outputs else 0
    return elements * prod(node.attributes.get("kernel_shape", ())) if node.op in POOLS else elements


def _precision(node: Node, sources: dict[str, Tensor]) -> str:
    """By the weights, or the right side: 8-bit weights are multiplied as integers also where the sums are written as floats."""
    right = node.inputs[MULTIPLY[node.op][1]]
    dtype = sources.get(right.name, right).dtype if right else "float32"
    return "int8" if dtype in NARROW else {"float16": "fp16", "bfloat16": "bf16", "float64": "fp64"}.get(dtype, "fp32")


# --- bytes -------------------------------------------------------------------------------------------------------------


def _folded(nodes: Sequence[Node]) -> tuple[list[Node], dict[str, Tensor]]:
    """Without the (de)quantising around operators that engines run on the integers; and, for what it gave, the integers themselves."""
    made = {out.name: node for node in nodes if node.op in ("DequantizeLinear", "DEQUANTIZE") for out in node.outputs}
    takers: dict[str, set[str]] = {}
    for node in nodes:
        for one in node.inputs:
            if one and one.name in made:
                takers.setdefault(one.name, set()).add(node.op)
    inner = {name for name, ops in takers.items() if ops <= set(MULTIPLY)}
    sources = {name: source for name in inner if (source := made[name].inputs[0])}
    before = {name for name, node in made.items() if all(one.constant for one in node.inputs if one)}  # an engine does these when it opens the file
    return [node for node in nodes if not (node.outputs and node.outputs[0].name in before | set(sources))], sources


def _moved(nodes: Iterable[Node], sources: dict[str, Tensor]) -> tuple[int, int]:
    """Bytes of weights and of activations."""
    weights: dict[str, int] = {}
    rows: Counter[str] = Counter()
    roots: dict[str, Tensor] = {}  # what a view shows
    read: dict[str, int] = {}
    written: dict[str, int] = {}
    for node in nodes:
        inputs = [(place, root) for place, one in enumerate(node.inputs) if one for root in [_root(one, roots, sources)]]
        if node.op in VIEWS and inputs:
            roots |= {out.name: inputs[0][1] for out in node.outputs}
            continue
        for place, one in inputs:
            if LOOKUPS.get(node.op) == place:
                found = node.outputs[0].elements * one.bits // 8
                rows[one.name] += found
                (weights if one.constant else read)[one.name] = min(one.size_bytes, max(rows[one.name], (weights if one.constant else read).get(one.name, 0)))
            else:
                (weights if one.constant else read)[one.name] = one.size_bytes
        written |= {out.name: out.size_bytes for out in node.outputs}
    return sum(weights.values()), sum(read.values()) + sum(written.values())


def _root(tensor: Tensor, roots: dict[str, Tensor], sources: dict[str, Tensor]) -> Tensor:
    tensor = sources.get(tensor.name, tensor)
    return roots.get(tensor.name, tensor)
