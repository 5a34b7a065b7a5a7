"""A cell's answers -> its record: put together, compared with the reference, judged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from edgebench.bench import checks
from edgebench.bench.cell import Cell
from edgebench.bench.job import Answer
from edgebench.bench.plan import Model
from edgebench.errors import UnsupportedError
from edgebench.models.card import Score, Tolerance
from edgebench.record import Accuracy, Outcome, Parity, Record, Verdict
from edgebench.units import percent_text


def record(cell: Cell, model: Model, reference: Cell | None, host: dict[str, Any], notes: list[str]) -> Record:
    """`reference` is the cell of the card's reference variant, if an engine here opens it; `notes` come first."""
    answers = [one for part in cell.answers.values() for one in part]
    latency = cell.latency
    notes = [*notes, *cell.notes, *dict.fromkeys(note for one in answers for note in one.notes)]
    parity, faults = None, list[str]()
    if cell.accuracy:
        parity, faults, more = _beside_reference(cell, cell.accuracy, model, reference)
        notes = notes + more
    if model.labelled.note:
        notes = [*notes, f"{model.labelled.name}: {model.labelled.note}"]
    engine = answers[-1].engine if answers else {}
    notes = notes + checks.remarks(cell.spec, latency, _stalled(cell.timed), host, engine)
    memory = next((one.memory for one in cell.of("memory")), None)
    notes = notes + (checks.leak(memory) if memory else [])
    times: Sequence[Sequence[float]] = latency.processes_ns if latency and not cell.throughput else cell.series
    if cell.throughput:
        times = [[1e9 / rate for rate in rates] for rates in times]  # a rate as the time of one answer
    outcome, verdict, reasons = _judged(cell, faults, checks.noise(times, cell.spec) if times else [])
    return Record(
        spec=cell.spec, outcome=outcome, verdict=verdict, reasons=reasons, notes=notes,
        latency=latency, cold=[one.cold for one in cell.timed if one.cold], cooling=[one.cooling for one in cell.timed if one.cooling],
        throughput=cell.throughput, sustained=cell.sustained,
        memory=memory, energy=next((one.energy for one in cell.of("energy")), None),
        roof=cell.roof, work=next((one.work for one in cell.of("work")), None), accuracy=cell.accuracy, parity=parity,
        engine=engine, artifact=answers[-1].artifact if answers else {},
        host={**host, "before": [one.before for one in cell.timed], "after": [one.after for one in cell.timed]}, started_at=cell.started_at, id=new_id(),
    )


def utc() -> str:
    """Now, in ISO 8601 by the second."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def new_id() -> str:
    """One that no other record has."""
    return uuid4().hex[:12]


def _judged(cell: Cell, faults: list[str], noise: list[str]) -> tuple[Outcome, Verdict, list[str]]:
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
