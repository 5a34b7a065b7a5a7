"""What a cell's record keeps of an emulated machine."""


from __future__ import annotations

from pathlib import Path
from typing import Any

from edgebench.bench.cell import Cell
from edgebench.bench.job import Answer
from edgebench.bench.plan import Model
from edgebench.bench.verdict import record
from edgebench.models import card as cards
from edgebench.models.data import Labelled
from edgebench.record import Cold, Record, Spec

LABELLED = Labelled(("good", "bad"), (1, 0), ("negative", "positive"), "two", "dev", "made in a test", "ab12", "MIT", "")


def made(card: Path, host: dict[str, Any]) -> Record:
    cell = Cell(Spec(model="bag", format="onnx", precision="fp32", backend="onnxruntime", passes=("cold",)))
    cell.answers["cold"] = [Answer(cold=Cold(process_start_ns=1, import_ns=1, load_ns=1, first_answer_ns=1, total_ns=total)) for total in (4, 400, 40_000)]
    return record(cell, Model(cards.read(card), None, LABELLED), None, host, [])


def test_an_emulated_machine_has_no_speed_and_its_restlessness_is_no_fault(bag_of_words: Path) -> None:
    found = made(bag_of_words, {"emulated": True})
    assert (found.outcome, found.verdict, found.cold) == ("ok", "valid", [])
    assert found.notes[0].startswith("emulated: another processor's instructions were translated")
    assert found.host["emulated"] is True


def test_another_machines_times_are_kept(bag_of_words: Path) -> None:
    found = made(bag_of_words, {"emulated": None})
    assert len(found.cold) == 3
    assert not [note for note in found.notes if note.startswith("emulated")]
