"""A Classifier -> a TorchScript file with dynamic batch and length, in fp32 or with dynamic int8, that names its tensors.

int8: weights of 7 bits, one scale for each output channel, and activations of 8 bits, one scale for a whole tensor. torch's
default is the other way round (weights of 8, activations of 7), which lost twice as much. Seven bits on one side keep the
sum of two products within 16 bits, on which x86 processors without VNNI rely. The word table is uint8, one scale for each word.
The file loads where the int8 engine is x86, fbgemm, onednn or qnnpack: weights are packed for it when they are read.
"""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from edgebench.train.export import Samples
    from edgebench.train.export_onnx import Graph

DEBUG = ".debug_pkl"


def write(module: nn.Module, path: Path, precision: str, lengths: Sequence[int], samples: Samples = ()) -> None:
    """Write `module` to `path`. `lengths` and `samples` do not matter: the program takes any length and measures ranges as it runs."""
    short, long = torch.ones(2, 7, dtype=torch.int64), torch.ones(3, 19, dtype=torch.int64)
    write_program(module, path, precision, (short, short), (long, long), _tensors)


def write_program(
    module: nn.Module, path: Path, precision: str, sample: tuple[Tensor, ...], other: tuple[Tensor, ...], tensors: Callable[[Any], dict[str, Any]]
) -> None:
    """Write any module, traced on `sample` and checked on `other`, with what `tensors` says of the program's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch 2.9 and later call torch.jit and torch.ao.quantization deprecated at every use
        program = torch.jit.trace(module if precision == "fp32" else quantized(module), sample, check_inputs=[other])
        traced = path.with_suffix(".traced.pt")
        torch.jit.save(program, str(traced), _extra_files={"edgebench.json": json.dumps(tensors(program))})
    without_debug(traced, path)
    traced.unlink()


def write_graph(module: nn.Module, path: Path, precision: str, graph: Graph, other: tuple[Tensor, ...] | None = None) -> None:
    """Write any module whose tensors are `graph`, checked on the inputs `other` where there are some."""

    def tensors(program: Any) -> dict[str, Any]:
        results = program(*graph.inputs.values())
        outputs = dict(zip(graph.outputs, results if isinstance(results, tuple) else (results,), strict=True))
        described = [
            [{"name": name, "dtype": str(one.dtype).removeprefix("torch."),
              "shape": [None if place in graph.open[name] else size for place, size in enumerate(one.shape)]} for name, one in group.items()]
            for group in (graph.inputs, outputs)
        ]  # fmt: skip
        return dict(zip(("inputs", "outputs"), described, strict=True))

    sample = tuple(graph.inputs.values())
    write_program(module, path, precision, sample, other or sample, tensors)


def quantized(module: nn.Module) -> nn.Module:
    """A copy of `module` with int8 Linears and a uint8 word table."""
    from torch.ao import quantization

    weights = quantization.PerChannelMinMaxObserver.with_args(dtype=torch.qint8, qscheme=torch.per_channel_symmetric, quant_min=-64, quant_max=63)
    linear = quantization.QConfig(activation=quantization.default_dynamic_quant_observer, weight=weights)
    how = {nn.Linear: linear, nn.Embedding: quantization.float_qparams_weight_only_qconfig}
    kinds = {nn.Linear: _linear(), nn.Embedding: torch.ao.nn.quantized.Embedding}
    swapped: nn.Module = quantization.quantize_dynamic(copy.deepcopy(module), how, mapping=kinds)
    return swapped


def _linear() -> type[nn.Module]:
    """torch's dynamic int8 Linear with activations of 8 bits; torch itself always takes 7 (`reduce_range`)."""

    class Linear(torch.ao.nn.quantized.dynamic.Linear):
        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = torch.ops.quantized.linear_dynamic(x, self._packed_params._packed_params, False)
            return out

    return Linear


def _tensors(program: Any) -> dict[str, list[dict[str, Any]]]:
    ids = torch.ones(1, 4, dtype=torch.int64)
    logits = program(ids, ids)
    return {
        "inputs": [{"name": name, "dtype": "int64", "shape": [None, None]} for name in ("input_ids", "attention_mask")],
        "outputs": [{"name": "logits", "dtype": "float32", "shape": [*[None] * (logits.ndim - 1), logits.shape[-1]]}],
    }


def without_debug(source: Path, path: Path) -> None:
    """Copy the archive without its debug records: they name the folders of the machine that wrote it."""
    reader = torch._C.PyTorchFileReader(str(source))
    writer = torch._C.PyTorchFileWriter(str(path))
    for name in reader.get_all_records():
        if not name.endswith(DEBUG) and name not in ("version", "byteorder", ".data/serialization_id"):
            data = reader.get_record(name)
            writer.write_record(name, data, len(data))
    writer.write_end_of_file()
