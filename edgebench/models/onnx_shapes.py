"""An ONNX graph and its inputs' shapes -> operators with every shape known that can be.

Shapes go through the graph node by node; small integers go with them, since exported graphs compute the shapes they
reshape to (Shape, Gather, Concat, ...). Where an operator is not known, what the file itself declares of its outputs is taken,
its symbols set by the inputs; where it declares nothing, the shape is None and so is what follows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from edgebench.errors import UnsupportedError
from edgebench.models.graph import Node, Shapes, Tensor
from edgebench.models.onnx_graph import BITS, DTYPES, KEPT, Constant, OnnxGraph, OnnxNode

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Known:
    """What is known of a tensor before the graph runs; `value` is a small numpy array where that is known, too."""

    shape: Shape | None
    dtype: str
    value: Any = None
    constant: bool = False


ABSENT = Known(None, "object")
Inputs = Sequence[Known]
Outputs = Sequence[Shape | None]  # of each output in order; None: not known
Rule = Callable[[OnnxNode, Inputs], Outputs]
VALUES: dict[str, Callable[..., Any]] = {  # computed with numpy where every input's value is known and small
    "Add": lambda a, b: a + b, "Sub": lambda a, b: a - b, "Mul": lambda a, b: a * b, "Mod": lambda a, b: a % b,
    "Equal": lambda a, b: a == b, "Greater": lambda a, b: a > b, "Less": lambda a, b: a < b, "And": lambda a, b: a & b, "Or": lambda a, b: a | b,
    "Div": lambda a, b: a // b if a.dtype.kind in "iu" else a / b, "Not": lambda a: ~a, "Neg": lambda a: -a, "Abs": abs, "Identity": lambda a: a,
}
BOOLEAN = {"Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Not", "IsNaN", "IsInf", "Xor"}


def nodes(graph: OnnxGraph, shapes: Shapes) -> list[Node]:
    """The operators that run for inputs of these shapes, in order. What only computes shapes or is known before the run is left out.

    UnsupportedError for inputs that are not the graph's.
    """
    known, symbols = _given(graph, shapes)
    found = []
    for node in graph.nodes:
        inputs = [known.get(name, ABSENT) for name in node.inputs]
        outputs = [_or_declared(one, graph.declared.get(name), symbols) for name, one in zip(node.outputs, _outputs(node, inputs), strict=True)]
        known |= dict(zip(node.outputs, outputs, strict=True))
        if node.op == "DequantizeLinear" or not all(one.constant or one.value is not None for one in outputs):  # that it was quantised tells the arithmetic
            found.append(Node(
                node.op, tuple(_tensor(name, known) for name in node.inputs), tuple(one for name in node.outputs if (one := _tensor(name, known))),
                {name: value for name, value in node.attributes.items() if not isinstance(value, Constant)},
            ))
    return found


def _given(graph: OnnxGraph, shapes: Shapes) -> tuple[dict[str, Known], dict[str, int]]:
    """Constants and inputs, and the sizes of the inputs' symbols."""
    known = {name: Known(one.shape, one.dtype, one.value, True) for name, one in graph.constants.items()}
    symbols: dict[str, int] = {}
    for name, (dtype, dims) in graph.inputs.items():
        shape = shapes.get(name)
        if shape is None or len(shape) != len(dims) or any(isinstance(dim, int) and dim not in (0, size) for dim, size in zip(dims, shape, strict=True)):
            given = "not given" if shape is None else f"given as {list(shape)}"
            raise UnsupportedError(f"the graph's input {name!r} of {[dim or '?' for dim in dims]} is {given}; it cannot be counted")
        symbols |= {dim: size for dim, size in zip(dims, shape, strict=True) if isinstance(dim, str) and dim}
        known[name] = Known(tuple(shape), dtype)
    return known, symbols


def _or_declared(one: Known, declared: tuple[str, tuple[int | str, ...]] | None, symbols: dict[str, int]) -> Known:
    if one.shape is not None or declared is None or not declared[1]:
        return one
    dims = [symbols.get(dim, dim) if isinstance(dim, str) else dim for dim in declared[1]]
    return Known(tuple(dim for dim in dims if isinstance(dim, int)), declared[0]) if all(isinstance(dim, int) and dim > 0 for dim in dims) else one


def _tensor(name: str, known: dict[str, Known]) -> Tensor | None:
    if not name:
        return None
    one = known.get(name, ABSENT)
    return Tensor(name, one.shape, one.dtype, BITS.get(one.dtype, 0), one.constant or one.value is not None)


def _outputs(node: OnnxNode, inputs: Inputs) -> list[Known]:
    """Of each output what can be known: a shape that an operator's rule cannot make of its inputs is None."""
    dtypes = _dtypes(node, inputs)
    try:
        value = _value(node, inputs)
        if value is not None and value.size <= KEPT:
            return [Known(tuple(value.shape), dtypes[0], value)]
        rule = RULES.get(node.op) or (_same if node.op in LIKE_FIRST else _broadcast if node.op in BROADCAST else None)
        shapes = list(rule(node, inputs)) if rule else []
    except (LookupError, TypeError, ValueError, ZeroDivisionError, ArithmeticError):
        shapes = []
    shapes += [None] * (len(node.outputs) - len(shapes))
    frozen = bool(inputs) and all(one.constant for one in inputs if one is not ABSENT)
    return [Known(shape, dtype, constant=frozen) for shape, dtype in zip(shapes, dtypes, strict=False)]


def _dtypes(node: OnnxNode, inputs: Inputs) -> list[str]:
    first = inputs[0].dtype if inputs else "float32"
    match node.op:
        case "Cast":
            first = DTYPES.get(node.attributes.get("to", 0), ("object", 0))[0]
        case "Constant" | "ConstantOfShape":
            value = node.attributes.get("value")
            first = value.dtype if isinstance(value, Constant) else "float32" if node.op == "ConstantOfShape" or "value_float" in node.attributes else "int64"
        case "Shape" | "Size" | "NonZero" | "ArgMax" | "ArgMin":
            first = "int64"
        case "MatMulInteger" | "ConvInteger":
            first = "int32"
        case "DynamicQuantizeLinear":
            return ["uint8", "float32", "uint8"]
        case "QuantizeLinear":
            first = inputs[2].dtype if len(inputs) > 2 and inputs[2] is not ABSENT else "uint8"
        case "DequantizeLinear":
            first = inputs[1].dtype
        case "MatMulIntegerToFloat" | "DynamicQuantizeMatMul":
            first = "float32"
        case "Where" if len(inputs) > 1:
            first = inputs[1].dtype
        case "TopK":
            return [first, "int64"]
        case op if op in BOOLEAN:
            first = "bool"
    return [first] * len(node.outputs)


def _value(node: OnnxNode, inputs: Inputs) -> Any:
    """The output's value where it follows from shapes and small constants, else None."""
    import numpy as np

    attributes = node.attributes
    if node.op == "Constant":
        return _constant(attributes)
    if node.op in ("Shape", "Size") and inputs[0].shape is not None:
        shape = inputs[0].shape[attributes.get("start", 0) : attributes.get("end")]
        return np.array(shape if node.op == "Shape" else prod(shape), np.int64)
    present = [one.value for one in inputs if one is not ABSENT]
    if not present or any(one is None for one in present) or any(one.size > KEPT for one in present):
        return None
    first = present[0]
    match node.op:
        case "Gather":
            return np.take(first, present[1], axis=attributes.get("axis", 0))
        case "Concat":
            return np.concatenate(present, axis=attributes["axis"])
        case "Unsqueeze" | "Squeeze" | "Reshape":
            shapes = RULES[node.op](node, [Known(tuple(first.shape), "", first), *inputs[1:]])
            return first.reshape(shapes[0])
        case "Slice":
            return first[_slices(node, inputs, first.shape)]
        case "Cast":
            dtype = _dtypes(node, inputs)[0]
            return first.astype(dtype) if dtype in ("int32", "int64", "float32", "bool") else None
        case "ConstantOfShape" if prod(first.tolist()) <= KEPT:
            fill = attributes.get("value")
            return np.full(first.tolist(), fill.value.item() if isinstance(fill, Constant) and fill.value is not None else np.float32(0))
        case "Range" if abs((present[1] - first) / present[2]) <= KEPT:
            return np.arange(first.item(), present[1].item(), present[2].item(), dtype=first.dtype)
        case "Expand" if prod(present[1].tolist()) <= KEPT:
            return np.broadcast_to(first, np.broadcast_shapes(first.shape, tuple(present[1].tolist())))
        case "Where":
            return np.where(*present)
        case "Max" | "Min":
            return (np.maximum if node.op == "Max" else np.minimum).reduce(present)
        case "ReduceProd":
            return np.prod(first, keepdims=bool(attributes.get("keepdims", 1)))
        case op if op in VALUES:
            return np.asarray(VALUES[op](*present))
    return None


def _constant(attributes: dict[str, Any]) -> Any:
    import numpy as np

    for name, found in attributes.items():
        if isinstance(found, Constant):
            return found.value
        if name in ("value_int", "value_float", "value_ints", "value_floats"):
            return np.array(found)
    return None


# --- rules: a node and what is known of its inputs -> its outputs' shapes -----------------------------------------------


def _shape(inputs: Inputs, place: int = 0) -> Shape:
    """An input's shape; TypeError where it is not known, which `_outputs` takes for "unknown"."""
    found = inputs[place].shape
    if found is None:
        raise TypeError
    return found


def _ints(inputs: Inputs, place: int) -> list[int]:
    """An input's value as numbers; TypeError where it is not known."""
    if inputs[place].value is None:
        raise TypeError
    return [int(one) for one in inputs[place].value.reshape(-1).tolist()]


def _axes(node: OnnxNode, inputs: Inputs, place: int, rank: int) -> list[int]:
    """Of Squeeze, Unsqueeze and reductions: an attribute up to opset 12 or 17, an input after it; none: all of them."""
    if "axes" in node.attributes:
        found = node.attributes["axes"]
    else:
        found = _ints(inputs, place) if len(inputs) > place and inputs[place] is not ABSENT else range(rank)
    return sorted(axis % rank for axis in found)


def _same(node: OnnxNode, inputs: Inputs) -> Outputs:
    return [_shape(inputs)]


def _broadcast(node: OnnxNode, inputs: Inputs) -> Outputs:
    import numpy as np

    return [np.broadcast_shapes(*(_shape(inputs, place) for place in range(len(inputs))))]


def _matmul(a: int, b: int) -> Rule:
    """Of the inputs at these places, as numpy multiplies; FusedMatMul may turn either."""

    def rule(node: OnnxNode, inputs: Inputs) -> Outputs:
        import numpy as np

        left, right = list(_shape(inputs, a)), list(_shape(inputs, b))
        if node.attributes.get("transA"):
            left[-1], left[-2] = left[-2], left[-1]
        if node.attributes.get("transB"):
            right[-1], right[-2] = right[-2], right[-1]
        batch = np.broadcast_shapes(tuple(left[:-2]), tuple(right[:-2]))
        return [(*batch, *left[-2:-1], *(right[-1:] if len(right) > 1 else []))]

    return rule


def _gemm(a: int, b: int) -> Rule:
    def rule(node: OnnxNode, inputs: Inputs) -> Outputs:
        rows = _shape(inputs, a)[1 if node.attributes.get("transA") else 0]
        return [(rows, _shape(inputs, b)[0 if node.attributes.get("transB") else 1])]

    return rule


def _conv(weights: int) -> Rule:
    def rule(node: OnnxNode, inputs: Inputs) -> Outputs:
        kernel = _shape(inputs, weights)
        return [(_shape(inputs)[0], kernel[0], *_windows(node, _shape(inputs)[2:], kernel[2:]))]

    return rule


def _conv_transpose(node: OnnxNode, inputs: Inputs) -> Outputs:
    size, kernel = _shape(inputs), _shape(inputs, 1)
    rank = len(size) - 2
    attributes = node.attributes
    strides, dilations = attributes.get("strides", [1] * rank), attributes.get("dilations", [1] * rank)
    pads, more = attributes.get("pads", [0] * 2 * rank), attributes.get("output_padding", [0] * rank)
    spatial = [
        strides[axis] * (size[2 + axis] - 1) + more[axis] + (kernel[2 + axis] - 1) * dilations[axis] + 1 - pads[axis] - pads[rank + axis]
        for axis in range(rank)
    ]
    return [(size[0], kernel[1] * attributes.get("group", 1), *attributes.get("output_shape", spatial))]


def _pool(node: OnnxNode, inputs: Inputs) -> Outputs:
    size = _shape(inputs)
    return [(*size[:2], *_windows(node, size[2:], node.attributes["kernel_shape"]))]


def _windows(node: OnnxNode, sizes: Sequence[int], kernel: Sequence[int]) -> list[int]:
    """How many places a window has along each axis."""
    attributes, rank = node.attributes, len(sizes)
    strides, dilations = attributes.get("strides", [1] * rank), attributes.get("dilations", [1] * rank)
    if attributes.get("auto_pad", "NOTSET").startswith("SAME"):
        return [-(-size // stride) for size, stride in zip(sizes, strides, strict=True)]
    pads = attributes.get("pads") or [0] * 2 * rank
    found = []
    for axis, size in enumerate(sizes):
        room = size + pads[axis] + pads[rank + axis] - dilations[axis] * (kernel[axis] - 1) - 1
        found.append((-(-room // strides[axis]) if attributes.get("ceil_mode") else room // strides[axis]) + 1)
    return found


def _global_pool(node: OnnxNode, inputs: Inputs) -> Outputs:
    size = _shape(inputs)
    return [(*size[:2], *[1] * (len(size) - 2))]


def _gather(node: OnnxNode, inputs: Inputs) -> Outputs:
    size = _shape(inputs)
    axis = node.attributes.get("axis", 0) % len(size)
    return [(*size[:axis], *_shape(inputs, 1), *size[axis + 1 :])]


def _concat(node: OnnxNode, inputs: Inputs) -> Outputs:
    sizes = [_shape(inputs, place) for place in range(len(inputs))]
    axis = node.attributes["axis"] % len(sizes[0])
    return [(*sizes[0][:axis], sum(one[axis] for one in sizes), *sizes[0][axis + 1 :])]


def _reshape(node: OnnxNode, inputs: Inputs) -> Outputs:
    size, wanted = _shape(inputs), _ints(inputs, 1)
    if not node.attributes.get("allowzero"):
        wanted = [size[place] if one == 0 else one for place, one in enumerate(wanted)]
    rest = prod(one for one in wanted if one != -1)
    return [tuple(prod(size) // rest if one == -1 else one for one in wanted)]


def _unsqueeze(node: OnnxNode, inputs: Inputs) -> Outputs:
    size = list(_shape(inputs))
    given = node.attributes["axes"] if "axes" in node.attributes else _ints(inputs, 1)
    for axis in sorted(one % (len(_shape(inputs)) + len(given)) for one in given):
        size.insert(axis, 1)
    return [tuple(size)]


def _squeeze(node: OnnxNode, inputs: Inputs) -> Outputs:
    size = _shape(inputs)
    asked = "axes" in node.attributes or len(inputs) > 1
    axes = _axes(node, inputs, 1, len(size)) if asked else [axis for axis, one in enumerate(size) if one == 1]
    return [tuple(one for axis, one in enumerate(size) if axis not in axes)]


def _transpose(node: OnnxNode, inputs: Inputs) -> Outputs:
    size = _shape(inputs)
    return [tuple(size[axis] for axis in node.attributes.get("perm", range(len(size))[::-1]))]


def _flatten(node: OnnxNode, inputs: Inputs) -> Outputs:
    size, axis = _shape(inputs), node.attributes.get("axis", 1)
    return [(prod(size[:axis]), prod(size[axis:]))]


def _slices(node: OnnxNode, inputs: Inputs, size: Shape) -> tuple[slice, ...]:
    if "starts" in node.attributes:  # up to opset 9
        starts, ends, steps = node.attributes["starts"], node.attributes["ends"], [1] * len(node.attributes["starts"])
        axes = node.attributes.get("axes", range(len(starts)))
    else:
        starts, ends = _ints(inputs, 1), _ints(inputs, 2)
        axes = _ints(inputs, 3) if len(inputs) > 3 and inputs[3] is not ABSENT else range(len(starts))
        steps = _ints(inputs, 4) if len(inputs) > 4 else [1] * len(starts)
    found = [slice(None)] * len(size)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        found[axis] = slice(start, None if step < 0 and end < -size[axis] else end, step)
    return tuple(found)


def _slice(node: OnnxNode, inputs: Inputs) -> Outputs:
    size = _shape(inputs)
    return [tuple(len(range(one)[part]) for one, part in zip(size, _slices(node, inputs, size), strict=True))]


def _expand(node: OnnxNode, inputs: Inputs) -> Outputs:
    import numpy as np

    return [np.broadcast_shapes(_shape(inputs), tuple(_ints(inputs, 1)))]


def _tile(node: OnnxNode, inputs: Inputs) -> Outputs:
    return [tuple(one * times for one, times in zip(_shape(inputs), _ints(inputs, 1), strict=True))]


def _pad(node: OnnxNode, inputs: Inputs) -> Outputs:
    size = _shape(inputs)
    pads = node.attributes["pads"] if "pads" in node.attributes else _ints(inputs, 1)
    axes = _ints(inputs, 3) if len(inputs) > 3 else range(len(size))
    found = list(size)
    for place, axis in enumerate(axes):
        found[axis] += pads[place] + pads[len(pads) // 2 + place]
    return [tuple(found)]


def _reduce(node: OnnxNode, inputs: Inputs) -> Outputs:
    size = _shape(inputs)
    axes = _axes(node, inputs, 1, len(size))
    if node.attributes.get("keepdims", 1):
        return [tuple(1 if axis in axes else one for axis, one in enumerate(size))]
    return [tuple(one for axis, one in enumerate(size) if axis not in axes)]


def _arg(node: OnnxNode, inputs: Inputs) -> Outputs:
    return _reduce(OnnxNode(node.op, [], [], {**node.attributes, "axes": [node.attributes.get("axis", 0)]}), inputs)


def _split(node: OnnxNode, inputs: Inputs) -> Outputs:
    size, parts = _shape(inputs), len(node.outputs)
    axis = node.attributes.get("axis", 0) % len(size)
    given = node.attributes.get("split") or (_ints(inputs, 1) if len(inputs) > 1 and inputs[1] is not ABSENT else None)
    each = -(-size[axis] // parts)
    lengths = given or [min(each, size[axis] - each * place) for place in range(parts)]
    return [(*size[:axis], one, *size[axis + 1 :]) for one in lengths]


def _resize(node: OnnxNode, inputs: Inputs) -> Outputs:
    size = _shape(inputs)
    if len(inputs) > 3 and inputs[3] is not ABSENT:
        return [tuple(_ints(inputs, 3))]
    scales = inputs[1 if node.op == "Upsample" else 2].value
    return [tuple(int(one * scale) for one, scale in zip(size, scales.tolist(), strict=True))]


def _recurrent(node: OnnxNode, inputs: Inputs) -> Outputs:
    steps, batch, _ = _shape(inputs)
    directions, _, hidden = _shape(inputs, 2)
    return [(steps, directions, batch, hidden), *[(directions, batch, hidden)] * 2][: len(node.outputs)]


def _quantised(node: OnnxNode, inputs: Inputs) -> Outputs:
    return [_shape(inputs), (), ()]


def _normalised(node: OnnxNode, inputs: Inputs) -> Outputs:
    """LayerNormalization and its kin: the first output only is the inputs' shape, the others are seldom there."""
    size = _shape(inputs)
    statistics = (*size[:-1], 1)
    return [size, statistics, statistics, size][: len(node.outputs)]


def _constant_of_shape(node: OnnxNode, inputs: Inputs) -> Outputs:
    return [tuple(_ints(inputs, 0))]


def _range(node: OnnxNode, inputs: Inputs) -> Outputs:
    first, last, step = (inputs[place].value.item() for place in range(3))
    return [(max(0, int(-(-(last - first) // step))),)]


def _big_constant(node: OnnxNode, inputs: Inputs) -> Outputs:
    return [next(one.shape for one in node.attributes.values() if isinstance(one, Constant))]


def _gather_nd(node: OnnxNode, inputs: Inputs) -> Outputs:
    size, places, batch = _shape(inputs), _shape(inputs, 1), node.attributes.get("batch_dims", 0)
    return [(*places[:-1], *size[batch + places[-1] :])]


def _depth_to_space(node: OnnxNode, inputs: Inputs) -> Outputs:
    batch, depth, high, wide = _shape(inputs)
    block = node.attributes["blocksize"]
    return [(batch, depth // block**2, high * block, wide * block)]


def _n_bits(node: OnnxNode, inputs: Inputs) -> Outputs:
    return [(*_shape(inputs)[:-1], node.attributes["N"])]


def _top(node: OnnxNode, inputs: Inputs) -> Outputs:
    size = list(_shape(inputs))
    size[node.attributes.get("axis", -1)] = _ints(inputs, 1)[0]
    return [tuple(size)] * 2


RULES: dict[str, Rule] = {
    "ArgMax": _arg, "ArgMin": _arg, "AveragePool": _pool, "Concat": _concat, "Constant": _big_constant, "ConstantOfShape": _constant_of_shape,
    "Conv": _conv(1), "ConvInteger": _conv(1), "ConvTranspose": _conv_transpose, "DepthToSpace": _depth_to_space, "DynamicQuantizeLinear": _quantised,
    "DynamicQuantizeMatMul": _matmul(0, 1), "Expand": _expand, "Flatten": _flatten, "FusedConv": _conv(1), "FusedGemm": _gemm(0, 1),
    "FusedMatMul": _matmul(0, 1), "GRU": _recurrent, "Gather": _gather, "GatherElements": lambda node, inputs: [_shape(inputs, 1)], "GatherND": _gather_nd,
    "Gemm": _gemm(0, 1), "GlobalAveragePool": _global_pool, "GlobalMaxPool": _global_pool, "LSTM": _recurrent, "LayerNormalization": _normalised,
    "MatMul": _matmul(0, 1), "MatMulInteger": _matmul(0, 1), "MatMulIntegerToFloat": _matmul(0, 1), "MatMulNBits": _n_bits, "MaxPool": _pool, "Pad": _pad,
    "QGemm": _gemm(0, 3), "QLinearConv": _conv(3), "QLinearGlobalAveragePool": _global_pool, "QLinearMatMul": _matmul(0, 3), "RNN": _recurrent,
    "Range": _range, "Reshape": _reshape, "Resize": _resize, "ScatterND": _same, "SimplifiedLayerNormalization": _normalised,
    "SkipLayerNormalization": _normalised, "SkipSimplifiedLayerNormalization": _normalised, "Slice": _slice, "Split": _split, "Squeeze": _squeeze,
    "Tile": _tile, "TopK": _top, "Transpose": _transpose, "Unsqueeze": _unsqueeze, "Upsample": _resize,
    **{f"Reduce{kind}": _reduce for kind in ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare")},
}
LIKE_FIRST = {
    "Abs", "BatchNormalization", "BiasGelu", "Cast", "Ceil", "Clip", "Cos", "CumSum", "DequantizeLinear", "Dropout", "Elu", "Erf", "Exp", "FastGelu", "Floor",
    "Gelu", "GroupNormalization", "HardSigmoid", "HardSwish", "Identity", "InstanceNormalization", "IsInf", "IsNaN", "LRN", "LeakyRelu", "Log", "LogSoftmax",
    "Mish", "Neg", "Not", "QLinearAdd", "QLinearLeakyRelu", "QLinearMul", "QLinearSigmoid", "QLinearSoftmax", "QuantizeLinear", "QuickGelu", "RMSNormalization",
    "Reciprocal", "Relu", "Round", "Sigmoid", "Sign", "Sin", "Softmax", "Softplus", "Softsign", "Sqrt", "Tanh", "Trilu",
}
BROADCAST = {
    "Add", "And", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Mean", "Min", "Mod", "Mul", "Or", "PRelu", "Pow", "Sub", "Sum",
    "Where", "Xor",
}
