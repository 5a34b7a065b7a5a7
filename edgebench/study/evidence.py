"""Records, training lines and lines of sensitivity -> what is known of a model, each number with where it comes from, or why there is none.

Times of two machines never meet in a table: only those of `machine` are told, the one of most records. Nor do those of two versions of an engine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from edgebench import lines
from edgebench.bench.stats import mcnemar
from edgebench.change import Change
from edgebench.errors import CardError
from edgebench.models.card import Card
from edgebench.models.parameters import Parameters
from edgebench.record import Record
from edgebench.reports import pairs
from edgebench.reports.base import device, model
from edgebench.study.description import Model, Study
from edgebench.tasks.metrics import wilson

ENGINES = ("onnxruntime", "tflite", "torchscript")  # in the order in which a table asks them for what all of them tell
PLAIN, OWN_KERNELS = "cpu", "builtin"  # no accelerator; LiteRT's kernels without XNNPACK, which "cpu" has there
BY_ACCURACY = ("text-classification", "image-classification")  # tasks whose cards say an accuracy; others name their score in records alone
WHOLE = "whole"  # a training line's variant where nothing was changed
TRAIN = "not made here: `edgebench study --train`"


@dataclass(frozen=True)
class Score:
    """Accuracy with its interval. `note` says what it was measured by, where that was no engine; `given` are the answers one by one, as
    labels, and `wanted` what they should have been, both empty where they were not kept."""

    metric: str
    value: float
    low: float | None
    high: float | None
    n: int | None
    dataset: str
    note: str = ""
    given: Sequence[str] = ()
    wanted: Sequence[str] = ()


def of_record(record: Record) -> Score | None:
    """What a record says of its own cell."""
    found = record.accuracy
    if found is None:
        return None
    kept = (found.predictions, found.references) if found.metric == "accuracy" else ((), ())  # an F1 is no count of right examples
    return Score(found.metric, found.value, found.low, found.high, found.n, found.dataset, "", *kept)


def paired(a: Score, b: Score) -> pairs.Answers | None:
    """How two answered the same examples, and how likely so uneven a split is by chance; None where that is not known of both."""
    if not a.given or not b.given or list(a.wanted) != list(b.wanted):
        return None
    right = [(one == wanted, other == wanted) for one, other, wanted in zip(a.given, b.given, a.wanted, strict=True)]
    only_a, only_b = right.count((True, False)), right.count((False, True))
    return pairs.Answers(only_a, only_b, mcnemar(only_a, only_b))


def agreement(a: Score, b: Score) -> float | None:
    """The share of examples on which two say the same, right or wrong."""
    if not a.given or not b.given or list(a.wanted) != list(b.wanted):
        return None
    return sum(one == other for one, other in zip(a.given, b.given, strict=True)) / len(a.given)


@dataclass
class Evidence:
    """`cards` by the study's names of models, `parameters` likewise as far as a file could be counted; `gaps` says why a model has no card."""

    study: Study
    records: Sequence[Record]
    cards: dict[str, Card] = field(default_factory=dict)
    parameters: dict[str, Parameters] = field(default_factory=dict)
    gaps: dict[str, str] = field(default_factory=dict)
    training: Sequence[dict[str, Any]] = ()
    changes: Sequence[Change] = ()
    machine: str = ""

    def __post_init__(self) -> None:
        found = machines(self.records)
        self.machine = self.machine or next(iter(found), "")
        self.others = {name: count for name, count in found.items() if name != self.machine}
        mine = _of_one_version([one for one in self.records if device(one) == self.machine])
        self._mine = list(pairs.latest(mine).values())
        self._all = list((pairs.latest(self.records) | pairs.latest(mine)).values())

    def of(self, name: str, precision: str, backend: str | None = None, *, length: int | None = None) -> list[Record]:
        """Records of this model and precision over inputs of this length, measured on the study's machine, the preferred engine's first."""
        return self._chosen(self._mine, name, precision, backend, length)

    def judged(self, name: str, precision: str) -> list[Record]:
        """Likewise on any machine, over real inputs: for what no machine changes much, answers and sizes."""
        return self._chosen(self._all, name, precision, None, None)

    def _chosen(self, records: Sequence[Record], name: str, precision: str, backend: str | None, length: int | None) -> list[Record]:
        card = self.card_name(name)
        found = [
            one for one in records
            if model(one) == card and one.spec.precision == precision and one.spec.length == length and backend in (None, one.spec.backend)
            and one.spec.accelerator == PLAIN
        ]
        return sorted(found, key=lambda one: ENGINES.index(one.spec.backend) if one.spec.backend in ENGINES else len(ENGINES))

    def at_points(self, name: str, *, length: int | None = None) -> list[Record]:
        """Records of a model at its operating points, measured on the study's machine."""
        card = self.card_name(name)
        return [one for one in self._mine if model(one).partition("@")[0] == card != model(one) and one.spec.length == length]

    def accelerated(self, name: str, *, length: int | None = None) -> list[Record]:
        """Records of a model for which an accelerator was asked, on the study's machine, or that none could be had."""
        card = self.card_name(name)
        found = pairs.latest([one for one in self.records if one.spec.accelerator not in (PLAIN, OWN_KERNELS) and device(one) == self.machine])
        return [one for one in found.values() if model(one) == card and one.spec.length == length]

    def plain(self, record: Record) -> Record | None:
        """The newest record of the same cell, in the same version of the engine on the same machine, without the accelerator: with the engine's own
        kernels alone where it has a name for them."""
        found = [one for one in self.records if one.outcome == "ok" and device(one) == device(record) and _same_but_accelerator(one, record)]
        return max(found, key=lambda one: (one.spec.accelerator == OWN_KERNELS, one.started_at), default=None)

    def refusal(self, name: str, backend: str, precision: str) -> str:
        """Why an engine has no number of this model, in its record's own words; nothing where it has no record."""
        card = self.card_name(name)
        plain = [one for one in self._mine if model(one) == card and one.spec.accelerator == PLAIN]
        rows = [one for one in plain if one.spec.backend == backend and one.spec.precision in (precision, "*")]
        return next(("; ".join(one.reasons) for one in rows if one.outcome != "ok"), "")

    def precisions(self, name: str) -> list[str]:
        """Those that are recorded or that the card names, in the card's order."""
        card = self.card_name(name)
        named = [one.precision for one in self.cards[name].variants] if name in self.cards else []
        return list(dict.fromkeys([*named, *(one.spec.precision for one in self._all if model(one) == card and one.spec.precision != "*")]))

    def score(self, name: str, precision: str) -> Score | str:
        """From a record, else for fp32 from a training line, else from the card; or why there is none."""
        if self.study.model(name).shape:
            return "its weights are random"
        for one in self.judged(name, precision):
            if score := of_record(one):
                return score
        line = self.line(name)
        if line and precision == "fp32" and (score := self.trained(line)):
            return score
        card = self.cards.get(name)
        for variant in card.variants if card else ():
            if card and variant.precision == precision and (said := variant.accuracy):
                metric = "accuracy" if card.task in BY_ACCURACY else f"({card.task})"
                return Score(metric, said.value, said.low, said.high, said.n, said.dataset, f"measured when {variant.name} was made")
        return self._as_teacher(name, precision) or self.gap(name)

    def _as_teacher(self, name: str, precision: str) -> Score | None:
        """What its student's card says of it, on the examples that the student was judged by."""
        student = self.cards.get(self.study.model(name).taught or "")
        judged = next((one.accuracy for one in student.variants if one.accuracy), None) if student else None
        said = student.made_by.get("teacher_accuracy") if student else None
        if precision != "fp32" or judged is None or not isinstance(said, float):
            return None
        low, high = wilson(round(said * judged.n), judged.n)
        return Score("accuracy", said, low, high, judged.n, judged.dataset, "as its student's card says, in PyTorch")

    def line(self, name: str) -> dict[str, Any] | None:
        """The last line of the training logs that is about this model."""
        how = self.study.model(name)
        run = how.run or name
        return next((one for one in reversed(self.training) if one.get("recipe", one.get("name")) == run and one.get("variant", WHOLE) == how.variant), None)

    def lines(self, recipe: str) -> dict[str, list[dict[str, Any]]]:
        """The lines of each variant of a recipe, one for each seed, in the order in which the logs first name them."""
        found: dict[str, dict[Any, dict[str, Any]]] = {}
        for one in self.training:
            if one.get("recipe", one.get("name")) == recipe:
                found.setdefault(str(one.get("variant", WHOLE)), {})[one.get("seed")] = one
        return {variant: list(seeds.values()) for variant, seeds in found.items()}

    def trained(self, line: dict[str, Any]) -> Score | None:
        """What a training line says of dev. Its answers are labels' numbers: they become names, and are taken where the references that a
        record of the same set holds count as many of them right as the line does."""
        n, correct, dataset = line.get("n"), line.get("correct"), str(line.get("dataset", ""))
        if not isinstance(n, int) or not isinstance(correct, int) or not n:
            return None
        low, high = wilson(correct, n)
        plain = Score("accuracy", correct / n, low, high, n, dataset, "measured in PyTorch, at the end of its training")
        labels = next((one.labels for one in self.cards.values() if one.dataset == dataset), ())
        numbers = line.get("answers") or []
        wanted = next((one.accuracy.references for one in self._all if one.accuracy and one.accuracy.dataset == dataset and one.accuracy.n == n), [])
        if not labels or len(numbers) != n or len(wanted) != n:
            return plain
        given = [labels[number] for number in numbers]
        if sum(one == other for one, other in zip(given, wanted, strict=True)) != correct:
            return plain
        return replace(plain, given=given, wanted=wanted)

    def gap(self, name: str) -> str:
        """Why nothing is known of a model."""
        how = self.study.model(name)
        if name in self.cards:
            return "not measured: `edgebench study`"
        if name in self.gaps:
            return self.gaps[name]
        return TRAIN if how.recipe or how.compress or how.shape else f"there is no card {self.card_name(name)!r} here"

    def card_name(self, name: str) -> str:
        """Of the records of this model."""
        return card_name(self.study.model(name))


def _of_one_version(records: Sequence[Record]) -> list[Record]:
    """Without what was measured in another version of an engine than most of its plain records: it stands beside accelerated ones alone (`plain`)."""
    known = [(one.spec.backend, version) for one in records if one.spec.accelerator == PLAIN and (version := one.engine.get("version"))]
    usual = dict(reversed([pair for pair, _ in Counter(known).most_common()]))
    return [one for one in records if one.spec.accelerator != PLAIN or one.engine.get("version", usual.get(one.spec.backend)) == usual.get(one.spec.backend)]


def _same_but_accelerator(one: Record, other: Record) -> bool:
    a, b = one.spec, other.spec
    same = (model(one), a.backend, a.format, a.precision, a.threads, a.length, a.batch, a.scenario) == (
        model(other), b.backend, b.format, b.precision, b.threads, b.length, b.batch, b.scenario)  # fmt: skip
    return same and a.accelerator in (PLAIN, OWN_KERNELS) and one.engine.get("version") == other.engine.get("version")


def card_name(one: Model) -> str:
    """Without folder and ending, as records name it."""
    return Path(one.card or one.name).name.removesuffix(".toml")


def machines(records: Sequence[Record]) -> dict[str, int]:
    """Where records were measured, and how many at each, the most first."""
    return dict(Counter(device(one) for one in records if one.outcome == "ok").most_common())


def sorted_lines(files: Sequence[Path]) -> tuple[list[Record], list[dict[str, Any]], list[Change]]:
    """What the lines of these files are: records, lines of a training log, changes. A file that is not there has none."""
    records: list[Record] = []
    training: list[dict[str, Any]] = []
    changed: list[Change] = []
    for path in files:
        for number, line in enumerate(lines.read(path) if path.exists() else [], start=1):
            try:
                raw = msgspec.json.decode(line, type=dict[str, Any])
                if "spec" in raw:
                    records.append(msgspec.convert(raw, Record))
                elif "kind" in raw and "part" in raw:
                    changed.append(msgspec.convert(raw, Change))
                else:
                    training.append(raw)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise CardError(f"{path} line {number} is no record, no change and no line of a training log: {error}; delete it") from error
    return records, training, changed
