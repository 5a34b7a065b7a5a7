"""What of a plan is missing in a file of records: other specs, other files, other machines, what failed, what was cut off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgebench.bench.plan import Model, Plan, refused
from edgebench.bench.resume import machine, missing
from edgebench.models import card as cards
from edgebench.models.data import Labelled
from edgebench.record import Cold, Record, Spec

HOST = {"cpu": "a cpu", "cores": 4, "packages": {"numpy": "2.0"}}
COLD = Cold(process_start_ns=1, import_ns=2, load_ns=3, first_answer_ns=4, total_ns=10)
LABELLED = Labelled(("good",), (1,), ("negative", "positive"), "one", "dev", "made in a test", "ab12", "MIT", "")


def cell(**options: Any) -> Spec:
    return Spec(**{"model": "bag", "format": "onnx", "precision": "fp32", "backend": "onnxruntime", "processes": 2} | options)


@pytest.fixture
def plan(bag_of_words: Path) -> Plan:
    """Two cells, and a row for what cannot be measured."""
    return Plan([cell(), cell(threads=2)], [refused(cell(backend="tflite"), "no file")], {"bag": Model(cards.read(bag_of_words), None, LABELLED)}, 0)


@pytest.fixture
def measured(plan: Plan) -> Record:
    """The first cell's record, whole."""
    sha256 = plan.models["bag"].card.variants[0].sha256
    return Record(spec=plan.cells[0], outcome="ok", verdict="valid", cold=[COLD, COLD], artifact={"sha256": sha256}, host=HOST, id="first")


def test_what_is_measured_is_not_measured_again(plan: Plan, measured: Record) -> None:
    rest, found = missing(plan, [measured], HOST)
    assert (rest.cells, found) == ([cell(threads=2)], [measured])
    assert (rest.rows, rest.models) == (plan.rows, plan.models)


def test_of_a_cells_records_the_last_counts(plan: Plan, measured: Record) -> None:
    later = msgspec.structs.replace(measured, id="later")
    assert missing(plan, [measured, later], HOST)[1] == [later]


@pytest.mark.parametrize(("processes", "stands"), [(2, True), (1, False)])
def test_an_emulated_cell_keeps_no_time_and_stands_once_its_processes_ran(plan: Plan, measured: Record, processes: int, stands: bool) -> None:
    host = {**HOST, "emulated": True}
    found = missing(plan, [msgspec.structs.replace(measured, cold=[], host={**host, "before": [{}] * processes})], host)[1]
    assert bool(found) is stands


@pytest.mark.parametrize(
    "change",
    [
        {"spec": cell(seed=1)}, {"artifact": {"sha256": "00"}}, {"host": {**HOST, "cpu": "another"}}, {"outcome": "failed", "verdict": "failed"},
        {"cold": [COLD], "notes": ["interrupted after 1 of 2 timing processes"]},
    ],
    ids=["another cell", "another file", "another machine", "failed", "cut off"],
)
def test_a_record_that_does_not_cover_the_cell_is_no_reason_to_leave_it_out(plan: Plan, measured: Record, change: dict[str, Any]) -> None:
    rest, found = missing(plan, [msgspec.structs.replace(measured, **change)], HOST)
    assert (rest.cells, found) == (plan.cells, [])


def test_a_cell_without_timing_needs_no_processes(plan: Plan, measured: Record) -> None:
    spec = cell(passes=("accuracy",))
    record = msgspec.structs.replace(measured, spec=spec, cold=[])
    assert missing(Plan([spec], [], plan.models, 0), [record], HOST)[0].cells == []


def test_a_row_that_is_there_is_not_written_again(plan: Plan) -> None:
    row = msgspec.structs.replace(plan.rows[0], host=HOST)
    rest, found = missing(plan, [row], HOST)
    assert (rest.rows, found) == ([], [row])
    assert missing(plan, [msgspec.structs.replace(row, reasons=["another"])], HOST)[0].rows == plan.rows


def test_a_machine_is_known_by_what_it_is_and_not_by_its_software() -> None:
    assert machine(HOST) == machine({**HOST, "packages": {"numpy": "3.0"}, "temp_c": 50})
    assert machine(HOST) != machine({**HOST, "cores": 8})
