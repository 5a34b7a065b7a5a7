"""A trained BERT classifier, of texts or of their tokens -> files for every engine: ONNX, TFLite, TorchScript, on request ExecuTorch; fp32, int8 and more.

    written = export(net, Path("models/tinybert-sst2"))     # tinybert-sst2-fp32.onnx, ..., tinybert-sst2-int8.pt
    parity(net, written[1], batches)                        # how far the file is from the net, through its engine

All files come from one plain module, `Classifier`; how each format is written is in `export_onnx`, `export_tflite`,
`export_torchscript` and `export_executorch`, which import their libraries only when called.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from edgebench import plugins
from edgebench.backends.base import Options, Session
from edgebench.errors import MissingError, UsageError, did_you_mean
from edgebench.models.artifact import digest_of
from edgebench.train.nets import Net

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = Sequence[tuple[Tensor, Tensor]]
    Write = Callable[[nn.Module, Path, str, Sequence[int], Samples], None]

SUFFIXES = {"onnx": ".onnx", "tflite": ".tflite", "torchscript": ".pt", "executorch": ".pte"}
BACKENDS = {"onnx": "onnxruntime", "tflite": "tflite", "torchscript": "torchscript", "executorch": "executorch"}
PRECISIONS = ("fp32", "int8")
VARIANTS = tuple(f"{form}/{precision}" for form in ("onnx", "tflite", "torchscript") for precision in PRECISIONS)
# "int8-static": the ranges of activations are fixed beforehand, on samples; "int4": weights of 4 bits. TorchScript has neither: its static
# kernels want a net written for them, and its Linear knows no 4 bits. ExecuTorch's exporter is an extra of its own.
EXECUTORCH = tuple(f"executorch/{precision}" for precision in PRECISIONS)
ON_REQUEST = (*(f"{form}/{precision}" for form in ("onnx", "tflite") for precision in ("int8-static", "int4")), *EXECUTORCH)
MASKED = -1e4  # added to the scores of padding: exp() of it is 0 in float32 and float16, and it is finite in both


@dataclass(frozen=True)
class Exported:
    """One file of a model."""

    format: str
    precision: str
    path: Path
    sha256: str
    size_bytes: int

    @property
    def name(self) -> str:
        return f"{self.format}/{self.precision}"


@dataclass(frozen=True)
class Parity:
    """How far a file's answers are from the net's on `n` sentences, or tokens of sentences: the largest absolute difference of
    any probability, and the share of equal predictions."""

    difference: float
    agreement: float
    n: int


class Classifier(nn.Module):
    """The net's forward pass in plain operations: (B, S) ids and their 1/0 mask -> (B, C) logits, or (B, S, C) of a tagger.

    Shares the net's parameters. Tracing the library's own modules leaves a gather of token types and a mask that some
    converters lose; here positions and token type 0 are one table, cut at the length, and the mask is an explicit addition.
    """

    def __init__(self, net: Net) -> None:
        super().__init__()
        table = net.bert.embeddings
        self.words = table.word_embeddings
        self.places = nn.Buffer((table.position_embeddings.weight + table.token_type_embeddings.weight[0]).detach().clone())
        self.norm = table.LayerNorm
        self.layers = net.bert.encoder.layer
        self.pooler = net.bert.pooler and net.bert.pooler.dense
        self.classifier = net.classifier

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        x, mask = self.embedded(input_ids), masked(attention_mask)
        for layer in self.layers:
            x = encoder_layer(layer, x, mask)
        logits: Tensor = self.classifier(x if self.pooler is None else torch.tanh(self.pooler(x[:, 0])))
        return logits

    def embedded(self, input_ids: Tensor) -> Tensor:
        """(B, S, width): what the first layer reads."""
        x: Tensor = self.norm(self.words(input_ids) + self.places[: input_ids.shape[1]])
        return x


def masked(attention_mask: Tensor) -> Tensor:
    """(B, S) of 1 and 0 -> what is added to (B, heads, S, S) scores."""
    return ((1.0 - attention_mask.to(torch.float32)) * MASKED)[:, None, None, :]


def encoder_layer(layer: nn.Module, x: Tensor, mask: Tensor) -> Tensor:
    """A `BertLayer` in plain operations on (B, S, width) states."""
    attention, output = layer.attention.self, layer.attention.output
    query, key, value = (_split(project(x), attention.attention_head_size) for project in (attention.query, attention.key, attention.value))
    weights = torch.softmax(query @ key.transpose(-1, -2) * attention.scaling + mask, dim=-1)
    x = output.LayerNorm(x + output.dense((weights @ value).transpose(1, 2).reshape(x.shape[0], x.shape[1], -1)))
    after: Tensor = layer.output.LayerNorm(x + layer.output.dense(nn.functional.gelu(layer.intermediate.dense(x))))
    return after


def _split(x: Tensor, head_width: int) -> Tensor:
    """(B, S, width) -> (B, heads, S, head width); a pruned layer has fewer heads than its neighbours."""
    return x.reshape(x.shape[0], x.shape[1], -1, head_width).transpose(1, 2)


def export(
    net: Net, folder: Path, *, variants: Sequence[str] = VARIANTS, lengths: Sequence[int] = (32, 64, 128),
    samples: Samples = (), progress: Callable[[str], None] = lambda name: None,
) -> list[Exported]:
    """Write `net` into `folder` as {folder's name}-{precision}{suffix}, one file for each of `variants`, e.g. "onnx/int8".

    `lengths` are the sequence lengths of a TFLite file; the others take any length. `samples` are (ids, mask) batches of real
    texts, on which int8-static measures ranges. A file appears whole or not at all.
    """
    longest = net.config.max_position_embeddings
    if not lengths or not 1 <= min(lengths) <= max(lengths) <= longest:
        raise UsageError(f"lengths are {', '.join(map(str, lengths)) or 'empty'}; expected whole numbers from 1 to {longest}, the positions the net knows")
    for asked in variants:
        if asked not in (known := VARIANTS + ON_REQUEST):
            raise UsageError(f"there is no variant {asked!r} to export to; there are {', '.join(known)}.{did_you_mean(asked, known)}")
        if asked.endswith("-static") and not samples:
            raise UsageError(f"{asked} measures the ranges of activations on real texts, and there are none; give samples")
    wanted = [one.split("/") for one in dict.fromkeys(variants)]
    writers = {form: _writer(form) for form, _ in wanted}  # a missing library is said before the first file
    folder.mkdir(parents=True, exist_ok=True)
    module = (net.exported() if hasattr(net, "exported") else Classifier(net)).eval()  # nets of our own say how
    written = []
    for form, precision in wanted:
        progress(f"{form}/{precision}")
        path = folder / f"{folder.name}-{precision}{SUFFIXES[form]}"
        with whole(path) as part, torch.no_grad():
            writers[form](module, part, precision, sorted(set(lengths)), samples)
        written.append(Exported(form, precision, path, digest_of(path), path.stat().st_size))
    return written


def parity(net: Net, exported: Exported, batches: Iterable[tuple[Tensor, Tensor]]) -> Parity:
    """Run the same padded (ids, mask) batches through `net` and, in its engine, through the file."""
    batches = list(batches)
    net.eval()
    with torch.no_grad():
        logits = [_real(net(input_ids=ids, attention_mask=mask).logits.numpy(), mask.numpy()) for ids, mask in batches]
    wanted = _softmax(np.concatenate(logits))
    found = probabilities(exported, batches)
    return Parity(float(np.abs(found - wanted).max()), float((found.argmax(1) == wanted.argmax(1)).mean()), len(wanted))


def probabilities(exported: Exported, batches: Iterable[tuple[Tensor, Tensor]]) -> NDArray[np.float32]:
    """(n, C): the file's answers to (ids, mask) batches, in its engine with one thread; a tagger's for every real token."""
    session = plugins.get("backends", BACKENDS[exported.format]).open(exported.path, Options(threads=1))
    try:
        rows = [_logits(session, ids.numpy(), mask.numpy()) for ids, mask in batches]
    finally:
        session.close()
    return _softmax(np.concatenate(rows))


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True)) if logits.size else logits
    answers: NDArray[np.float32] = powers / powers.sum(axis=1, keepdims=True)
    return answers


def _real(logits: NDArray[Any], mask: NDArray[Any]) -> NDArray[Any]:
    """(B, C) as they are; of (B, S, C) those of real tokens, as (n, C)."""
    return logits if logits.ndim == 2 else logits[mask.astype(bool)]


def _logits(session: Session, ids: NDArray[Any], mask: NDArray[Any]) -> NDArray[Any]:
    """Any batch through any session: one row at a time where the file takes one, padded to a length of the file's where it has some."""
    types = {spec.name: spec.dtype for spec in session.inputs}
    if not session.lengths and session.inputs[0].shape[0] != 1:
        feeds = {"input_ids": ids.astype(types["input_ids"]), "attention_mask": mask.astype(types["attention_mask"])}
        return _real(session.run(feeds)["logits"], mask)
    answers = []
    for row, real in zip(ids, mask, strict=True):
        used = int(real.sum())
        width = next((length for length in session.lengths if length >= used), None) if session.lengths else used
        if width is None:
            raise UsageError(f"a sentence has {used} tokens, the file takes at most {session.lengths[-1]}; export it with a longer length")
        feeds = {name: np.zeros((1, width), dtype=types[name]) for name in ("input_ids", "attention_mask")}
        feeds["input_ids"][0, :used] = row[:used]
        feeds["attention_mask"][0, :used] = 1
        answers.append(_real(session.run(feeds)["logits"], feeds["attention_mask"]))
    return np.concatenate(answers)


def _writer(form: str) -> Write:
    """The format's own module, its libraries imported."""
    try:
        if form == "onnx":
            from edgebench.train import export_onnx

            return export_onnx.writer()
        if form == "tflite":
            from edgebench.train import export_tflite

            return export_tflite.writer()
        if form == "executorch":
            from edgebench.train import export_executorch

            return export_executorch.writer()
        from edgebench.train import export_torchscript

        return export_torchscript.write
    except ImportError as error:
        raise MissingError(f"export to {form} needs {error.name or error}, which cannot be imported ({error}); install edgebench[{extras(form)}]") from error


def extras(form: str) -> str:
    """What to install to export to this format."""
    return "export,executorch" if form == "executorch" else "export"


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A place to write in; what lies there at the end becomes `path` in one step."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export-") as scratch:
        part = Path(scratch) / path.name
        yield part
        part.chmod(0o644)
        os.replace(part, path)
