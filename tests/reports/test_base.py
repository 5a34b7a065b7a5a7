"""What every report says of records: which cell is the fastest, which columns are shown, and what stands below."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from edgebench.record import Record
from edgebench.reports.base import columns, fastest, first_answer_ns, footnotes, model, short_name, timing, title

Make = Callable[..., Record]


def column(records: list[Record], name: str) -> list[str]:
    (found,) = [one for one in columns(records) if one.name == name]
    return [found.text(record) for record in records]


@pytest.mark.parametrize("verdict", ["noisy", "invalid", "failed"])
def test_only_a_valid_cell_is_the_fastest(make: Make, verdict: str) -> None:
    records = [make("onnxruntime", "fp32", 2), make("onnxruntime", "int8", 1, verdict=verdict, reasons=["why"])]
    assert fastest(records) == records[:1]
    assert column(records, "verdict") == ["valid, fastest", f"{verdict} [1]"]


def test_where_no_cell_is_valid_none_is_the_fastest_and_that_is_said(make: Make) -> None:
    records = [make("onnxruntime", "fp32", 2, verdict="noisy", reasons=["why"])]
    assert fastest(records) == []
    assert footnotes(records)[-1] == "no cell is valid, so none is called the fastest"


def test_each_model_and_each_length_has_its_own_fastest(make: Make) -> None:
    records = [
        make("onnxruntime", "fp32", 3, spec={"length": 128}), make("tflite", "fp32", 4, spec={"length": 128}), make("onnxruntime", "fp32", 1),
        make("onnxruntime", "fp32", 2, spec={"model": "other"}),
    ]
    assert fastest(records) == [records[0], records[2], records[3]]


def test_cells_whose_intervals_meet_are_called_a_tie(make: Make) -> None:
    records = [make("onnxruntime", "int8", 1), make("tflite", "int8", 1), make("torchscript", "int8", 5)]
    assert [line for line in footnotes(records) if "no detectable" in line] == [
        "no detectable difference in time between tiny onnxruntime int8 1 thread and tiny tflite int8 1 thread"
    ]


@pytest.mark.parametrize(("n", "p90"), [(62, "–"), (64, "2.00 ms")])
def test_p90_is_printed_only_where_there_are_calls_enough(make: Make, n: int, p90: str) -> None:
    assert column([make("onnxruntime", "fp32", 1, n=n)], "p90") == [p90]


def test_what_differs_is_a_column_and_what_does_not_is_in_the_title(make: Make) -> None:
    alike = [make("onnxruntime", "fp32", 1), make("tflite", "fp32", 1)]
    mixed = [make("onnxruntime", "fp32", 1, spec={"threads": 2, "length": 32, "model": "/cards/b.toml"}), *alike]
    assert not {"model", "threads", "length"} & {one.name for one in columns(alike)}
    assert title(alike)[0] == "tiny, 1 thread, real inputs of 5 to 60 tokens, accuracy on sst2 (n = 872)"
    assert [column(mixed, name) for name in ("model", "threads", "length")] == [["b", "tiny", "tiny"], ["2", "1", "1"], ["32", "own", "own"]]
    assert title(mixed)[0] == "accuracy on sst2 (n = 872)"


def test_inputs_of_a_set_length_are_named_with_it(make: Make) -> None:
    assert title([make("onnxruntime", "fp32", 1, spec={"length": 128, "threads": 4})])[0].startswith("tiny, 4 threads, inputs of 128 tokens, accuracy")


def test_a_board_is_named_before_its_processor(make: Make) -> None:
    host = {"board": "Raspberry Pi 5", "cpu": "Cortex-A76", "usable_cores": 4}
    assert title([make("onnxruntime", "fp32", 1, host=host)])[1] == "Raspberry Pi 5, 4 cores, 2026-01-02 03:04 UTC"


def test_cells_with_the_same_reasons_share_a_footnote(make: Make) -> None:
    records = [make("tflite", one, verdict="failed", reasons=[why]) for one, why in (("a", "x"), ("b", "y"), ("c", "x"))]
    assert column(records, "verdict") == ["failed [1]", "failed [2]", "failed [1]"]
    assert footnotes(records) == ["[1] x", "[2] y"]


def test_a_note_of_several_cells_is_said_once(make: Make) -> None:
    assert footnotes([make("tflite", one, verdict="failed", notes=["odd"]) for one in "ab"]) == ["note: odd"]


def test_the_first_answer_is_the_median_of_its_processes(make: Make) -> None:
    from edgebench.record import Cold

    colds = [Cold(process_start_ns=0, import_ns=0, load_ns=0, first_answer_ns=0, total_ns=total) for total in (30, 10, 90)]
    assert first_answer_ns(make("tflite", "fp32", verdict="failed", cold=colds)) == 30
    assert first_answer_ns(make("tflite", "fp32", verdict="failed")) is None


def test_a_cell_without_times_has_no_summary(make: Make) -> None:
    assert timing(make("tflite", "fp32", verdict="failed")) is None


def test_equal_answers_of_another_cell_than_the_reference_are_a_share(make: Make) -> None:
    from edgebench.record import Parity

    same = Parity(reference="onnxruntime onnx/fp32", n=872, max_difference=0, agreement=1)
    records = [make("onnxruntime", "fp32", 1, parity=same), make("onnxruntime", "int8", 1, parity=same)]
    assert column(records, "parity") == ["reference", "100.0 %"]


@pytest.mark.parametrize(("named", "shown"), [("tiny", "tiny"), ("/cards/tiny.toml", "tiny"), ("cards/v1.5.toml", "v1.5")])
def test_a_model_given_as_a_path_is_shown_by_its_name(make: Make, named: str, shown: str) -> None:
    assert model(make("tflite", "*", verdict="unsupported", spec={"model": named})) == shown


def test_beside_the_median_stands_how_far_its_interval_over_the_processes_reaches(make: Make) -> None:
    """Of two processes at 1 and 1.21 ms the middle is 1.1, and Student's t for one degree of freedom 12.706: exp(12.706 x ln(1.21) / 2) is 3.357."""
    import msgspec

    record = make("tflite", "int8", 1)
    assert record.latency
    apart = msgspec.structs.replace(record, latency=msgspec.structs.replace(record.latency, processes_ns=[[1_000_000] * 3, [1_210_000] * 2]))
    assert column([apart], "median") == ["1.10 ms ±235.7 %"]
    assert column([make("tflite", "fp32", verdict="failed")], "median") == ["–"]


def test_energy_is_a_column_only_where_some_cell_has_it(make: Make) -> None:
    from tests.reports.conftest import full

    assert column([full("tflite", "int8", 1), make("onnxruntime", "int8", 1)], "energy") == ["500 mJ", "–"]
    assert "energy" not in {one.name for one in columns([make("onnxruntime", "int8", 1)])}


def test_cells_of_two_devices_are_not_ranked_against_each_other_and_that_is_said(make: Make) -> None:
    there = {"board": "Raspberry Pi 5", "cpu": "Cortex-A76", "usable_cores": 4}
    records = [make("tflite", "int8", 1), make("tflite", "int8", 5, host=there), make("torchscript", "int8", 9, host=there), make("a", "*", verdict="failed")]
    assert fastest(records) == records[:2]
    assert column(records, "device") == ["Test CPU, 4 cores", "Raspberry Pi 5, 4 cores", "Raspberry Pi 5, 4 cores", "–"]
    assert "records of 2 devices: each has its own fastest, and no cell is compared with one of another device" in footnotes(records)
    assert not [line for line in footnotes(records) if "no detectable" in line]
    assert "device" not in {one.name for one in columns(records[1:])}


def test_a_note_on_some_cells_names_them_and_one_on_all_does_not(make: Callable[..., Record]) -> None:
    records = [make("x", "int8", 1, notes=["a set", "hot"]), make("y", "int8", 1, notes=["a set"]), make("z", "int8", 1, notes=["a set", "hot"])]
    assert [line for line in footnotes(records) if line.startswith("note")] == ["note: a set", "note on x int8 1 thread, z int8 1 thread: hot"]


def judged(record: Record, metric: str, **more: float) -> Record:
    assert record.accuracy
    return msgspec.structs.replace(record, accuracy=msgspec.structs.replace(record.accuracy, metric=metric, more=more))


def test_the_column_of_scores_bears_the_metrics_own_name_and_the_others_are_told_beside_it(make: Make) -> None:
    records = [judged(make("onnxruntime", "fp32", 1), "top-1", **{"top-5": 0.987})]
    assert (column(records, "top-1"), column(records, "more")) == (["91.0 % ±2.0"], ["top-5 98.7 %"])
    assert "±: how far the 95 % interval reaches, the median's over the processes, top-1's over the examples" in footnotes(records)


def test_in_a_table_of_several_metrics_each_score_has_its_name(make: Make) -> None:
    records = [judged(make("onnxruntime", "fp32", 1), "mIoU"), judged(make("tflite", "fp32", 1), "BLEU nrefs:1|case:mixed"), make("tflite", "*")]
    assert column(records, "score") == ["mIoU 91.0 % ±2.0", "BLEU 91.0 % ±2.0", "–"]


@pytest.mark.parametrize(("metric", "short"), [("BLEU nrefs:1|tok:13a", "BLEU"), ("entity F1", "entity F1"), ("COCO mAP", "COCO mAP")])
def test_a_metrics_short_name_is_without_its_signature(metric: str, short: str) -> None:
    assert short_name(metric) == short
