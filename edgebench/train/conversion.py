"""A conversion (TOML) -> a folder that `load` and `bench` take: published weights as files of every engine, with a card.

    edgebench convert mobilenetv2 --into models

Nothing is trained. The weights are fetched by name and checked, made a torch net, and written by the exporters. Each file
answers the labelled pictures through the pipeline that an app calls; so does the net itself, and the two are compared.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import torch

from edgebench import plugins, toml
from edgebench.backends.base import Facts, TensorSpec
from edgebench.errors import CardError, EngineError
from edgebench.models.artifact import digest_of
from edgebench.models.card import Card, Score, Tolerance, Variant
from edgebench.models.data import Labelled
from edgebench.models.weights import fetch_weights
from edgebench.pipeline import load
from edgebench.tasks import image
from edgebench.tasks.base import Metric, Task
from edgebench.train.cards import write_card
from edgebench.train.export import BACKENDS, SUFFIXES, Exported
from edgebench.train.export_picture import INPUT, PictureNet, export_picture

if TYPE_CHECKING:
    from edgebench.backends.base import Arrays

# what a file of fp32 may differ from the net: it is the same arithmetic in another order
SAME = Tolerance(difference=1e-3, agreement=0.995, accuracy_loss=0.005)


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The published file itself as one of the variants."""

    format: str
    precision: str


class Conversion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One conversion file. `file` of the weights card `weights` is read by the function `net` of `NETS`.

    `outputs` are the net's, in order. `calibration` names the dataset from whose pictures int8 learns its ranges.
    """

    schema: int
    name: str
    task: str
    about: str
    licence: str
    source: str
    weights: str
    file: str
    net: str
    outputs: tuple[str, ...]
    dataset: str
    calibration: str
    preprocess: dict[str, Any]
    reference: str
    variants: tuple[str, ...]  # which are written where none are asked for, besides the one that is kept
    labels: tuple[str, ...] = ()  # default: the dataset's
    kept: Kept | None = None
    calibrated_on: int = 64
    tolerance: dict[str, Tolerance] = {}


@dataclass(frozen=True)
class Checked:
    """A file's answers beside the net's on `n` pictures, and its score."""

    difference: float
    agreement: float
    metric: Metric


def read(path: Path) -> Conversion:
    """Parse and check a conversion file."""
    found = toml.read(path, Conversion)
    if found.schema != 1:
        raise CardError(f"{path}: schema is {found.schema}, this edgebench reads schema 1; update edgebench")
    if found.net not in NETS:
        raise CardError(f"{path}: net is {found.net!r}; expected one of {', '.join(NETS)}")
    return found


def bundled() -> dict[str, Path]:
    """Name -> file of the conversions that edgebench brings."""
    return {path.stem: path for path in sorted((Path(__file__).parent / "conversions").glob("*.toml"))}


def convert(
    plan: Conversion, into: Path, labelled: Labelled, calibration: Labelled, *, variants: Sequence[str] | None = None, offline: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> Path:
    """Write `into`/NAME.toml and its files; return the card's path. Score and parity are measured on `labelled`."""
    folder = into / plan.name
    source = fetch_weights(plan.weights, offline=offline) / plan.file
    labels = plan.labels or labelled.label_names
    draft = _card(plan, labels, ())
    how = image.preprocess(draft, *plan.preprocess)
    net = PictureNet(NETS[plan.net](source), how.height, how.width, plan.outputs)
    spec = TensorSpec(INPUT, "float32", (1, 3, how.height, how.width))
    kept = f"{plan.kept.format}/{plan.kept.precision}" if plan.kept else ""
    wanted = variants or plan.variants
    ranges = [how.feed(how.fit(image.decode(one))[0], spec) for one in calibration.texts[: plan.calibrated_on]] if any("int8" in one for one in wanted) else []
    written = export_picture(net, folder, variants=[one for one in wanted if one != kept], calibration=ranges, progress=tell)
    if plan.kept and (variants is None or kept in variants):
        written.append(_keep(plan.kept, source, folder))
    card = _card(plan, labels, written)
    task: Task = plugins.get("tasks", plan.task)(card, {})
    answers = [task.answer((one,), NetSession(net, spec), lambda name: None)[0] for one in labelled.texts]
    metric = task.score(answers, labelled.references)
    tell(f"the net: {_scores(metric)} on {labelled.name}, n = {metric.n}")
    path = into / f"{plan.name}.toml"
    write_card(card, path)
    scored = []
    for variant in card.variants:
        checked = check(path, variant, task, answers, labelled)
        tell(
            f"{variant.name}: {checked.agreement:.1%} of {len(answers)} answers are the net's, no probability is further than {checked.difference:.2g}; "
            f"{_scores(checked.metric)}"
        )
        refuse(variant, checked)
        scored.append(msgspec.structs.replace(variant, accuracy=_score(labelled.name, checked.metric)))
    write_card(msgspec.structs.replace(card, variants=tuple(scored)), path)
    return path


def check(path: Path, variant: Variant, task: Task, answers: Sequence[Any], labelled: Labelled) -> Checked:
    """A variant's answers through the call that an app makes, beside `answers`."""
    with load(str(path), backend=BACKENDS[variant.format], precision=variant.precision, allow_code=True) as pipe:
        found = [pipe(one) for one in labelled.texts]
    rows = zip(task.probabilities(found), task.probabilities(answers), strict=True)
    difference = max((abs(one - other) for mine, theirs in rows for one, other in zip(mine, theirs, strict=True)), default=0.0)
    same = sum(one == other for one, other in zip(task.labels(found), task.labels(answers), strict=True))
    return Checked(difference, same / len(answers), task.score(found, labelled.references))


class NetSession:
    """A torch net as a session, so that a task asks it as it asks a file."""

    lengths: tuple[int, ...] = ()
    parallel = False
    facts = Facts("torch", torch.__version__, 1, "cpu")

    def __init__(self, net: PictureNet, spec: TensorSpec) -> None:
        self.inputs = (spec,)
        self.outputs: tuple[TensorSpec, ...] = ()
        self._net = net

    def run(self, feeds: Arrays) -> Arrays:
        return self._net(feeds[INPUT])

    def close(self) -> None: ...


def _keep(kept: Kept, source: Path, folder: Path) -> Exported:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{folder.name}-{kept.precision}{SUFFIXES[kept.format]}"
    shutil.copyfile(source, path)
    return Exported(kept.format, kept.precision, path, digest_of(path), path.stat().st_size)


def refuse(variant: Variant, checked: Checked) -> None:
    if variant.precision == "fp32" and (checked.difference > SAME.difference or checked.agreement < SAME.agreement):
        raise EngineError(
            f"{variant.file} disagrees with the net it was made from: {checked.agreement:.1%} equal answers, probabilities up to "
            f"{checked.difference:.3g} apart; expected {SAME.agreement:.1%} and {SAME.difference:g}; the converter or the engine is at fault: "
            "try other versions of them"
        )


def _card(plan: Conversion, labels: tuple[str, ...], written: Sequence[Exported]) -> Card:
    variants = tuple(
        Variant(format=one.format, precision=one.precision, file=f"{plan.name}/{one.path.name}", sha256=one.sha256, size_bytes=one.size_bytes)
        for one in written
    )
    names = [one.name for one in variants]
    precisions = dict.fromkeys(one.precision for one in variants)
    return Card(
        schema=1, name=plan.name, task=plan.task, about=plan.about, licence=plan.licence, source=plan.source, labels=labels, dataset=plan.dataset,
        reference=plan.reference if plan.reference in names else next(iter(names), plan.reference), variants=variants, preprocess=plan.preprocess,
        tolerance={one: plan.tolerance.get(one, SAME) for one in precisions},
        made_by={
            "conversion": plan.name, "weights": plan.weights,
            **({"calibrated_on": f"{plan.calibrated_on} pictures of {plan.calibration}"} if "int8" in precisions else {}),
            "exported": f"{datetime.now(UTC):%Y-%m-%d}, torch {torch.__version__}",
        },
    )


def _scores(metric: Metric) -> str:
    return ", ".join(f"{name} {value:.2%}" for name, value in ((metric.name, metric.value), *metric.more.items()))


def _score(dataset: str, metric: Metric) -> Score:
    return Score(dataset=dataset, n=metric.n, value=round(metric.value, 6), low=round(metric.low, 6), high=round(metric.high, 6))


def _mobilenet_v2(source: Path) -> torch.nn.Module:
    from edgebench.train.nets_vision import mobilenet_v2

    return mobilenet_v2(source)


def _tflite(source: Path) -> torch.nn.Module:
    from edgebench.train.nets_tflite import TFLiteNet

    return TFLiteNet(source).eval()


NETS: dict[str, Callable[[Path], torch.nn.Module]] = {"mobilenet_v2": _mobilenet_v2, "tflite": _tflite}
