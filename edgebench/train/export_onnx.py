"""A Classifier -> an ONNX file with dynamic batch and length, in fp32 or with dynamic int8.

The exporter that traces (opset 17) is used, not the one on torch.export: on the same net its graph was 5 to 10 % faster in
onnxruntime 1.32, in fp32 and in int8, and smaller. Fusing the graph first (onnxruntime.transformers) gained nothing in fp32
and made int8 slower.

int4: blocks of 32 weights share a step, the table of words too; the products are computed in int8 (accuracy level 4), faster here than in float.
int8-static: the ranges of what goes into a product are the least and largest on the samples (the quantiser's percentiles want texts of one length).

int8: weights are signed, of 7 bits, one scale for each output channel; activations are quantised as they come, one scale for a whole
tensor. Eight bits saturate on x86 processors without VNNI, which add two products within 16 bits: on an AMD EPYC with AVX2 alone the bundled
TinyBERT's probabilities were then 0.020 from fp32 in the mean of 872 sentences and 0.52 at most, with seven 0.010 and 0.29, in the same time.
uint8 weights took 1.5 times as long on a processor with VNNI, one scale for a whole matrix lost 2.5 times as much.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from edgebench.train.quantize import scaled_words

if TYPE_CHECKING:
    from edgebench.train.export import Samples, Write

OPSET = 17
BLOCK = 32  # weights that share a step at 4 bits


def writer() -> Write:
    """`write`, or ImportError naming what is missing."""
    import onnx  # noqa: F401
    import onnxruntime.quantization  # noqa: F401

    return write


def write(module: nn.Module, path: Path, precision: str, lengths: Sequence[int], samples: Samples = ()) -> None:
    """Write `module` to `path`. `lengths` do not matter: the graph takes any."""
    with torch.no_grad():
        for_texts = module(_SAMPLE, _SAMPLE).ndim == 2  # (B, C); of a tagger (B, S, C)
    open_sizes = {"input_ids": _BOTH, "attention_mask": _BOTH, "logits": {0: "batch"} if for_texts else _BOTH}
    write_graph(module, path, precision, Graph({"input_ids": _SAMPLE, "attention_mask": _SAMPLE}, ("logits",), open_sizes), samples)


@dataclass(frozen=True)
class Graph:
    """A graph's tensors: an example of each input, and the sizes that are open, e.g. {"input_ids": {0: "batch", 1: "length"}}.

    Products whose node's name holds one of `unsigned` have weights of all 8 bits in int8, those of `exact` stay in float: see `_quantize`.
    """

    inputs: dict[str, Tensor]
    outputs: tuple[str, ...]
    open: dict[str, dict[int, str]]
    unsigned: tuple[str, ...] = ()
    exact: tuple[str, ...] = ()


_BOTH = {0: "batch", 1: "length"}
_SAMPLE = torch.ones(2, 7, dtype=torch.int64)


def write_graph(module: nn.Module, path: Path, precision: str, graph: Graph, samples: Samples = ()) -> None:
    """Write any module whose tensors are `graph` to `path`. int8-static needs `samples`, and a graph of ids and their mask."""
    if precision == "fp32":
        _trace(module, path, graph)
        return
    full = path.with_suffix(".fp32.onnx")
    _trace(module if precision == "int4" else scaled_words(module), full, graph)
    with _quiet_root():
        if precision == "int4":
            _quantize_int4(full, path)
        elif precision == "int8-static":
            _quantize_static(full, path, samples)
        else:
            _quantize(full, path, graph.unsigned, graph.exact)
    full.unlink()


def _trace(module: nn.Module, path: Path, graph: Graph) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch 2.9 and later prefer the other exporter
        torch.onnx.export(
            module, tuple(graph.inputs.values()), str(path), input_names=list(graph.inputs), output_names=list(graph.outputs),
            dynamic_axes=graph.open, opset_version=OPSET, dynamo=False,
        )


def _quantize(source: Path, path: Path, unsigned: Sequence[str] = (), exact: Sequence[str] = ()) -> None:
    """Matrix products with a constant, and the table of words; everything else stays float.

    Products of `unsigned` get unsigned weights of 8 bits, which saturate nowhere and are slower with VNNI alone; those of `exact` none.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    first = path.with_suffix(".signed.onnx") if unsigned else path
    others = _products(source, (*unsigned, *exact))
    quantize_dynamic(
        source, first, weight_type=QuantType.QInt8, per_channel=True, reduce_range=True, op_types_to_quantize=["MatMul", "Gather"], nodes_to_exclude=others,
    )
    if unsigned:
        nodes = _products(first, unsigned)
        quantize_dynamic(first, path, weight_type=QuantType.QUInt8, per_channel=True, op_types_to_quantize=["MatMul"], nodes_to_quantize=nodes)
        first.unlink()


def _products(path: Path, parts: Sequence[str]) -> list[str]:
    """Names of products with one of `parts` in them, and what the quantiser calls one with a bias when it has taken that off."""
    import onnx

    if not parts:
        return []  # nothing to look for: the file, which may be large, is not read
    names = [node.name for node in onnx.load(path, load_external_data=False).graph.node if node.op_type in ("MatMul", "Gemm")]
    found = {part: [name for name in names if part in name] for part in parts}
    if missing := [part for part, some in found.items() if not some]:
        raise ValueError(f"{path.name} has no product named {missing[0]!r}; it has {', '.join(names)}")
    return [alias for some in found.values() for name in some for alias in (name, f"{name}_MatMul")]


def _quantize_static(source: Path, path: Path, samples: Samples) -> None:
    """The same operations, with activations in uint8 of ranges measured on each sample by itself, unpadded."""
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    graph = onnx.load(source).graph
    constants = {one.name for one in graph.initializer}
    place = {"MatMul": 1, "Gather": 0}
    nodes = [node.name for node in graph.node if node.op_type in place and node.input[place[node.op_type]] in constants]
    quantize_static(
        source, path, _Reader(samples), quant_format=QuantFormat.QDQ, per_channel=True, weight_type=QuantType.QInt8, activation_type=QuantType.QUInt8,
        reduce_range=True, nodes_to_quantize=nodes,
    )


class _Reader:
    """Samples one by one, as the quantiser asks for them."""

    def __init__(self, samples: Samples) -> None:
        self._rows = iter([row[real.bool()].numpy()[None] for ids, mask in samples for row, real in zip(ids, mask, strict=True)])

    def get_next(self) -> dict[str, Any] | None:
        row = next(self._rows, None)
        return None if row is None else {"input_ids": row, "attention_mask": row * 0 + 1}


def _quantize_int4(source: Path, path: Path) -> None:
    import onnx
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    axes = (("MatMul", 0), ("Gather", 1))
    job = MatMulNBitsQuantizer(
        onnx.load(source), bits=4, block_size=BLOCK, is_symmetric=True, accuracy_level=4, op_types_to_quantize=("MatMul", "Gather"), quant_axes=axes,
    )
    with np.errstate(divide="ignore", invalid="ignore"):  # a block of zeros, as of the padding word, is divided by its step of 0 and then set to 0
        job.process()
    job.model.save_model_to_file(str(path))


@contextmanager
def _quiet_root() -> Iterator[None]:
    """The quantisers advise, on the root logger, steps that change nothing for these graphs, and name each node at every turn."""
    import logging

    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(disabled)
