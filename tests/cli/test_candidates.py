"""Which files keep a budget, and which is taken where all are noisy."""

from __future__ import annotations

import msgspec

from edgebench.bench.budgets import Budget
from edgebench.cli.candidates import even_so, kept
from edgebench.record import Latency
from tests.reports.conftest import cell

LIMITS = [Budget("median", 5e6), Budget("accuracy", 0.9)]


def test_each_cell_is_told_with_what_it_breaks() -> None:
    records = [cell("onnxruntime", "fp32", 8), cell("tflite", "int8", 4), cell("torchscript", "*", verdict="unsupported", reasons=["why"])]
    assert kept(records, LIMITS) == [
        "onnxruntime fp32, valid: median is 8.00 ms, 3.00 ms (60.0 %) over the 5.00 ms of its budget", "tflite int8, valid: keeps the budget",
    ]


def test_a_noisy_cell_is_taken_where_its_whole_interval_keeps_the_budget() -> None:
    records = [cell("onnxruntime", "fp32", 4, verdict="noisy"), cell("tflite", "int8", 3, verdict="noisy"), cell("torchscript", "int8", 1, verdict="invalid")]
    found = even_so(records, LIMITS)
    assert found is records[1]


def test_a_noisy_cell_whose_interval_leaves_the_budget_is_not() -> None:
    wide = Latency(processes_ns=[[2_000_000] * 9, [4_000_000] * 9, [7_000_000] * 9], warm_up_ns=[[1]] * 3, tokens=None, stages_ns={})
    assert even_so([msgspec.structs.replace(cell("tflite", "int8", 3, verdict="noisy"), latency=wide)], LIMITS) is None
