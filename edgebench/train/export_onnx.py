"""A Classifier -> an ONNX file with dynamic batch and length, in fp32 or with dynamic int8.

The exporter that traces (opset 17) is used, not the one on torch.export: on the same net its graph was 5 to 10 % faster in
onnxruntime 1.32, in fp32 and in int8, and smaller. Fusing the graph first (onnxruntime.transformers) gained nothing in fp32
and made int8 slower.

int8: weights are int8, one scale for each output channel; activations are quantised as they come, one scale for a whole
tensor. The weights use 7 of their bits: without VNNI an x86-64 processor adds two products of 8 bits in 16, which saturates;
probabilities of a test net were up to 0.22 off there, with 7 bits 0.05. uint8 weights took 1.5 times as long on a processor
with VNNI, one scale for a whole matrix lost 2.5 times as much.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn

from edgebench.train.quantize import scaled_words

OPSET = 17


def writer() -> Callable[[nn.Module, Path, str, Sequence[int]], None]:
    """`write`, or ImportError naming what is missing."""
    import onnx  # noqa: F401
    import onnxruntime.quantization  # noqa: F401

    return write


def write(module: nn.Module, path: Path, precision: str, lengths: Sequence[int]) -> None:
    """Write `module` to `path`. `lengths` do not matter: the graph takes any."""
    if precision == "fp32":
        _trace(module, path)
        return
    full = path.with_suffix(".fp32.onnx")
    _trace(scaled_words(module), full)
    _quantize(full, path)
    full.unlink()


def _trace(module: nn.Module, path: Path) -> None:
    sample = torch.ones(2, 7, dtype=torch.int64)
    names = ["input_ids", "attention_mask"]
    axes = {**{name: {0: "batch", 1: "length"} for name in names}, "logits": {0: "batch"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch 2.9 and later prefer the other exporter
        torch.onnx.export(
            module, (sample, sample), str(path), input_names=names, output_names=["logits"], dynamic_axes=axes, opset_version=OPSET, dynamo=False,
        )


def _quantize(source: Path, path: Path) -> None:
    """Matrix products with a constant, and the table of words; everything else stays float."""
    import logging

    from onnxruntime.quantization import QuantType, quantize_dynamic

    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # it advises, on the root logger, a step that changes nothing for these graphs
    try:
        quantize_dynamic(source, path, weight_type=QuantType.QInt8, per_channel=True, reduce_range=True, op_types_to_quantize=["MatMul", "Gather"])
    finally:
        root.setLevel(level)
