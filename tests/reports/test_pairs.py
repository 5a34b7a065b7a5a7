"""Which cells belong together, and how one stands to the other in time, accuracy and memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from edgebench.record import Accuracy, Cold, Latency, Memory, Record, Throughput
from edgebench.reports import pairs
from edgebench.reports.pairs import Answers, compare, match, series, time_ns, unsure, worse

MS = 1_000_000


def timed(*processes: list[float]) -> Latency:
    return Latency(processes_ns=[[int(one * MS) for one in samples] for samples in processes], warm_up_ns=[], tokens=None, stages_ns={})


def answered(predictions: str, references: str = "pppppppppp") -> Accuracy:
    right = sum(one == other for one, other in zip(predictions, references, strict=True))
    return Accuracy(
        metric="accuracy", value=right / len(references), low=0, high=1, interval="Wilson 95 %", n=len(references), dataset="ten", dataset_sha256="ab",
        dataset_source="", predictions=list(predictions), probabilities=[], references=list(references),
    )


def peak(size: float) -> Memory:
    return Memory(baseline_bytes=0, loaded_bytes=0, first_answer_bytes=0, peak_bytes=int(size), runs=1, method="VmHWM")


# matching


def test_cells_of_the_same_spec_belong_together_however_long_each_was_measured(make: Callable[..., Record]) -> None:
    a = [make("onnxruntime", "int8", 2), make("tflite", "int8", 1)]
    b = [make("tflite", "int8", 1, spec={"processes": 9, "min_time_s": 60.0, "examples": 5}), make("onnxruntime", "fp32", 3)]
    found = match(a, b)
    assert found.pairs == [(a[1], b[0])]
    assert (found.only_a, found.only_b) == ([a[0]], [b[1]])


@pytest.mark.parametrize(
    "change",
    [{"threads": 2}, {"length": 32}, {"batch": 2}, {"scenario": "offline"}, {"accelerator": "gpu"}, {"rules": "mlperf"}, {"rate_hz": 1.0}, {"bound_ns": 1}],
)
def test_another_option_is_another_cell(change: dict[str, Any], make: Callable[..., Record]) -> None:
    rest = make("tflite", "int8", 1)
    assert match([make("x", "int8", 1), rest], [make("x", "int8", 1, spec=change), rest]).pairs == [(rest, rest)]


def test_a_card_given_by_its_path_is_the_model_of_its_name(make: Callable[..., Record]) -> None:
    assert len(match([make("x", "int8", 1)] * 2, [make("x", "int8", 1, spec={"model": "cards/tiny.toml"})]).pairs) == 1


def test_of_a_cell_that_was_measured_twice_the_latest_counts(make: Callable[..., Record]) -> None:
    late, early = (make("x", "int8", 1, started_at=f"2026-01-0{day}T00:00:00Z") for day in (2, 1))
    assert match([late, early], [early]).pairs == [(late, early)]


def test_two_files_of_one_measured_cell_each_are_compared_whatever_the_cells(make: Callable[..., Record]) -> None:
    row = make("torchscript", "*", verdict="unsupported")
    found = match([make("x", "int8", 1), row], [make("y", "fp32", 1)])
    assert [(a.spec.backend, b.spec.backend) for a, b in found.pairs] == [("x", "y")]
    assert match([make("x", "int8", 1), make("z", "int8", 1)], [make("y", "fp32", 1)]).pairs == []


# time


def test_times_are_compared_by_their_ratio_over_processes(make: Callable[..., Record]) -> None:
    a, b = make("x", "int8", 1, latency=timed([10], [11], [10])), make("y", "int8", 1, latency=timed([20], [22], [20]))
    apart, taking_turns = compare(a, b), compare(a, b, paired=True)
    assert apart.times is not None
    assert taking_turns.times is not None
    assert (apart.verdict, apart.times.value, apart.times.method) == ("slower", pytest.approx(2), "Welch's t over processes")
    assert (taking_turns.times.low, taking_turns.times.high) == pytest.approx((2, 2))
    assert apart.effect == 1


def test_processes_that_do_not_come_in_pairs_are_not_taken_for_pairs(make: Callable[..., Record]) -> None:
    found = compare(make("x", "int8", 1, latency=timed([10], [11], [12])), make("y", "int8", 1, latency=timed([10], [11])), paired=True)
    assert found.times is not None
    assert found.times.method == "Welch's t over processes"


def test_a_difference_below_the_threshold_is_none(make: Callable[..., Record]) -> None:
    a, b = make("x", "int8", 1, latency=timed([10], [10.001])), make("y", "int8", 1, latency=timed([10.2], [10.201]))
    assert (compare(a, b, threshold=0.01).verdict, compare(a, b, threshold=0.03).verdict) == ("slower", "no detectable difference")


def test_the_smallest_visible_difference_is_the_longer_half_of_the_interval_beyond_the_threshold(make: Callable[..., Record]) -> None:
    restless = compare(make("x", "int8", 1, latency=timed([10], [12])), make("y", "int8", 1, latency=timed([10], [12])))
    assert restless.times is not None
    assert restless.times.high is not None
    assert restless.seen_from == pytest.approx(restless.times.high / restless.times.value - 1 + 0.01)
    calm = compare(make("x", "int8", 1, latency=timed([10], [10])), make("y", "int8", 1, latency=timed([10], [10])))
    assert calm.seen_from == 0.01
    assert compare(calm.a, calm.b, threshold=0.05).seen_from == 0.05


def test_one_process_each_gives_no_interval(make: Callable[..., Record]) -> None:
    found = compare(make("x", "int8", 1, latency=timed([10, 11])), make("y", "int8", 1, latency=timed([20, 21])))
    assert (found.verdict, found.seen_from) == ("undecided", None)


def cold(total: float, first: float) -> Cold:
    return Cold(process_start_ns=0, import_ns=0, load_ns=0, first_answer_ns=int(first * MS), total_ns=int(total * MS))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"latency": timed([1, 2], [3])}, [[MS, 2 * MS], [3 * MS]]),
        ({"latency": timed([1]), "throughput": Throughput(per_s=[100.0, None, 200.0])}, [[10 * MS], [5 * MS]]),
        ({"latency": None, "cold": [cold(300, 5), cold(200, 4)]}, [[300 * MS], [200 * MS]]),
        ({"latency": None, "cold": [cold(300, 5), cold(200, 4)], "spec": {"scenario": "first-answer"}}, [[5 * MS], [4 * MS]]),
        ({"latency": None, "cold": []}, []),
    ],
)
def test_what_a_scenario_is_judged_by_is_a_time(facts: dict[str, Any], expected: list[list[float]], make: Callable[..., Record]) -> None:
    record = make("x", "int8", 1, **facts)
    assert series(record) == expected
    assert (time_ns(record) is None) == (expected == [])


# accuracy


def test_answers_are_compared_one_by_one(make: Callable[..., Record]) -> None:
    a, b = make("x", "int8", 1, accuracy=answered("pppppppnnn")), make("y", "int8", 1, accuracy=answered("nppppppppn"))
    found = compare(a, b)
    assert found.accuracy == pytest.approx(0.1)
    assert found.answers == Answers(1, 2, 1.0)


@pytest.mark.parametrize("change", [{"dataset_sha256": "cd"}, {"references": []}, {"references": list("nnnnnnnnnn")}])
def test_other_examples_are_not_compared_one_by_one(change: dict[str, Any], make: Callable[..., Record]) -> None:
    a, b = make("x", "int8", 1, accuracy=answered("pppppppppp")), make("x", "int8", 1, accuracy=msgspec.structs.replace(answered("pppppppppp"), **change))
    assert compare(a, b).answers is None
    assert compare(b, a).answers is None
    assert compare(a, make("x", "int8", 1, accuracy=a.accuracy, spec={"seed": 1})).answers is None


# what is worse, and what is not sure


def test_the_same_is_not_worse(make: Callable[..., Record]) -> None:
    one = make("x", "int8", 1)
    assert worse(compare(one, one)) == []


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ({"latency": timed([10], [10])}, {"latency": timed([11], [11])}, ["is slower"]),
        ({"latency": timed([11], [11])}, {"latency": timed([10], [10])}, []),
        ({"memory": peak(100)}, {"memory": peak(106)}, ["needs more memory"]),
        ({"memory": peak(100)}, {"memory": peak(104)}, []),
        ({"accuracy": answered("pppppppppp")}, {"accuracy": answered("ppppnnnnnn")}, ["is less accurate"]),
        ({"accuracy": answered("pppppppppp")}, {"accuracy": answered("pppppnnnnn")}, []),
        ({"accuracy": answered("ppppnnnnnn")}, {"accuracy": answered("pppppppppp")}, []),
        ({"memory": None}, {"memory": peak(106)}, []),
    ],
)
def test_worse_is_what_is_detectably_slower_less_accurate_or_larger(a: dict[str, Any], b: dict[str, Any], said: list[str], make: Callable[..., Record]) -> None:
    assert worse(compare(make("x", "int8", 1, **a), make("x", "int8", 1, **b))) == said


def test_what_is_not_valid_or_undecided_is_not_sure(make: Callable[..., Record]) -> None:
    noisy, invalid = (make("x", "int8", 1, verdict=verdict) for verdict in ("noisy", "invalid"))
    assert unsure(compare(noisy, invalid)) == ["A is noisy", "B is invalid"]
    assert unsure(compare(make("x", "int8", 1), make("x", "int8", 1, latency=timed([10])))) == ["the time is undecided"]
    assert unsure(compare(make("x", "int8", 1), make("x", "int8", verdict="failed"))) == ["B is failed", "the time is undecided"]
    assert unsure(compare(make("x", "int8", 1), make("x", "int8", 1))) == []


def test_what_forbids_comparing_is_said_once(make: Callable[..., Record]) -> None:
    a, b = make("x", "int8", 1), make("x", "int8", 1, host={"cpu": "other"})
    (said,) = pairs.refusals([(a, b), (a, b)])
    assert said == "processor: A Test CPU, B other; another machine"
