"""How long the passes to come take: a rule at first, then what those that ran have taken."""

from __future__ import annotations

from typing import Any

import pytest

from edgebench.bench.estimate import START_S, UNTIMED_S, Estimate
from edgebench.record import Spec


def cell(**options: Any) -> Spec:
    return Spec(**{"model": "bag", "format": "onnx", "precision": "fp32", "backend": "onnxruntime", "min_time_s": 30.0} | options)


def test_before_anything_ran_a_timing_process_takes_its_start_and_at_least_its_time() -> None:
    assert 30 + START_S <= Estimate().of(cell(), "latency") < 40
    assert Estimate().of(cell(), "memory") == UNTIMED_S["memory"]


def test_afterwards_it_takes_the_mean_of_those_of_its_kind() -> None:
    estimate = Estimate()
    estimate.learn(cell(), "latency", 50.0)
    estimate.learn(cell(precision="int8"), "latency", 60.0)
    assert estimate.of(cell(threads=2), "latency") == 55.0


@pytest.mark.parametrize("other", [{"backend": "tflite"}, {"model": "other"}, {"length": 128}, {"scenario": "offline"}])
def test_a_pass_of_another_kind_says_nothing(other: dict[str, Any]) -> None:
    estimate = Estimate()
    estimate.learn(cell(**other), "latency", 500.0)
    assert estimate.of(cell(), "latency") < 40


def test_a_plan_takes_its_passes_one_after_the_other_and_the_timing_ones_as_often_as_there_are_processes() -> None:
    estimate = Estimate()
    for part, seconds in (("accuracy", 5.0), ("memory", 7.0), ("latency", 100.0)):
        estimate.learn(cell(), part, seconds)  # type: ignore[arg-type]
    cells = [cell(processes=3, max_processes=5), cell(processes=1, max_processes=1, passes=("memory",))]
    assert estimate.plan(cells) == 5 + 7 + 300 + 7
    assert estimate.plan(cells, most=True) == 5 + 7 + 500 + 7


def test_every_cold_start_of_a_cell_has_its_drop() -> None:
    assert Estimate().plan([cell(processes=4, passes=("drop", "cold"))]) == pytest.approx(4 * (UNTIMED_S["drop"] + UNTIMED_S["cold"]))
