"""A TFLite graph of pictures -> a torch net with the same arithmetic in float32, for the exporters to write for every engine.

Published detectors and segmenters often exist as a .tflite file only. Its convolutions, additions, poolings and resizes are few
and plain; each becomes the torch function of the same meaning. Weights in 8 bits are dequantised, (q - zero) * scale; the
activations then stay float, so that such a net differs from its file by the rounding that the file does at every step, and by
nothing else. Everything is (N, C, H, W) inside, as torch wants it; a reshape sees TFLite's (N, H, W, C).

SSD's own last operation decodes boxes beside anchors (W. Liu et al., arXiv 1512.02325) and keeps the best. The net decodes,
and leaves keeping (non-maximum suppression) to the caller: engines other than TFLite have no such operation.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from edgebench.errors import CardError

DTYPES = {0: np.float32, 2: np.int32, 3: np.uint8, 4: np.int64, 9: np.int8}  # of the schema's TensorType
NONE, RELU, RELU6 = 0, 1, 3  # of the schema's ActivationFunctionType
DETECTION = b"TFLite_Detection_PostProcess"


class TFLiteNet(nn.Module):
    """(1, 3, H, W) -> the outputs of the file's only graph, maps as (1, C, H, W); of a detector (boxes, scores): (1, N, 4) as
    top, left, bottom, right in parts of the picture, and (1, N, labels) probabilities without the background's."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        from ai_edge_litert import schema_py_generated as schema

        try:
            model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(path.read_bytes()), 0))
            self._graph = model.subgraphs[0]
        except (OSError, TypeError, IndexError, struct.error) as error:
            raise CardError(f"{path} is no TFLite file ({type(error).__name__}: {error}); fetch it again") from error
        self._contents = [one.data for one in model.buffers]
        self._names = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
        self._codes = [(max(one.builtinCode, one.deprecatedBuiltinCode), one.customCode) for one in model.operatorCodes]
        self.steps = nn.ModuleList()
        self._wiring: list[tuple[list[int], int]] = []
        self._outputs = [int(one) for one in self._graph.outputs]
        self._input = int(self._graph.inputs[0])
        for place, operation in enumerate(self._graph.operators):
            self._add(place, operation)

    def forward(self, picture: Tensor) -> Any:
        values = {self._input: picture}
        for step, (inputs, output) in zip(self.steps, self._wiring, strict=True):
            values[output] = step(*[values[one] for one in inputs])
        found = values[self._wiring[-1][1]] if len(self._outputs) > 1 else values[self._outputs[0]]
        return found

    def _add(self, place: int, operation: Any) -> None:
        code, custom = self._codes[operation.opcodeIndex]
        name = self._names[code]
        if custom == DETECTION:
            boxes, scores, anchors = (int(one) for one in operation.inputs)
            self.steps.append(_Decode(self._constant(anchors), bytes(operation.customOptions)))
            self._wiring.append(([boxes, scores], int(operation.outputs[0])))
            return
        make = MAKERS.get(name)
        if make is None:
            raise CardError(f"operation {place} of the TFLite graph is {name}; expected {', '.join(MAKERS)}: write it as a torch function first")
        step, inputs = make(self, operation)
        fused = getattr(operation.builtinOptions, "fusedActivationFunction", 0)
        self.steps.append(_Active(step, fused or self._range_as_activation(int(operation.outputs[0]))))
        self._wiring.append((inputs, int(operation.outputs[0])))

    def shape(self, tensor: int) -> list[int]:
        return [int(one) for one in self._graph.tensors[tensor].shape]

    def _constant(self, tensor: int) -> Tensor:
        """A constant's values, as float32 where it is quantised."""
        about = self._graph.tensors[tensor]
        raw: NDArray[Any] = np.frombuffer(bytes(self._contents[about.buffer]), DTYPES[about.type]).reshape(about.shape)
        scheme = about.quantization
        if scheme is not None and scheme.scale is not None and len(scheme.scale):
            wide = [1] * raw.ndim
            if raw.ndim:
                wide[scheme.quantizedDimension if len(scheme.scale) > 1 else 0] = len(scheme.scale)
            zero = np.asarray(scheme.zeroPoint, np.int64).reshape(wide)
            raw = (raw.astype(np.int64) - zero) * np.asarray(scheme.scale, np.float64).reshape(wide)
        return torch.from_numpy(raw.astype(np.float32))

    def _range_as_activation(self, tensor: int) -> int:
        """In a quantised file a ReLU6 may be there only as the range that its output's 8 bits can hold: 0 to 6."""
        scheme = self._graph.tensors[tensor].quantization
        if scheme is None or scheme.scale is None or not len(scheme.scale) or scheme.zeroPoint[0] != 0:
            return NONE
        return RELU6 if abs(255 * float(scheme.scale[0]) - 6) < 0.05 else NONE

    def convolution(self, operation: Any, *, depthwise: bool) -> tuple[nn.Module, list[int]]:
        about = operation.builtinOptions
        source, kernel, bias = (int(one) for one in operation.inputs)
        weight = self._constant(kernel)  # (out, h, w, in), of a depthwise one (1, h, w, channels)
        weight = weight.permute(3, 0, 1, 2) if depthwise else weight.permute(0, 3, 1, 2)
        stride, dilation = (about.strideH, about.strideW), (about.dilationHFactor, about.dilationWFactor)
        height, width = self.shape(source)[1:3]
        pads = [
            _padding(size, tap, step, apart) if about.padding == 0 else (0, 0)
            for size, tap, step, apart in zip((height, width), weight.shape[2:], stride, dilation, strict=True)
        ]
        return _Convolution(weight.contiguous(), self._constant(bias), stride, dilation, pads, weight.shape[0] if depthwise else 1), [source]


class _Convolution(nn.Module):
    """Padded as TFLite's SAME: more at the far side where it does not come out even."""

    def __init__(
        self, weight: Tensor, bias: Tensor, stride: tuple[int, int], dilation: tuple[int, int], pads: list[tuple[int, int]], groups: int
    ) -> None:
        super().__init__()
        (top, bottom), (left, right) = pads
        even = top == bottom and left == right
        self.pads = () if even else (left, right, top, bottom)
        inner = weight.shape[1] * groups
        self.conv = nn.Conv2d(
            inner, weight.shape[0], tuple(weight.shape[2:]), stride, padding=(top, left) if even else 0, dilation=dilation, groups=groups,
        )
        self.conv.weight, self.conv.bias = nn.Parameter(weight), nn.Parameter(bias)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.conv(functional.pad(x, self.pads) if self.pads else x)
        return found


class _Active(nn.Module):
    """`step`, then its fused activation: none, ReLU or ReLU6."""

    def __init__(self, step: nn.Module, kind: int) -> None:
        super().__init__()
        self.step = step
        self.active = {NONE: nn.Identity(), RELU: nn.ReLU(), RELU6: nn.ReLU6()}[kind]

    def forward(self, *inputs: Tensor) -> Tensor:
        found: Tensor = self.active(self.step(*inputs))
        return found


class _Call(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(*inputs)


class _Decode(nn.Module):
    """Boxes out of what the net says of each anchor (centre y, centre x, height, width)."""

    def __init__(self, anchors: Tensor, options: bytes) -> None:
        super().__init__()
        scales = _flexbuffer(options)
        self.centre = nn.Buffer(anchors[:, :2].contiguous())
        self.size = nn.Buffer(anchors[:, 2:].contiguous())
        self.centre_scale = nn.Buffer(torch.tensor([scales["y_scale"], scales["x_scale"]]))
        self.size_scale = nn.Buffer(torch.tensor([scales["h_scale"], scales["w_scale"]]))

    def forward(self, boxes: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        centre = boxes[..., :2] / self.centre_scale * self.size + self.centre
        half = torch.exp(boxes[..., 2:] / self.size_scale) * self.size / 2
        return torch.cat([centre - half, centre + half], dim=-1), scores[..., 1:]


def _flexbuffer(options: bytes) -> dict[str, Any]:
    from flatbuffers import flexbuffers

    found: dict[str, Any] = flexbuffers.Loads(options)
    return found


def _padding(size: int, tap: int, stride: int, dilation: int) -> tuple[int, int]:
    needed = max((-(-size // stride) - 1) * stride + (tap - 1) * dilation + 1 - size, 0)
    return needed // 2, needed - needed // 2


def _add(net: TFLiteNet, operation: Any) -> tuple[nn.Module, list[int]]:
    return _Call(torch.add), [int(one) for one in operation.inputs]


def _average(net: TFLiteNet, operation: Any) -> tuple[nn.Module, list[int]]:
    about = operation.builtinOptions
    taps, strides = (about.filterHeight, about.filterWidth), (about.strideH, about.strideW)
    return nn.AvgPool2d(taps, strides), [int(operation.inputs[0])]


def _concatenate(net: TFLiteNet, operation: Any) -> tuple[nn.Module, list[int]]:
    inputs = [int(one) for one in operation.inputs]
    axis = int(operation.builtinOptions.axis)
    dims = len(net.shape(inputs[0]))
    axis = axis % dims
    if dims == 4 and axis == 3:
        return _Call(lambda *parts: torch.cat(parts, dim=1)), inputs
    return _Call(lambda *parts: torch.cat(parts, dim=axis)), inputs


def _reshape(net: TFLiteNet, operation: Any) -> tuple[nn.Module, list[int]]:
    source, wanted = int(operation.inputs[0]), net.shape(int(operation.outputs[0]))
    # detectors reshape to a vector for each anchor: without the 1 of (1, anchors, 1, 4) only maps have four dimensions
    wanted = [one for place, one in enumerate(wanted) if not (len(wanted) == 4 and place == 2 and one == 1)]
    return _Call(lambda x: (x.permute(0, 2, 3, 1) if x.dim() == 4 else x).reshape(wanted)), [source]


def _resize(net: TFLiteNet, operation: Any) -> tuple[nn.Module, list[int]]:
    about, source = operation.builtinOptions, int(operation.inputs[0])
    size = tuple(net.shape(int(operation.outputs[0]))[1:3])
    if not about.alignCorners:
        raise CardError("a RESIZE_BILINEAR of the TFLite graph does not align corners, which torch has no like of; write it as a torch function first")
    if tuple(net.shape(source)[1:3]) == size:
        return nn.Identity(), [source]
    if net.shape(source)[1:3] == [1, 1]:
        return _Call(lambda x: x.expand(-1, -1, *size)), [source]
    return _Call(lambda x: functional.interpolate(x, size, mode="bilinear", align_corners=True)), [source]


def _argmax(net: TFLiteNet, operation: Any) -> tuple[nn.Module, list[int]]:
    source = int(operation.inputs[0])
    axis = 1 if len(net.shape(source)) == 4 else -1  # of labels, TFLite's last
    return _Call(lambda x: x.argmax(dim=axis)), [source]


MAKERS: dict[str, Callable[[TFLiteNet, Any], tuple[nn.Module, list[int]]]] = {
    "ADD": _add,
    "ARG_MAX": _argmax,
    "AVERAGE_POOL_2D": _average,
    "CONCATENATION": _concatenate,
    "CONV_2D": lambda net, operation: net.convolution(operation, depthwise=False),
    "DEPTHWISE_CONV_2D": lambda net, operation: net.convolution(operation, depthwise=True),
    "LOGISTIC": lambda net, operation: (nn.Sigmoid(), [int(operation.inputs[0])]),
    "QUANTIZE": lambda net, operation: (nn.Identity(), [int(operation.inputs[0])]),
    "RESHAPE": _reshape,
    "RESIZE_BILINEAR": _resize,
    "SOFTMAX": lambda net, operation: (nn.Softmax(dim=-1), [int(operation.inputs[0])]),
}
