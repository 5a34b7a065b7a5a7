"""A finished run of `edgebench.train.dynamic` -> a folder and a card that `load` runs at several speeds.

* Elastic, ONNX: a graph for each point, and one file of weights of which each reads its part (`edgebench.train.share`). TFLite and
  TorchScript files cannot name a part of another file: there every point is a whole file of its own.
* Early exits, ONNX and TorchScript: a segment from exit to exit. TFLite is left out: a file there has fixed lengths, each a signature of
  its own, and a segment would need them all again.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import msgspec
import numpy as np
import onnx
import torch
from torch import Tensor, nn

from edgebench.backends.exits import entropy
from edgebench.errors import CardError, UsageError
from edgebench.models.card import Card, Point, Score, Variant
from edgebench.models.data import Labelled
from edgebench.train import elastic, export_onnx, export_torchscript, nets
from edgebench.train.bundle import TOLERANCE, write_tokenizer
from edgebench.train.cards import listed, write_card
from edgebench.train.checkpoint import Source
from edgebench.train.data import Examples, hold_out
from edgebench.train.dynamic import Recipe, start
from edgebench.train.elastic import Elastic
from edgebench.train.exits import Exits, mean, predict
from edgebench.train.export import BACKENDS, SUFFIXES, Classifier, encoder_layer, export, masked, whole
from edgebench.train.share import Graph, share

VARIANTS = {"elastic": ("onnx/fp32", "onnx/int8"), "exits": ("onnx/fp32", "onnx/int8", "torchscript/fp32", "torchscript/int8")}
ON_REQUEST = {"elastic": ("tflite/fp32", "tflite/int8", "torchscript/fp32", "torchscript/int8"), "exits": ()}
ENTROPIES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)  # nats; two classes have at most ln 2 = 0.69
SPARED = 0.0025  # accuracy that the default threshold may lose on held-out examples


@dataclass(frozen=True)
class Run:
    """What a recipe left in its folder, and the model it started from."""

    recipe: Recipe
    result: dict[str, Any]
    module: Elastic | Exits
    source: Source


def finished(folder: Path) -> Recipe | None:
    """The recipe of a finished run of many speeds; None if `folder` holds another run, or none."""
    try:
        said = json.loads((folder / "result.json").read_text())["recipe"]
        return msgspec.convert(said, Recipe) if said.get("method") in VARIANTS else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def read_run(folder: Path, source: Source, examples: Examples) -> Run:
    """The net of a finished run; `examples` are those it was trained on. CardError if its weights do not fit."""
    recipe = finished(folder)
    if recipe is None:
        raise CardError(f"{folder} is no finished run of a net of many speeds; expected net.pt and result.json, as `edgebench train` leaves them")
    module = start(recipe, source.net, hold_out(examples, recipe.held_out, recipe.seed)[0])
    try:
        module.load_state_dict(torch.load(folder / "net.pt", weights_only=True, map_location="cpu"))
    except (OSError, RuntimeError, EOFError, UnpicklingError) as error:
        raise CardError(f"{folder / 'net.pt'} is not the net of this recipe ({' '.join(str(error).split())[:200]}); train it again") from error
    return Run(recipe, json.loads((folder / "result.json").read_text()), module.eval(), source)


def write(
    run: Run, into: Path, labelled: Labelled, held_out: Examples, *, variants: Sequence[str] = (), tell: Callable[[str], None] = lambda line: None
) -> Path:
    """Write `into`/NAME.toml and its files; return the card's path. Accuracy is measured on `labelled`, thresholds are chosen on `held_out`."""
    recipe, folder = run.recipe, into / run.recipe.name
    known = VARIANTS[recipe.method] + ON_REQUEST[recipe.method]
    for asked in variants:
        if asked not in known:
            raise UsageError(f"there is no variant {asked!r} of {recipe.method}; there are {', '.join(known)}")
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in variants or VARIANTS[recipe.method]:
        tell(name)
        form, precision = name.split("/")
        if isinstance(run.module, Elastic):
            written.append(_elastic(run.module, recipe, folder, form, precision))
        else:
            written.append(_exits(run.module, folder, form, precision, _thresholds(run.module, held_out)))
    write_tokenizer(run.source.tokenizer, folder / "tokenizer.json", run.source.max_tokens)
    path = into / f"{recipe.name}.toml"
    card = _card(run, tuple(written), folder, labelled)
    write_card(card, path)
    scored = tuple(_scored(path, variant, labelled, tell) for variant in written)
    write_card(msgspec.structs.replace(card, variants=scored), path)
    return path


def _elastic(module: Elastic, recipe: Recipe, folder: Path, form: str, precision: str) -> Variant:
    files: dict[elastic.Point, Path] = {}
    with tempfile.TemporaryDirectory(dir=folder, prefix=".points-") as scratch:
        for point in recipe.points:
            (made,) = export(elastic.at(module.net, point), Path(scratch) / _stem(recipe, point), variants=[f"{form}/{precision}"])
            files[point] = folder / made.path.name
            made.path.replace(files[point])
    shared = []
    if form == "onnx":
        shared = [folder / f"{recipe.name}-{precision}.weights"]
        layers = module.net.config.num_hidden_layers
        graphs = {path.stem: Graph(onnx.load(path), point.layers(layers)) for point, path in files.items()}
        share(graphs, files[recipe.points[0]].stem, folder, shared[0].name)
    points = tuple(Point(name=one.name, width=one.width, depth=one.depth, graph=listed(files[one]) if one.name != "1x1" else None) for one in recipe.points)
    whole_net = msgspec.structs.asdict(listed(files[recipe.points[0]]))
    return Variant(format=form, precision=precision, points=points, shared=tuple(map(listed, shared)), **whole_net)


def _stem(recipe: Recipe, point: elastic.Point) -> str:
    return recipe.name if point.name == "1x1" else f"{recipe.name}-{point.name}"


class Segment(nn.Module):
    """One layer and its exit: the net's ids (the first segment) or the states before it -> logits, and the states unless it is the last."""

    def __init__(self, exits: Exits, at: int) -> None:
        super().__init__()
        net, self.last = exits.net, at == len(exits.classifiers)
        self.front = Classifier(net) if at == 0 else None
        if self.front is not None:
            self.front.layers = nn.ModuleList()  # of the whole net only the words are this segment's
        self.layer = net.bert.encoder.layer[at]
        self.pooler = net.bert.pooler.dense if self.last else None
        self.head = net.classifier if self.last else exits.classifiers[at]

    def forward(self, x: Tensor, attention_mask: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        hidden = encoder_layer(self.layer, x if self.front is None else self.front.embedded(x), masked(attention_mask))
        logits: Tensor = self.head(mean(hidden, attention_mask) if self.pooler is None else torch.tanh(self.pooler(hidden[:, 0])))
        return logits if self.last else (logits, hidden)


def _exits(module: Exits, folder: Path, form: str, precision: str, points: tuple[Point, ...]) -> Variant:
    files = []
    for at in range(len(module.classifiers) + 1):
        path = folder / f"{folder.name}-{at + 1}-{precision}{SUFFIXES[form]}"
        segment, graph = Segment(module, at).eval(), _graph(module, at)
        with whole(path) as part, torch.no_grad():
            if form == "onnx":
                export_onnx.write_graph(segment, part, precision, graph)
            else:
                export_torchscript.write_graph(segment, part, precision, graph)
        files.append(listed(path))
    parts = {str(at): one for at, one in enumerate(files[1:], start=2)}
    return Variant(format=form, precision=precision, parts=parts, points=points, **msgspec.structs.asdict(files[0]))


def _graph(module: Exits, at: int) -> export_onnx.Graph:
    """The tensors of segment `at`: (B, S) ids, or (B, S, width) states, and the mask."""
    mask = torch.ones(2, 7, dtype=torch.int64)
    first = {"input_ids": mask} if at == 0 else {"hidden": torch.randn(2, 7, module.net.config.hidden_size)}
    outputs = ("logits",) if at == len(module.classifiers) else ("logits", "hidden_after")
    both = {0: "batch", 1: "length"}
    axes = {"input_ids": both, "hidden": both, "hidden_after": both, "attention_mask": both, "logits": {0: "batch"}}
    tensors = {**first, "attention_mask": mask}
    return export_onnx.Graph(tensors, outputs, {name: axes[name] for name in (*tensors, *outputs)})


def _thresholds(module: Exits, held_out: Examples) -> tuple[Point, ...]:
    """The points of a card: first the loosest entropy that costs at most `SPARED` on held-out examples, then the others, and the whole net."""
    logits = predict(module, held_out).numpy()
    labels = np.array(held_out.labels)
    value = {at: float((_answers(logits, at) == labels).mean()) for at in (0.0, *ENTROPIES)}
    best = max((at for at in ENTROPIES if value[at] >= value[0.0] - SPARED), default=ENTROPIES[0])
    entropies = [best, *(at for at in ENTROPIES if at != best)]
    patient = [Point(name=f"patience-{count}", patience=count) for count in range(1, len(module.classifiers))]
    return (*(Point(name=f"entropy-{at:g}", entropy=at) for at in entropies), *patient, Point(name="whole"))


def _answers(logits: np.ndarray[Any, Any], threshold: float) -> np.ndarray[Any, Any]:
    """(n,) labels of (exits, n, C) logits: each row's from the first exit whose entropy is below the threshold."""
    sure = np.stack([entropy(one) < threshold for one in logits[:-1]] + [np.ones(logits.shape[1], bool)])
    found: np.ndarray[Any, Any] = logits.argmax(2)[sure.argmax(0), np.arange(logits.shape[1])]
    return found


def _scored(card: Path, variant: Variant, labelled: Labelled, tell: Callable[[str], None]) -> Variant:
    """The variant with the accuracy of every point, through the call that an app makes."""
    from edgebench.pipeline import load

    points = []
    with load(str(card), backend=BACKENDS[variant.format], precision=variant.precision, allow_code=True) as pipe:
        for one in variant.points:
            at = pipe.at(one.name)  # type: ignore[attr-defined]
            metric = at.task.score([at(text) for text in labelled.texts], labelled.references)
            score = Score(dataset=labelled.name, n=metric.n, value=round(metric.value, 6), low=round(metric.low, 6), high=round(metric.high, 6))
            points.append(msgspec.structs.replace(one, accuracy=score))
            tell(f"{variant.name} {one.name}: {metric.name} {metric.value:.2%} on {labelled.name}, n = {metric.n}")
    return msgspec.structs.replace(variant, points=tuple(points), accuracy=points[0].accuracy)


def _card(run: Run, written: tuple[Variant, ...], folder: Path, labelled: Labelled) -> Card:
    recipe, tokenizer = run.recipe, folder / "tokenizer.json"
    made_by = {
        "recipe": recipe.name, "seed": recipe.seed, "from": run.source.origin, "trained_on": f"{recipe.dataset}, sha256 {run.result['train_sha256'][:16]}",
        "exported": f"{datetime.now(UTC):%Y-%m-%d}, torch {torch.__version__}",
    }
    return Card(
        schema=1, name=recipe.name, task=recipe.task, about=recipe.about, licence=run.source.licence, source=f"trained by edgebench, recipe {recipe.name}",
        labels=labelled.label_names, dataset=recipe.dataset, reference=written[0].name, variants=written, files={"tokenizer": listed(tokenizer)},
        preprocess={"max_tokens": run.source.max_tokens}, tolerance={one.precision: TOLERANCE[one.precision] for one in written},
        parameters=nets.parameter_count(run.module), made_by=made_by,
    )
