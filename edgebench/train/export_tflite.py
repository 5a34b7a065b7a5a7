"""A Classifier -> a TFLite file with one signature for each length (`length_32`, ...; batch 1, int32), sharing the weights.

The files open and give the same answers in ai-edge-litert 1.2 and later and in tflite-runtime 2.14: the word table is read by
EMBEDDING_LOOKUP (indexing it instead gives a GATHER_ND that 2.14 does not know), and two things about int8 are done for it.

* 2.14 does not know a scale for each channel of a weight. It opens such a file and answers zeros, so every matrix has one
  scale, and the channels' own are multiplied onto the output (`edgebench.train.quantize`).
* Rows of activations are quantised with a zero point (asymmetrically), as XNNPACK always does it. Without that flag 2.14 is
  twice as far from the net. In LiteRT it changes neither answers nor time.

int4 and int8-static have a scale for each channel and are for LiteRT alone. int4 took 7.2 ms of processor time where int8 took 8.0, at half the
size; with ranges fixed beforehand (int8-static) it was 10.2 (bundled TinyBERT, 64 tokens, one thread).

2.14 has no fast path for int8: it took four times as long as fp32 there. In LiteRT 2.3 int8 takes a third of fp32's time.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from edgebench.train.quantize import scaled

if TYPE_CHECKING:
    from edgebench.train.export import Samples, Write

ASYMMETRIC_VERSION = 9  # the version of FULLY_CONNECTED that brought `asymmetric_quantize_inputs`


class _Named(nn.Module):
    """The converter names outputs after the keys of a dictionary."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        return {"logits": self.module(input_ids, attention_mask)}


def writer() -> Write:
    """`write`, or ImportError naming what is missing."""
    with quiet():
        import ai_edge_quantizer  # noqa: F401
        import litert_torch  # noqa: F401

    return write


def write(module: nn.Module, path: Path, precision: str, lengths: Sequence[int], samples: Samples = ()) -> None:
    """Write `module` to `path`, with a signature for each of `lengths`."""
    with quiet():
        if precision == "fp32":
            _convert(module, path, lengths)
            return
        full = path.with_suffix(".fp32.tflite")
        _convert(scaled(module) if precision == "int8" else module, full, lengths)
        model = full.read_bytes()
        if precision == "int8":
            path.write_bytes(_quantize(_asymmetric(model)))
        elif precision == "int4":
            path.write_bytes(_quantize_int4(model))
        else:
            path.write_bytes(_quantize_static(model, lengths, samples))
        full.unlink()


def _convert(module: nn.Module, path: Path, lengths: Sequence[int]) -> None:
    import litert_torch

    converter = litert_torch.Converter()
    for length in lengths:
        ids, mask = torch.ones(2, 1, length, dtype=torch.int64)  # two tensors: one given twice would be merged; int32 in the file
        converter.add_signature(f"length_{length}", _Named(module).eval(), sample_kwargs={"input_ids": ids, "attention_mask": mask})
    converter.convert().export(str(path))


def _asymmetric(model: bytes) -> bytes:
    """The file with every FULLY_CONNECTED told to quantise its input with a zero point; it matters once weights are int8."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    tree = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(model), 0))
    for graph in tree.subgraphs:
        for operation in graph.operators:
            if isinstance(operation.builtinOptions, schema.FullyConnectedOptionsT):
                operation.builtinOptions.asymmetricQuantizeInputs = True
    for code in tree.operatorCodes:
        if code.builtinCode == schema.BuiltinOperator.FULLY_CONNECTED:
            code.version = max(code.version, ASYMMETRIC_VERSION)
    builder = flatbuffers.Builder(len(model))
    builder.Finish(tree.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _quantize(model: bytes) -> bytes:
    """Weights of matrix products and the word table to int8, one scale for each tensor; activations stay float in the file."""
    from ai_edge_quantizer import qtyping, quantizer

    job = quantizer.Quantizer(bytearray(model))
    for operation in (qtyping.TFLOperationName.FULLY_CONNECTED, qtyping.TFLOperationName.EMBEDDING_LOOKUP):
        job.add_dynamic_config(".*", operation, 8, granularity=qtyping.QuantGranularity.TENSORWISE)
    return bytes(job.quantize().quantized_model)


def _quantize_int4(model: bytes) -> bytes:
    """The same operations with weights of 4 bits, one scale for each output channel, for each word of the table."""
    from ai_edge_quantizer import qtyping, quantizer

    job = quantizer.Quantizer(bytearray(model))
    for operation in (qtyping.TFLOperationName.FULLY_CONNECTED, qtyping.TFLOperationName.EMBEDDING_LOOKUP):
        job.add_dynamic_config(".*", operation, 4, granularity=qtyping.QuantGranularity.CHANNELWISE)
    return bytes(job.quantize().quantized_model)


def _quantize_static(model: bytes, lengths: Sequence[int], samples: Samples) -> bytes:
    """Matrix products wholly in int8, in ranges measured on the samples at each length; of the table the weights alone."""
    from ai_edge_quantizer import qtyping, quantizer

    job = quantizer.Quantizer(bytearray(model))
    job.add_static_config(".*", qtyping.TFLOperationName.FULLY_CONNECTED, activation_num_bits=8, weight_num_bits=8)
    job.add_dynamic_config(".*", qtyping.TFLOperationName.EMBEDDING_LOOKUP, 8, granularity=qtyping.QuantGranularity.CHANNELWISE)
    ranges = job.calibrate({f"length_{length}": _padded(samples, length) for length in lengths})
    return bytes(job.quantize(ranges).quantized_model)


def _padded(samples: Samples, length: int) -> list[dict[str, Any]]:
    """Each sample as a signature's inputs, cut or padded to its length."""
    feeds = []
    for ids, mask in samples:
        for row, real in zip(ids, mask, strict=True):
            used = row[real.bool()][:length].int()
            padded, ones = torch.zeros(2, 1, length, dtype=torch.int32)
            padded[0, : len(used)], ones[0, : len(used)] = used, 1
            feeds.append({"input_ids": padded.numpy(), "attention_mask": ones.numpy()})
    return feeds


@contextmanager
def quiet() -> Iterator[None]:
    """Without the converters' progress bars, warnings and log lines; what C++ writes to stderr still comes through."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
