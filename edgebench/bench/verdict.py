"""A cell's answers -> its record: put together, compared with the reference, judged."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from msgspec.structs import replace

from edgebench.bench import checks, conditions
from edgebench.bench.cell import Cell
from edgebench.bench.job import Answer
from edgebench.bench.onset import onset
from edgebench.bench.plan import Model
from edgebench.errors import UnsupportedError
from edgebench.models.card import Score, Tolerance
from edgebench.record import Accuracy, Latency, Outcome, Parity, Record, Sustained, Verdict
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
    states = [(one.before, one.after) for one in cell.timed if one.before and one.after]
    cooling = [one.cooling for one in cell.timed if one.cooling]
    held_back = conditions.held_back(states)
    notes = notes + checks.remarks(cell.spec, latency, host, engine) + conditions.remarks(cell.spec, states, host, cooling)
    memory = next((one.memory for one in cell.of("memory")), None)
    notes = notes + (checks.leak(memory) if memory else [])
    noise = _noise(cell, latency)
    if cell.sustained:  # made to find how the device fares over minutes: that it does not keep its pace is the result
        notes = notes + held_back + _onsets(cell.sustained)
    else:
        noise = noise + held_back
    noise = noise + conditions.unseen(states)
    if host.get("emulated"):
        noise = []
    outcome, verdict, reasons = _judged(cell, faults, noise)
    made = Record(
        spec=cell.spec, outcome=outcome, verdict=verdict, cause=cell.error.cause if cell.error else None, reasons=reasons, notes=notes,
        latency=latency, cold=[one.cold for one in cell.timed if one.cold], cooling=cooling,
        throughput=cell.throughput, sustained=cell.sustained,
        memory=memory, energy=next((one.energy for one in cell.of("energy")), None),
        roof=cell.roof, work=next((one.work for one in cell.of("work")), None), accuracy=cell.accuracy, parity=parity,
        engine=engine, artifact=_artifact(answers, model),
        host={**host, **_confined(answers), "before": [one.before for one in cell.timed], "after": [one.after for one in cell.timed]},
        started_at=cell.started_at, id=new_id(),
    )
    return _without_speed(made) if host.get("emulated") else made


def _without_speed(record: Record) -> Record:
    """An emulated machine's record says what answers are given and what fails, and has nothing that could be taken for a device's speed or memory."""
    why = "emulated: another processor's instructions were translated, so that times and memory say nothing of any device, and none is kept"
    return replace(
        record, notes=[why, *record.notes], latency=None, cold=[], cooling=[], throughput=None, sustained=None, memory=None, energy=None, roof=None,
    )


def utc() -> str:
    """Now, in ISO 8601 by the second."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def new_id() -> str:
    """One that no other record has."""
    return uuid4().hex[:12]


def _artifact(answers: list[Answer], model: Model) -> dict[str, Any]:
    """The file, and whose word its digest is: a card of the user's own says that the file did not change, not that anybody else knows it."""
    found = answers[-1].artifact if answers else {}
    return {**found, "digest_from": "edgebench" if model.bundled else "the user's own card, unverified"} if found else {}


def _confined(answers: list[Answer]) -> dict[str, Any]:
    """What the model's processes could reach, as facts of the host."""
    return {f"worker_{name}": value for name, value in (answers[-1].confined if answers else {}).items()}


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


def _noise(cell: Cell, latency: Latency | None) -> list[str]:
    """Rates are judged as the time of one answer."""
    if cell.throughput:
        rates = [[1e9 / rate for rate in rates] for rates in cell.series]
        return checks.noise(rates, cell.spec) if rates else []
    if latency:
        in_order = [] if cell.sustained else checks.levelled(latency, cell.spec)
        return checks.noise(latency.processes_ns, cell.spec, in_order=in_order, settled=latency.settled)
    return checks.noise(cell.series, cell.spec) if cell.series else []


def _onsets(sustained: Sustained) -> list[str]:
    found = [onset(windows) for windows in sustained.processes]
    return [f"sustained: {one}" for one in found if one]
