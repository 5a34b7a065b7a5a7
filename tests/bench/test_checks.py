"""Every reason for a verdict, when it appears and when it does not, and what it advises given the options in use."""

from __future__ import annotations

from typing import Any

import pytest

from edgebench.bench import checks
from edgebench.models.card import Score, Tolerance
from edgebench.record import Accuracy, Latency, Memory, Parity, Spec


def spec(**options: Any) -> Spec:
    return Spec(model="bag", format="onnx", precision="int8", backend="onnxruntime", **options)


def accuracy(value: float = 0.9, n: int = 1000, predictions: str = "", probabilities: list[list[float]] | None = None) -> Accuracy:
    """`predictions` of single letters."""
    return Accuracy(
        metric="accuracy", value=value, low=0, high=1, interval="Wilson 95 %", n=n, dataset="sst2", dataset_sha256="", dataset_source="",
        predictions=list(predictions), probabilities=probabilities or [],
    )


def parity(**found: Any) -> Parity:
    return Parity(**{"reference": "onnxruntime onnx/fp32", "n": 1000, "max_difference": 0.0, "agreement": 1.0} | found)


def latency(*processes: list[int]) -> Latency:
    return Latency(processes_ns=list(processes), warm_up_ns=[[]] * len(processes), tokens=None, stages_ns={})


# parity


def test_agreement_and_the_largest_difference_are_exact() -> None:
    mine = accuracy(predictions="ppnn", probabilities=[[0.25, 0.75], [0.5, 0.5], [1.0, 0.0], [0.75, 0.25]])
    reference = accuracy(predictions="ppnp", probabilities=[[0.25, 0.75], [0.25, 0.75], [1.0, 0.0], [0.375, 0.625]])
    assert checks.compare(mine, reference, "ref") == Parity(reference="ref", n=4, agreement=0.75, max_difference=0.375)


def test_equal_answers_agree_wholly() -> None:
    same = accuracy(predictions="pn", probabilities=[[0.1, 0.9], [0.8, 0.2]])
    assert checks.compare(same, same, "ref") == Parity(reference="ref", n=2, agreement=1.0, max_difference=0.0)


def test_answers_to_other_numbers_of_examples_are_not_compared() -> None:
    with pytest.raises(ValueError, match="zip"):
        checks.compare(accuracy(predictions="p", probabilities=[[1.0]]), accuracy(predictions="pp", probabilities=[[1.0]] * 2), "ref")


# invalid


def test_within_every_tolerance_there_is_no_fault() -> None:
    limits = Tolerance(difference=0.05, agreement=0.99, accuracy_loss=0.01)
    assert checks.faults(accuracy(0.91), parity(max_difference=0.05, agreement=0.99), accuracy(0.92), limits, spec()) == []


def test_a_probability_too_far_off_is_a_fault() -> None:
    found = checks.faults(accuracy(), parity(max_difference=0.0514), accuracy(), Tolerance(difference=0.05), spec())
    assert found == [
        "a probability differs by 0.051 from onnxruntime onnx/fp32, the card allows 0.05; the conversion or a kernel is wrong: export again"
    ]


def test_too_few_equal_answers_are_a_fault() -> None:
    found = checks.faults(accuracy(), parity(agreement=0.978), accuracy(), Tolerance(agreement=0.98), spec())
    assert found == [
        "97.8 % of 1000 answers agree with onnxruntime onnx/fp32, the card asks for 98.0 %; "
        "the conversion lost it: export again, or take another precision"
    ]


def test_accuracy_lost_beyond_the_tolerance_is_a_fault() -> None:
    found = checks.faults(accuracy(0.905), parity(), accuracy(0.92), Tolerance(accuracy_loss=0.01), spec())
    assert found == [
        "accuracy is 90.5 % on 1000 examples, 1.5 % below the reference; the card allows 1.0 %; "
        "the conversion lost it: export again, or take another precision"
    ]


def test_accuracy_lost_by_just_the_tolerance_is_none() -> None:
    assert 0.52 - 0.04 > 0.48  # in binary
    assert checks.faults(accuracy(0.48), parity(), accuracy(0.52), Tolerance(accuracy_loss=0.04), spec()) == []


def test_a_gain_in_accuracy_is_no_fault() -> None:
    assert checks.faults(accuracy(0.95), parity(), accuracy(0.92), Tolerance(accuracy_loss=0.0), spec()) == []


def test_without_a_reference_the_cards_figure_judges() -> None:
    score = Score("sst2", 1000, 0.92, 0.9, 0.94)
    assert checks.faults(accuracy(0.91), None, score, Tolerance(), spec()) == []
    assert len(checks.faults(accuracy(0.90), None, score, Tolerance(), spec())) == 1


def test_with_nothing_to_compare_there_is_no_fault() -> None:
    assert checks.faults(accuracy(0.1), None, None, Tolerance(), spec()) == []


def test_every_fault_is_told() -> None:
    limits = Tolerance(difference=0.05, agreement=0.98, accuracy_loss=0.01)
    assert len(checks.faults(accuracy(0.5), parity(max_difference=1.0, agreement=0.5), accuracy(0.9), limits, spec())) == 3


def test_of_few_drawn_examples_more_may_help() -> None:
    (found,) = checks.faults(accuracy(0.8, n=256), None, accuracy(0.9), Tolerance(), spec(examples=256))
    assert found.endswith("; with so few examples one answer weighs much: take more with --examples")


@pytest.mark.parametrize("asked", [872, None])
def test_more_examples_are_not_advised_where_the_set_has_no_more(asked: int | None) -> None:
    (found,) = checks.faults(accuracy(0.8, n=252), None, accuracy(0.9), Tolerance(), spec(examples=asked))
    assert found.endswith("; one answer weighs much in a set of 252: give a larger one with --data or --fetch")


def test_the_cards_figure_counts_only_for_the_very_set() -> None:
    score = Score("sst2", 1000, 0.92, 0.9, 0.94)
    assert checks.recorded(accuracy(n=1000), score) is score
    assert checks.recorded(accuracy(n=999), score) is None
    assert checks.recorded(accuracy(), Score("other", 1000, 0.92, 0.9, 0.94)) is None
    assert checks.recorded(accuracy(), None) is None


# noisy


def test_a_constant_time_is_not_noisy() -> None:
    assert checks.noise(latency([100] * 60, [100] * 60).processes_ns, spec()) == []


def test_processes_that_differ_are_noisy() -> None:
    assert checks.noise(latency([100] * 100, [102] * 20, [104] * 20).processes_ns, spec()) == [
        "the median of 3 processes lies anywhere from 97.1 ns to 107 ns; "
        "other work or a changing clock is likely: close other programs, and measure longer with --full"
    ]


def test_processes_known_within_three_percent_each_way_are_not() -> None:
    assert checks.noise(latency([100] * 100, [101] * 20, [102] * 20).processes_ns, spec()) == []
    assert not checks.interval_too_wide([[100], [101], [102]])
    assert checks.interval_too_wide([[100], [102], [104]])


def test_more_processes_make_the_same_spread_good_enough() -> None:
    assert checks.interval_too_wide([[100], [102], [104]])
    assert not checks.interval_too_wide([[100], [102], [104]] * 2)


def test_starts_are_judged_like_calls() -> None:
    assert checks.noise([[100.0], [101.0], [102.0]], spec()) == []
    assert len(checks.noise([[100.0], [102.0], [104.0]], spec())) == 1


def test_a_lone_process_is_judged_by_its_own_calls() -> None:
    assert checks.noise(latency([100, 110] * 60).processes_ns, spec()) == []
    assert checks.noise(latency([100, 120] * 60).processes_ns, spec()) == [
        "the median of one process lies anywhere from 100 ns to 120 ns; "
        "other work or a changing clock is likely: close other programs, and measure longer with --full"
    ]


def test_a_time_that_rises_in_every_process_is_noisy() -> None:
    rising = [100] * 20 + [105] * 20 + [112] * 20
    assert checks.noise(latency(rising, rising).processes_ns, spec()) == [
        "the time rose by 12% while it was measured; heat or other work is likely: let the device settle, and measure longer with --full"
    ]


def test_a_time_that_falls_in_every_process_is_noisy() -> None:
    falling = [100] * 20 + [95] * 20 + [88] * 20
    assert checks.noise(latency(falling, falling).processes_ns, spec()) == [
        "the time fell by 12% while it was measured; the warm-up was too short or other work ended: let the device settle, and measure longer with --full"
    ]


@pytest.mark.parametrize("other", [[105] * 60, [112] * 20 + [105] * 20 + [100] * 20, [104, 106] * 30])
def test_a_drift_that_not_every_process_shares_is_chance(other: list[int]) -> None:
    assert checks.noise(latency([100] * 20 + [105] * 20 + [112] * 20, other).processes_ns, spec()) == []


def test_a_drift_too_small_to_matter_is_no_fault() -> None:
    rising = [1000] * 20 + [1018] * 20 + [1039] * 20
    assert checks.noise([rising, rising], spec()) == []


def test_a_sustained_run_is_not_asked_to_keep_its_pace() -> None:
    rising = [100] * 20 + [105] * 20 + [112] * 20
    assert checks.noise([rising, rising], spec(), in_order=[]) == []


def test_a_warm_up_that_settled_in_no_process_is_a_fault() -> None:
    assert checks.noise([[100], [100]], spec(warm_up_cap_s=3.0), settled=[True, False]) == []
    assert checks.noise([[100], [100]], spec(warm_up_cap_s=3.0), settled=[False, False]) == [
        "no warm-up settled within 3 s; other work or a changing clock is likely: close other programs, and measure longer with --full"
    ]


def test_inputs_that_become_longer_are_no_drift() -> None:
    tokens = [10] * 20 + [20] * 20 + [30] * 20
    measured = Latency(processes_ns=[[10 * one for one in tokens]] * 2, warm_up_ns=[[], []], tokens=[tokens] * 2, stages_ns={})
    assert len(checks.noise(measured.processes_ns, spec())) == 1
    assert checks.levelled(measured, spec()) == [[200.0] * 60] * 2
    assert checks.noise(measured.processes_ns, spec(), in_order=checks.levelled(measured, spec())) == []


def test_queries_of_several_inputs_are_left_as_they_are() -> None:
    measured = Latency(processes_ns=[[100, 200]], warm_up_ns=[[]], tokens=[[1, 2, 3, 4]], stages_ns={})
    assert checks.levelled(measured, spec(batch=2)) == [[100.0, 200.0]]


def test_who_measured_for_long_already_is_not_told_to_measure_longer() -> None:
    found = checks.noise(latency([100, 120] * 50, [200] * 100).processes_ns, spec(min_time_s=60.0))
    assert len(found) == 1
    assert all(one.endswith("measure on a quieter machine") for one in found)


# remarks


def remarks(**found: Any) -> list[str]:
    usual: dict[str, Any] = {"latency": None, "host": {}, "engine": {}}
    return checks.remarks(**{"spec": spec(threads=2)} | usual | found)


def test_nothing_known_is_nothing_to_remark() -> None:
    assert remarks() == []
    assert remarks(host={"usable_cores": 2, "clock_resolution_ns": 1.0}, engine={"threads": 2}, latency=latency([100] * 9)) == []


def test_more_threads_than_cores_are_remarked() -> None:
    assert remarks(host={"usable_cores": 1}) == ["2 threads share 1 usable cores"]


def test_an_engine_that_used_other_threads_is_remarked() -> None:
    assert remarks(engine={"threads": 1}) == ["2 threads were asked for, the engine used 1"]


def test_a_call_too_short_for_the_clock_is_remarked() -> None:
    assert remarks(latency=latency([99] * 9), host={"clock_resolution_ns": 1.0}) == ["a call takes less than 100 steps of the clock (1.00 ns each)"]


def test_a_warm_up_that_did_not_settle_in_some_process_is_remarked() -> None:
    partly = Latency(processes_ns=[[100]] * 3, warm_up_ns=[[]] * 3, settled=[True, False, True], tokens=None, stages_ns={})
    assert remarks(latency=partly) == ["the warm-up of 1 of 3 processes did not settle within 10 s"]


def test_calls_of_two_kinds_are_remarked() -> None:
    two = [1_000_000 + place for place in range(90)] + [1_400_000 + place for place in range(30)]
    assert remarks(latency=latency(two, [1_000_000 + place for place in range(120)])) == [
        "two modes in 1 of 2 processes: calls take about 1.00 ms or, 25.0 % of them, 1.40 ms; two clocks, cores that are not alike or other work are likely"
    ]


def test_two_kinds_of_inputs_are_not_two_kinds_of_calls() -> None:
    tokens = [10, 20] * 60
    samples = [1_000_000 * size + 100 * place for place, size in enumerate(tokens)]
    assert remarks(latency=Latency(processes_ns=[samples], warm_up_ns=[[]], tokens=[tokens], stages_ns={})) == []


@pytest.mark.parametrize("upper", [[1_040_000] * 60, [9_000_000] * 4], ids=["too close to matter", "a handful of outliers"])
def test_other_heaps_are_not(upper: list[int]) -> None:
    assert remarks(latency=latency([1_000_000 + place for place in range(100)] + [one + place for place, one in enumerate(upper)])) == []


# memory that grows


def held(*series: int) -> Memory:
    return Memory(baseline_bytes=1, loaded_bytes=2, first_answer_bytes=3, peak_bytes=4, runs=len(series), method="VmHWM", series_bytes=list(series))


def test_memory_that_grows_with_every_answer_is_told_with_its_interval() -> None:
    (found,) = checks.leak(held(*(50_000_000 + 4096 * place for place in range(150))))
    assert found.startswith("memory grows by 4.10 kB an answer (95 %: 4.10 kB to 4.10 kB, over 100 answers): the engine or the task leaks")


@pytest.mark.parametrize(
    "series",
    [
        [50] * 150, [100_000 * one for one in range(50)] + [5_000_000] * 100, [100_000 * min(one, 95) for one in range(150)],
        [50 + 10 * one for one in range(150)], [4096 * one for one in range(60)],
    ],
    ids=["level", "grows at first", "grows no more in the last round", "grows by little", "too few answers"],
)
def test_other_memory_is_not_called_a_leak(series: list[int]) -> None:
    assert checks.leak(held(*series)) == []

