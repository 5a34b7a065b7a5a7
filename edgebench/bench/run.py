"""A plan -> records: its passes in an order that is fair to all cells, each through an executor, then the verdicts.

What is not timed (accuracy, memory, operations) runs first and several at once, because neighbours do not change it.
Timing then has the machine to itself: every cell's processes take turns, in an order drawn anew for each round, so that a
slow minute falls on all cells alike. A cell whose interval is still too wide gets another process, up to its limit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle
from random import Random
from typing import Any

import msgspec

from edgebench.bench.cell import Cell
from edgebench.bench.estimate import Estimate
from edgebench.bench.job import Answer, Job, Labels, Pass
from edgebench.bench.plan import ALL, Plan, refused
from edgebench.bench.verdict import new_id, record, utc
from edgebench.errors import EdgebenchError, MissingError
from edgebench.record import Record, Spec

UNTIMED: tuple[Pass, ...] = ("memory", "work")  # for each cell; accuracy, which cells share, comes before them
BESIDE: tuple[Pass, ...] = ("drop", "energy", "roof", "work")  # what they cannot find is a note, and no fault of the cell


@dataclass(frozen=True)
class Progress:
    """Passes done and in all, as far as is known; the seconds left; what runs now, or nothing."""

    done: int
    total: int
    left_s: float
    doing: str


class Sweep:
    """One run over a plan. `keep` gets each record as soon as it is complete; `at_once` untimed passes run together.

    On KeyboardInterrupt the cells that were timed at least once are kept as well.
    """

    def __init__(
        self, plan: Plan, execute: Callable[[Job], Answer], *, host: dict[str, Any], keep: Callable[[Record], None], tell: Callable[[Progress], None],
        at_once: int = 1,
    ) -> None:
        self._plan, self._execute, self._host, self._keep, self._tell, self._at_once = plan, execute, host, keep, tell, at_once
        self._cells = [Cell(spec) for spec in plan.cells]
        wanted = {spec.model for spec in plan.cells if "accuracy" in spec.passes}
        self._references = {name: Cell(model.reference) for name, model in plan.models.items() if model.reference and name in wanted}
        self._roofs: dict[int, Cell] = {}
        self._estimate = Estimate()
        self._pending: list[tuple[Spec, Pass]] = []  # untimed passes that have not ended
        self._done = 0

    def run(self) -> list[Record]:
        """Every record, in the plan's order, the rows of what cannot be measured last."""
        rows = [self._stamped(row) for row in self._plan.rows]
        for row in rows:
            self._keep(row)
        try:
            self._untimed()
            rows += self._missing()
            self._timed()
        except KeyboardInterrupt:
            self._interrupted()
            raise
        return [*(cell.record for cell in self._cells if cell.record), *rows]

    def _untimed(self) -> None:
        """Accuracy, the references' first, then the rest. Cells that differ only in how they are timed have one accuracy."""
        shared: dict[tuple[object, ...], list[Cell]] = {}
        for cell in (*self._references.values(), *self._cells):
            if "accuracy" in cell.spec.passes:
                shared.setdefault(_answers_by(cell.spec), []).append(cell)
        judged = [(msgspec.structs.replace(cells[0].spec, length=None), cells) for cells in shared.values()]
        rest: list[tuple[Spec, Pass, list[Cell]]] = [(cell.spec, part, [cell]) for part in UNTIMED for cell in self._cells if part in cell.spec.passes]
        self._pending = [*((spec, "accuracy") for spec, _ in judged), *((spec, part) for spec, part, _ in rest)]
        self._together([(spec, "accuracy", cells) for spec, cells in judged])
        self._together(rest)
        self._pending = []

    def _missing(self) -> list[Record]:
        """Finish the cells that failed already; one row for each engine that is not installed."""
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
        random, turns = Random(self._plan.seed), cycle([1, -1])
        while cells := [cell for cell in self._cells if cell.is_open]:
            if self._plan.alternate:
                cells = cells[:: next(turns)]
            else:
                random.shuffle(cells)
            for cell in cells:
                self._roof(cell)
                if cell.turns:
                    self._turn(cell)
                if cell.is_open and not cell.turns and "energy" in cell.spec.passes:
                    self._pass(cell.spec, "energy", [cell])
                if not cell.turns:
                    self._finish(cell)

    def _turn(self, cell: Cell) -> None:
        """One more process that times the cell."""
        assert cell.timed_by
        cache = "warm"
        if "drop" in cell.spec.passes:
            self._pass(cell.spec, "drop", [cell])
            cache = "dropped" if cell.of("drop") and cell.of("drop")[-1].dropped else "warm"
        self._pass(cell.spec, cell.timed_by, [cell], file_cache=cache)

    def _roof(self, cell: Cell) -> None:
        """The machine's roofs with as many threads as the cell has, measured once."""
        if "roof" not in cell.spec.passes:
            return
        threads = cell.spec.threads
        if threads not in self._roofs:
            asked = Cell(cell.spec)
            self._pass(cell.spec, "roof", [asked])
            self._roofs[threads] = asked
        found = self._roofs[threads]
        cell.roof = next((one.roof for one in found.of("roof")), None)
        notes = [*found.notes, *(note for one in found.of("roof") for note in one.notes)]
        cell.notes = [*cell.notes, *(note for note in notes if note not in cell.notes)]

    def _interrupted(self) -> None:
        for cell in self._cells:
            if cell.timed and not cell.record:
                self._finish(cell, f"interrupted after {len(cell.timed)} of {cell.spec.processes} timing processes")

    def _together(self, work: list[tuple[Spec, Pass, list[Cell]]]) -> None:
        pool = ThreadPoolExecutor(self._at_once)
        try:
            for future in [pool.submit(self._pass, *one) for one in work]:
                future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # after an interruption whoever owns the executor ends its processes

    def _pass(self, spec: Spec, part: Pass, cells: list[Cell], *, file_cache: str = "warm") -> None:
        """One process; what it answered, or the error, goes to every one of `cells`."""
        if any(cell.error for cell in cells):
            self._pending = [one for one in self._pending if one != (spec, part)]
            return
        self._say(f"{spec.name}: {part}")
        started_at, begin = utc(), time.monotonic()
        try:
            answer = self._execute(self._job(spec, part, file_cache))
        except EdgebenchError as error:
            for cell in cells:
                cell.started_at = cell.started_at or started_at
                if part in BESIDE:
                    cell.notes.append(f"{part}: {error}")
                else:
                    cell.error = error
        else:
            self._estimate.learn(spec, part, time.monotonic() - begin)
            for cell in cells:
                cell.answers.setdefault(part, []).append(answer)
                cell.started_at = cell.started_at or started_at
        self._pending = [one for one in self._pending if one != (spec, part)]
        self._done += 1
        self._say("")

    def _job(self, spec: Spec, part: Pass, file_cache: str) -> Job:
        labelled = self._plan.models[spec.model].labelled
        expected = Labels(labels=labelled.references, dataset=labelled.name, sha256=labelled.sha256, source=labelled.source) if part == "accuracy" else None
        return Job(spec=spec, part=part, examples=list(labelled.texts), expected=expected, file_cache=file_cache)

    def _say(self, doing: str) -> None:
        to_come = list(self._to_come())
        saved = self._estimate.all(self._pending) * (1 - 1 / self._at_once)  # by running at once
        self._tell(Progress(self._done, self._done + len(to_come), self._estimate.all(to_come) - saved, doing))

    def _to_come(self) -> Iterator[tuple[Spec, Pass]]:
        """The passes that are still to end, as far as is known."""
        yield from self._pending
        roofs = {cell.spec.threads: cell.spec for cell in self._cells if cell.is_open and "roof" in cell.spec.passes}
        for threads, spec in roofs.items():
            if threads not in self._roofs:
                yield spec, "roof"
        for cell in self._cells:
            for part in cell.to_come:
                yield cell.spec, part

    def _stamped(self, row: Record) -> Record:
        return msgspec.structs.replace(row, host=self._host, started_at=utc(), id=new_id())

    def _finish(self, cell: Cell, *notes: str) -> None:
        model = self._plan.models[cell.spec.model]
        cell.record = record(cell, model, self._references.get(cell.spec.model), self._host, list(notes))
        self._keep(cell.record)


def _answers_by(spec: Spec) -> tuple[object, ...]:
    """What a model's answers depend on."""
    return spec.model, spec.format, spec.precision, spec.backend, spec.threads, spec.accelerator
