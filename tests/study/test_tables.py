"""Each cell of a table is a number of the records, or a dash with the reason."""

from __future__ import annotations

import msgspec
import pytest

from edgebench.record import Record
from edgebench.study import comparisons, sensitivities, tables
from edgebench.study.description import Study
from edgebench.study.evidence import TRAIN, Evidence
from edgebench.study.grid import ABSENT, Grid, Line
from tests.study.conftest import CHANGES, answered, of


def texts(line: Line, *names: str) -> list[str]:
    return [line.entries[name].text for name in names]


@pytest.fixture
def grid(evidence: Evidence) -> Grid:
    return tables.lines(evidence.study.tables[0], evidence)


def test_a_model_has_a_line_for_each_of_its_precisions(grid: Grid) -> None:
    assert [(line.model, line.precision) for line in grid.lines] == [("large", "fp32"), ("small", "fp32"), ("small", "int8"), ("thinner", "fp32")]


def test_numbers_are_the_records(grid: Grid) -> None:
    assert texts(grid.lines[1], "accuracy", "size", "operations", "onnxruntime", "tflite", "peak") == [
        "90.0 % ±2.0", "10.0 MB", "2.00 Mop", "10.0 ms", "20.0 ms", "80.4 MB",
    ]


def test_the_teacher_is_compared_on_the_same_examples(grid: Grid) -> None:
    """The student has 8 wrong that the teacher has right: p = 2 * 0.5^8."""
    assert texts(grid.lines[1], "against the teacher", "same answers") == ["-8.0 points, p 0.008", "92.0 %"]


def test_a_model_that_is_not_there_says_how_to_have_it(grid: Grid) -> None:
    line = grid.lines[3]
    assert texts(line, "accuracy", "size", "onnxruntime") == [ABSENT] * 3
    assert {line.entries[name].why for name in ("accuracy", "size", "onnxruntime")} == {TRAIN}


def test_other_examples_are_not_compared(study: Study, records: list[Record]) -> None:
    other = msgspec.structs.replace(records[0], accuracy=answered(2, n=99, predictions=["a"] * 99, references=["a"] * 99, dataset_sha256="other"))
    found = tables.lines(study.tables[0], Evidence(study=study, records=[other, *records[1:]]))
    assert texts(found.lines[1], "against the teacher", "same answers") == [ABSENT, ABSENT]


def test_another_machine_gives_accuracy_and_no_time(study: Study, records: list[Record]) -> None:
    far = [msgspec.structs.replace(one, host={"cpu": "Far CPU"}) for one in records if one.spec.model == "large"]
    found = tables.lines(study.tables[0], Evidence(study=study, records=[*far, *records[1:]], machine="Test CPU, 4 cores"))
    assert texts(found.lines[0], "accuracy", "onnxruntime", "peak") == ["98.0 % ±2.0", ABSENT, ABSENT]


def test_a_training_line_gives_what_it_knows(study: Study) -> None:
    line = {"recipe": "small", "variant": "whole", "correct": 785, "n": 872, "dataset": "sst2", "parameters": 14_350_874}
    found = tables.lines(study.tables[0], Evidence(study=study, records=[], training=[line])).lines[1]
    assert texts(found, "accuracy", "parameters", "size") == ["90.0 % ±2.2", "14.4 M", ABSENT]
    assert found.entries["accuracy"].why == "measured in PyTorch, at the end of its training"


def test_random_weights_are_not_judged(study: Study, records: list[Record]) -> None:
    from edgebench.study.description import Shape

    shape = Shape(layers=1, hidden=2, heads=1, ffn=4, tokenizer="tiny")
    model = msgspec.structs.replace(study.model("small"), recipe=None, shape=shape)
    changed = msgspec.structs.replace(study, models=(study.model("large"), model, study.model("thinner")))
    found = tables.lines(study.tables[0], Evidence(study=changed, records=records)).lines[1]
    assert found.entries["accuracy"].why == "its weights are random"


def test_the_fastest_valid_engine_stands_out(study: Study, records: list[Record]) -> None:
    quick = of("small", "fp32", 1, 10, 1, "torchscript", verdict="invalid", reasons=["answers differ"])
    found = tables.cells(study.tables[1], Evidence(study=study, records=[*records, quick]))
    assert [(line.entries["engine"].text, line.wins) for line in found.lines] == [("onnxruntime", True), ("tflite", False), ("torchscript", False)]
    assert found.lines[1].entries["of the fastest"].text == "2.000 times (2.000 to 2.000)"
    assert found.lines[2].entries["verdict"].why == "answers differ"


def test_an_engine_that_refused_says_why_in_its_own_words(study: Study, records: list[Record]) -> None:
    row = of("small", "*", 1, 0, 1, "torchscript")
    refused = msgspec.structs.replace(row, outcome="unsupported", verdict="unsupported", latency=None, accuracy=None, reasons=["no torch"])
    found = tables.cells(study.tables[1], Evidence(study=study, records=[*records, refused]))
    assert found.lines[2].entries["median"].why == "no torch"


def test_a_claim_is_set_beside_what_was_measured(evidence: Evidence) -> None:
    found = comparisons.claims(evidence.study.tables[3], evidence)
    assert [texts(line, "theirs", "ours", "is that so here") for line in found.lines] == [
        ["5.00 times", "6.00 times", "yes"], ["3.00 times", "3.00 times (3.00 to 3.00)", "yes"],
    ]


def test_a_claim_that_does_not_hold_is_told(study: Study, records: list[Record]) -> None:
    table = study.tables[3]
    table = msgspec.structs.replace(table, claims=tuple(msgspec.structs.replace(one, low=7.0) for one in table.claims))
    found = comparisons.claims(table, Evidence(study=study, records=records))
    assert [line.entries["is that so here"].text for line in found.lines] == ["no, less", "no, less"]


def test_a_cure_is_what_comes_back_of_what_was_lost(evidence: Evidence) -> None:
    (line,) = comparisons.cures(evidence.study.tables[4], evidence).lines
    assert texts(line, "as it was", "without the cure", "lost", "with the cure", "brought back") == [
        "98.0 % ±2.0", "90.0 % ±2.0", "-8.0 points, p 0.008", "98.0 % ±2.0", "+8.0 points, p 0.008",
    ]


def test_losses_stand_by_part_and_bits_and_what_is_sure_is_marked() -> None:
    found = sensitivities.rounding(CHANGES)
    assert [one.name for one in found.columns] == ["rounded", "weights", "8 bits", "2 bits", "all but it, 2 bits"]
    assert [texts(line, "rounded", "8 bits", "2 bits", "all but it, 2 bits") for line in found.lines] == [
        ["words", "0.0", "-30.0 *", "-2.5"], ["everything", "0.0", "-40.0 *", ABSENT],
    ]


def test_layers_left_out_are_told_by_layer() -> None:
    found = sensitivities.thinning(CHANGES)
    assert [texts(line, "of", "left out") for line in found.lines] == [["layer 1", "-0.5"], ["layer 2", "-20.0 *"]]


def test_a_column_without_a_number_is_dropped_with_its_reasons(grid: Grid) -> None:
    assert "energy" not in [one.name for one in grid.filled().columns]
    assert "no meter was found here: docs/energy.md" in grid.dropped["energy"]


def test_a_teacher_that_is_not_here_is_told_from_its_students_card(study: Study) -> None:
    from edgebench.models.card import Card, Variant
    from edgebench.models.card import Score as Judged

    variant = Variant(file="f", sha256="0" * 64, size_bytes=1, format="onnx", precision="fp32", accuracy=Judged("sst2", 872, 0.9, 0.88, 0.92))
    card = Card(
        schema=1, name="small", task="text-classification", about="", licence="", source="", labels=("a", "b"), dataset="sst2", reference="onnx/fp32",
        variants=(variant,), made_by={"teacher_accuracy": 0.9174},
    )
    large = msgspec.structs.replace(study.model("large"), taught="small")
    changed = msgspec.structs.replace(study, models=(large, *study.models[1:]))
    found = tables.lines(study.tables[0], Evidence(study=changed, records=[], cards={"small": card})).lines[0].entries["accuracy"]
    assert (found.text, found.why) == ("91.7 % ±2.0", "as its student's card says, in PyTorch")
