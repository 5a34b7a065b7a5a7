"""A plan -> records: its passes in an order that is fair to all cells, each through an executor, then the verdicts.

What is not timed (accuracy, memory) runs first and several at once, because neighbours do not change it. Timing then has
the machine to itself: every cell's processes take turns, in an order drawn anew for each round, so that a slow minute
falls on all cells alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import uuid4

import msgspec

from edgebench.bench import checks
from edgebench.bench.job import Answer, Job, Labels, Pass
from edgebench.bench.plan import ALL, Model, Plan, refused
from edgebench.errors import EdgebenchError, MissingError, UnsupportedError
from edgebench.models.card import Score, Tolerance
from edgebench.record import Accuracy, Latency, Parity, Record, Spec, Verdict
from edgebench.units import percent_text

Execute = Callable[[Job], Answer]
Keep = Callable[[Record], None]
Tell = Callable[[int, int, str], None]  # passes done, passes in all, what runs now


@dataclass
class Cell:
    """What is known of one spec so far. `answers` are in the order they came."""

    spec: Spec
    answers: dict[Pass, list[Answer]] = field(default_factory=dict)
    error: EdgebenchError | None = None
    started_at: str = ""
    record: Record | None = None

    def of(self, part: Pass) -> list[Answer]:
        return self.answers.get(part, [])

    @property
    def timed_by(self) -> Pass | None:
        """The pass that is repeated; a latency pass begins with a cold start, so it does for both."""
        parts: tuple[Pass, ...] = ("latency", "cold")
        return next((part for part in parts if part in self.spec.passes), None)

    @property
    def accuracy(self) -> Accuracy | None:
        return next((one.accuracy for one in self.of("accuracy")), None)


class Sweep:
    """One run over a plan. `keep` gets each record as soon as it is complete; `at_once` untimed passes run together.

    On KeyboardInterrupt the cells that were timed at least once are kept as well.
    """

    def __init__(self, plan: Plan, execute: Execute, *, host: dict[str, Any], keep: Keep, tell: Tell, at_once: int = 1) -> None:
        self._plan, self._execute, self._host, self._keep, self._tell, self._at_once = plan, execute, host, keep, tell, at_once
        self._cells = [Cell(spec) for spec in plan.cells]
        self._references = {name: Cell(model.reference) for name, model in plan.models.items() if model.reference}
        self._done = self._total = 0

    def run(self) -> list[Record]:
        """Every record, in the plan's order, the rows of what cannot be measured last."""
        rows = [self._stamped(row) for row in self._plan.rows]
        for row in rows:
            self._keep(row)
        try:
            rows += self._untimed()
            self._timed()
        except KeyboardInterrupt:
            self._interrupted()
            raise
        return [*(cell.record for cell in self._cells if cell.record), *rows]

    def _untimed(self) -> list[Record]:
        """Accuracy, the references' first, then memory. Returns one row for each engine that is not installed."""
        shared: dict[Spec, list[Cell]] = {}  # cells that differ only in length have one accuracy
        for cell in (*self._references.values(), *self._cells):
            if "accuracy" in cell.spec.passes:
                shared.setdefault(msgspec.structs.replace(cell.spec, length=None), []).append(cell)
        self._total = len(shared) + sum(("memory" in cell.spec.passes) + cell.spec.processes * bool(cell.timed_by) for cell in self._cells)
        self._together([(spec, "accuracy", cells) for spec, cells in shared.items()])
        self._together([(cell.spec, "memory", [cell]) for cell in self._cells if "memory" in cell.spec.passes and not cell.error])
        missing: dict[tuple[str, str], Record] = {}
        for cell in self._cells:
            if isinstance(cell.error, MissingError):
                spec = msgspec.structs.replace(cell.spec, precision=ALL, length=None)
                missing.setdefault((spec.model, spec.backend), self._stamped(refused(spec, str(cell.error))))
            elif cell.error:
                self._finish(cell)
        for row in missing.values():
            self._keep(row)
        return list(missing.values())

    def _timed(self) -> None:
        random = Random(self._plan.seed)
        for turn in range(max((cell.spec.processes for cell in self._cells), default=0)):
            cells = [cell for cell in self._cells if not cell.error and turn < cell.spec.processes]
            random.shuffle(cells)
            for cell in cells:
                if cell.timed_by:
                    self._pass(cell.spec, cell.timed_by, [cell])
                if cell.error or turn == cell.spec.processes - 1:
                    self._finish(cell)

    def _interrupted(self) -> None:
        for cell in self._cells:
            turns = len(cell.of(cell.timed_by)) if cell.timed_by else 0
            if turns and not cell.record:
                self._finish(cell, f"interrupted after {turns} of {cell.spec.processes} timing processes")

    def _together(self, work: Iterable[tuple[Spec, Pass, list[Cell]]]) -> None:
        pool = ThreadPoolExecutor(self._at_once)
        try:
            for future in [pool.submit(self._pass, *one) for one in work]:
                future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # after an interruption whoever owns the executor ends its processes

    def _pass(self, spec: Spec, part: Pass, cells: list[Cell]) -> None:
        """One process; what it answered, or the error, goes to every one of `cells`."""
        if any(cell.error for cell in cells):
            return
        self._tell(self._done, self._total, f"{spec.name}: {part}")
        labelled = self._plan.models[spec.model].labelled
        expected = Labels(labels=labelled.references, dataset=labelled.name, sha256=labelled.sha256, source=labelled.source) if part == "accuracy" else None
        started_at = _utc()
        try:
            answer = self._execute(Job(spec=spec, part=part, examples=list(labelled.texts), expected=expected))
        except EdgebenchError as error:
            for cell in cells:
                cell.error, cell.started_at = error, cell.started_at or started_at
        else:
            for cell in cells:
                cell.answers.setdefault(part, []).append(answer)
                cell.started_at = cell.started_at or started_at
        self._done += 1
        self._tell(self._done, self._total, "")

    def _finish(self, cell: Cell, *notes: str) -> None:
        model = self._plan.models[cell.spec.model]
        cell.record = _record(cell, model, self._references.get(cell.spec.model), self._host, list(notes))
        self._keep(cell.record)

    def _stamped(self, row: Record) -> Record:
        return msgspec.structs.replace(row, host=self._host, started_at=_utc(), id=_id())


def _record(cell: Cell, model: Model, reference: Cell | None, host: dict[str, Any], notes: list[str]) -> Record:
    """Put together what the passes found, and judge it."""
    answers = [one for part in cell.answers.values() for one in part]
    timed = cell.of(cell.timed_by) if cell.timed_by else []
    latency = _joined([one.latency for one in timed if one.latency])
    parity, faults = None, list[str]()
    if cell.accuracy:
        parity, faults, more = _beside_reference(cell, cell.accuracy, model, reference)
        notes += more
    if model.labelled.note:
        notes.append(f"{model.labelled.name}: {model.labelled.note}")
    engine = answers[-1].engine if answers else {}
    notes += checks.remarks(cell.spec, latency, _stalled(timed), host, engine)
    outcome, verdict, reasons = _judged(cell, faults, checks.noise(latency, cell.spec) if latency else [])
    return Record(
        spec=cell.spec, outcome=outcome, verdict=verdict, reasons=reasons, notes=notes,
        latency=latency, cold=[one.cold for one in timed if one.cold],
        memory=next((one.memory for one in cell.of("memory")), None), accuracy=cell.accuracy, parity=parity,
        engine=engine, artifact=answers[-1].artifact if answers else {},
        host={**host, "before": [one.before for one in timed], "after": [one.after for one in timed]}, started_at=cell.started_at, id=_id(),
    )


def _judged(cell: Cell, faults: list[str], noise: list[str]) -> tuple[Any, Verdict, list[str]]:
    """Outcome, verdict and reasons; a wrong answer outweighs a restless one."""
    if isinstance(cell.error, UnsupportedError):
        return "unsupported", "unsupported", [str(cell.error)]
    if cell.error:
        return "failed", "failed", [str(cell.error)]
    return "ok", "invalid" if faults else "noisy" if noise else "valid", faults + noise


def _beside_reference(cell: Cell, accuracy: Accuracy, model: Model, reference: Cell | None) -> tuple[Parity | None, list[str], list[str]]:
    """Parity, faults and notes: against the reference as it answered here, else against the card's own figure."""
    tolerance = model.card.tolerance.get(cell.spec.precision, Tolerance())
    if reference and reference.accuracy:
        name = f"{reference.spec.backend} {model.card.reference}"
        parity = checks.compare(accuracy, reference.accuracy, name)
        return parity, checks.faults(accuracy, parity, reference.accuracy, tolerance, cell.spec), []
    why = f"the reference {model.card.reference} could not be run: {reference.error if reference else 'no engine here opens it'}"
    format, _, precision = model.card.reference.partition("/")
    score: Score | None = checks.recorded(accuracy, model.card.variant(format, precision).accuracy)
    if score:
        note = f"parity was not measured: {why}; accuracy was judged by the card's own figure, {percent_text(score.value)}"
        return None, checks.faults(accuracy, None, score, tolerance, cell.spec), [note]
    return None, [], [f"unverified: parity was not measured: {why}, and the card has no figure for {accuracy.dataset} with n = {accuracy.n}"]


def _stalled(timed: list[Answer]) -> float | None:
    """The greatest share of a timing process during which some process of this machine had no processor."""
    shares = [
        1000 * (one.after["cpu_stall_us"] - one.before["cpu_stall_us"]) / (one.after["monotonic_ns"] - one.before["monotonic_ns"])
        for one in timed if one.before.get("cpu_stall_us") is not None and one.after.get("cpu_stall_us") is not None
    ]
    return max(shares, default=None)


def _joined(parts: list[Latency]) -> Latency | None:
    """The processes of one cell as one series of series."""
    if not parts:
        return None
    tokens = [one.tokens[0] for one in parts if one.tokens]
    return Latency(
        processes_ns=[one.processes_ns[0] for one in parts], warm_up_ns=[one.warm_up_ns[0] for one in parts], tokens=tokens or None,
        stages_ns={name: [ns for one in parts for ns in one.stages_ns[name]] for name in parts[0].stages_ns},
        clock=parts[0].clock, garbage_collector=parts[0].garbage_collector,
    )


def _utc() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _id() -> str:
    return uuid4().hex[:12]
