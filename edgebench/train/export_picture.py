"""A net of pictures -> files for every engine, in fp32, with static int8 (weights and activations of convolutions in 8 bits), or,
ONNX only, with weights that lie on 256 levels stored as such and all arithmetic in float32 ("uint8").

ONNX, TorchScript and ExecuTorch files take (1, 3, height, width) float32, TFLite files (1, height, width, 3): each engine's own order, so
that no transposition is left in the graph. The batch is one: what an app asks about one picture, and engines optimise best.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgebench.errors import MissingError, UsageError, did_you_mean
from edgebench.models.artifact import digest_of
from edgebench.train import export_executorch
from edgebench.train.export import EXECUTORCH, SUFFIXES, VARIANTS, Exported, extras, whole
from edgebench.train.export_onnx import OPSET
from edgebench.train.export_tflite import quiet
from edgebench.train.export_torchscript import without_debug

INPUT = "picture"
TFLITE_INPUT = "args_0"  # the converter's own name for it
KNOWN = (*VARIANTS, "onnx/uint8", *EXECUTORCH)
LEVELS = 256


@dataclass(frozen=True)
class PictureNet:
    """`module` takes (1, 3, height, width) float32 and returns a tensor for each of `outputs`, or one tensor for one."""

    module: nn.Module
    height: int
    width: int
    outputs: tuple[str, ...]

    @property
    def sample(self) -> Tensor:
        return torch.rand(1, 3, self.height, self.width, generator=torch.Generator().manual_seed(0)) * 2 - 1

    def __call__(self, picture: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """The module's own answer to one (1, 3, height, width) array."""
        with torch.inference_mode():
            found = self.module(torch.from_numpy(picture))
        return dict(zip(self.outputs, (one.numpy() for one in _several(found)), strict=True))


def export_picture(
    net: PictureNet, folder: Path, *, variants: Sequence[str], calibration: Sequence[NDArray[np.float32]] = (),
    progress: Callable[[str], None] = lambda name: None,
) -> list[Exported]:
    """Write `net` into `folder` as {folder's name}-{precision}{suffix}, one file for each of `variants`, e.g. "onnx/int8".

    `calibration` are inputs as the module takes them, from which int8 learns the ranges of activations.
    """
    for asked in variants:
        if asked not in KNOWN:
            raise UsageError(f"there is no variant {asked!r} to export to; there are {', '.join(KNOWN)}.{did_you_mean(asked, KNOWN)}")
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for variant in dict.fromkeys(variants):
        progress(variant)
        form, _, precision = variant.partition("/")
        path = folder / f"{folder.name}-{precision}{SUFFIXES[form]}"
        try:
            with whole(path) as part, torch.no_grad():
                WRITERS[form](net, part, calibration if precision == "int8" else None)
                if precision == "uint8":
                    store_levels(part)
        except ImportError as error:
            what = f"export to {form} needs {error.name or error}, which cannot be imported ({error})"
            raise MissingError(f"{what}; install edgebench[{extras(form)}]") from error
        written.append(Exported(form, precision, path, digest_of(path), path.stat().st_size))
    return written


def _onnx(net: PictureNet, path: Path, calibration: Sequence[NDArray[np.float32]] | None) -> None:
    full = path if calibration is None else path.with_suffix(".fp32.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch 2.9 and later prefer the other exporter; sizes that tracing fixes are fixed in the file anyway
        torch.onnx.export(net.module, (net.sample,), str(full), input_names=[INPUT], output_names=list(net.outputs), opset_version=OPSET, dynamo=False)
    if calibration is not None:
        _quantize_onnx(full, path, calibration)
        full.unlink()


def store_levels(path: Path) -> None:
    """Rewrite an ONNX file so that each weight of a convolution whose values are levels of one step, `low + n * step` with n from 0 to
    255, is stored as those n: a quarter of the bytes, and the same numbers. Engines compute them back once, when they open it."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(str(path))
    graph = model.graph
    constants = {one.name: one for one in graph.initializer}
    before = []
    for name in dict.fromkeys(node.input[1] for node in graph.node if node.op_type == "Conv"):
        found = levels(numpy_helper.to_array(constants[name])) if name in constants else None
        if found is None:
            continue
        numbers, step, low = found
        graph.initializer.remove(constants[name])
        for suffix, array in (("levels", numbers), ("step", np.float32(step)), ("low", np.float32(low))):
            graph.initializer.append(numpy_helper.from_array(np.asarray(array), f"{name}.{suffix}"))
        before += [
            helper.make_node("Cast", [f"{name}.levels"], [f"{name}.number"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{name}.number", f"{name}.step"], [f"{name}.above"]),
            helper.make_node("Add", [f"{name}.above", f"{name}.low"], [name]),
        ]
    nodes = [*before, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save(model, str(path))


def levels(weight: NDArray[np.float32]) -> tuple[NDArray[np.uint8], float, float] | None:
    """(numbers, step, low) with weight = low + numbers * step, to float32's own rounding; None for any other weight."""
    values = np.unique(weight).astype(np.float64)
    if not 1 < len(values) <= LEVELS:
        return None
    span = values[-1] - values[0]
    steps = round(span / np.diff(values).min())
    numbers = np.round((weight.astype(np.float64) - values[0]) / (span / steps))
    if steps >= LEVELS or np.abs(values[0] + numbers * (span / steps) - weight).max() > 1e-6 * np.abs(values).max():
        return None
    return numbers.astype(np.uint8), span / steps, float(values[0])


def _quantize_onnx(full: Path, path: Path, calibration: Sequence[NDArray[np.float32]]) -> None:
    """Weights int8 of 7 bits, as x86 without VNNI needs them, one scale for each output channel; activations uint8, one scale for each tensor."""
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.rows = iter(calibration)

        def get_next(self) -> dict[str, Any] | None:
            row = next(self.rows, None)
            return None if row is None else {INPUT: row}

    with quiet():
        quantization.quantize_static(
            full, path, Reader(), quant_format=quantization.QuantFormat.QDQ, per_channel=True, reduce_range=True,
            activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QInt8,
        )


def _tflite(net: PictureNet, path: Path, calibration: Sequence[NDArray[np.float32]] | None) -> None:
    with quiet():
        import litert_torch

        module = litert_torch.to_channel_last_io(_Named(net).eval(), args=[0])
        litert_torch.convert(module, (net.sample.permute(0, 2, 3, 1).contiguous(),)).export(str(path))
        if calibration is not None:
            path.write_bytes(_quantize_tflite(path.read_bytes(), calibration))


def _quantize_tflite(model: bytes, calibration: Sequence[NDArray[np.float32]]) -> bytes:
    """Weights and activations int8; input and output stay float32."""
    from ai_edge_quantizer import qtyping, quantizer, recipe

    job = quantizer.Quantizer(bytearray(model), recipe.static_wi8_ai8())
    for edge in (qtyping.TFLOperationName.INPUT, qtyping.TFLOperationName.OUTPUT):
        job.update_quantization_recipe(regex=".*", operation_name=edge, algorithm_key="no_quantize")
    ranges = job.calibrate({"serving_default": [{TFLITE_INPUT: row.transpose(0, 2, 3, 1)} for row in calibration]})
    return bytes(job.quantize(ranges).quantized_model)


def _torchscript(net: PictureNet, path: Path, calibration: Sequence[NDArray[np.float32]] | None) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch 2.9 and later call torch.jit and torch.ao.quantization deprecated at every use
        module = net.module if calibration is None else _quantized_torch(net, calibration)
        program = torch.jit.freeze(torch.jit.trace(module, net.sample).eval())
        tensors = {
            "inputs": [{"name": INPUT, "dtype": "float32", "shape": [1, 3, net.height, net.width]}],
            "outputs": [
                {"name": name, "dtype": str(one.dtype).removeprefix("torch."), "shape": list(one.shape)}
                for name, one in zip(net.outputs, _several(program(net.sample)), strict=True)
            ],
        }
        traced = path.with_suffix(".traced.pt")
        torch.jit.save(program, str(traced), _extra_files={"edgebench.json": json.dumps(tensors)})
    without_debug(traced, path)
    traced.unlink()


def _quantized_torch(net: PictureNet, calibration: Sequence[NDArray[np.float32]]) -> nn.Module:
    """Weights int8, one scale for each output channel; activations uint8 of 7 bits, as x86 without VNNI needs it."""
    from torch.ao.quantization import get_default_qconfig_mapping, quantize_fx

    prepared = quantize_fx.prepare_fx(net.module, get_default_qconfig_mapping("x86"), (net.sample,))
    for row in calibration:
        prepared(torch.from_numpy(row))
    module: nn.Module = quantize_fx.convert_fx(prepared)
    return module


def _executorch(net: PictureNet, path: Path, calibration: Sequence[NDArray[np.float32]] | None) -> None:
    parts = export_executorch.Program({INPUT: net.sample}, net.outputs)
    export_executorch.write_program(net.module, path, parts, None if calibration is None else export_executorch.quantised_picture(calibration))


class _Named(nn.Module):
    """The converter names outputs after the keys of a dictionary."""

    def __init__(self, net: PictureNet) -> None:
        super().__init__()
        self.module, self.names = net.module, net.outputs

    def forward(self, picture: Tensor) -> dict[str, Tensor]:
        return dict(zip(self.names, _several(self.module(picture)), strict=True))


def _several(found: Tensor | Sequence[Tensor]) -> Sequence[Tensor]:
    return (found,) if isinstance(found, Tensor) else found


WRITERS: dict[str, Callable[[PictureNet, Path, Sequence[NDArray[np.float32]] | None], None]] = {
    "onnx": _onnx, "tflite": _tflite, "torchscript": _torchscript, "executorch": _executorch,
}
