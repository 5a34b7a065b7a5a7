"""MLPerf's LoadGen over the bag of words: its counts and its claims beside our own rules, on its own latencies."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import edgebench
from edgebench.bench import loadgen, scenarios, stats
from edgebench.bench.scenarios import SCENARIOS, Given
from edgebench.errors import MissingError, UsageError
from edgebench.pipeline import Pipeline
from edgebench.record import Spec

pytestmark = pytest.mark.usefixtures("home")

TEXTS = ["good film", "bad", "a dull film", "fine", "good good film", "a film", "bad film", "dull"]


@pytest.fixture
def pipe(home: Any) -> Iterator[Pipeline]:
    pytest.importorskip("mlperf_loadgen", reason="only LoadGen can say what it claims; install edgebench[mlperf]")
    with edgebench.load("bag") as opened:
        yield opened


def given(pipe: Any, **options: Any) -> Given:
    spec = Spec(
        model="bag", format="onnx", precision="fp32", backend="onnxruntime", rules="loadgen",
        **{"min_runs": 1, "min_time_s": 0.05, "warm_up_cap_s": 0.01, "bound_ns": 10**10, **options},
    )
    return Given(pipe, spec, TEXTS, left_ns=10**10)


def drive(given: Given) -> tuple[list[int], list[int], loadgen.Claim]:
    scenario = SCENARIOS[given.spec.scenario]
    assert scenario.loadgen is not None
    queries = replace(scenario.queries(given), expected_ns=5_000)  # it makes twice as many queries beforehand as this allows
    return loadgen.drive(given, queries, scenario.loadgen)


def early_stopping(queries_ns: list[int], share: float) -> int:
    """What `stats` supports: of those over the limit that may be there all but the last are discarded, and the greatest left is claimed."""
    return sorted(queries_ns)[-stats.over(len(queries_ns), share)]


def test_its_claim_in_single_stream_is_what_our_rule_makes_of_its_latencies(pipe: Pipeline) -> None:
    queries_ns, places, claim = drive(given(pipe, min_runs=200))
    assert len(queries_ns) == len(places) >= 200
    assert (claim.valid, claim.latency_ns) == (True, early_stopping(queries_ns, 0.90))


def test_its_claim_in_multi_stream_is_what_our_rule_makes_of_its_latencies(pipe: Pipeline) -> None:
    queries_ns, places, claim = drive(given(pipe, scenario="multi-stream", batch=8, min_runs=662))
    assert len(queries_ns) >= 662
    assert len(places) == 8 * len(queries_ns)
    assert (claim.valid, claim.latency_ns) == (True, early_stopping(queries_ns, 0.99))


@pytest.mark.parametrize(("runs", "valid"), [(stats.minimum(0.90), True), (stats.minimum(0.90) - 1, False)])
def test_it_claims_a_percentile_from_as_many_queries_on_as_we_do(pipe: Pipeline, monkeypatch: pytest.MonkeyPatch, runs: int, valid: bool) -> None:
    monkeypatch.setitem(SCENARIOS, "single-stream", replace(SCENARIOS["single-stream"], loadgen=scenarios.Loadgen("SingleStream", 1, 0.90)))
    queries_ns, _, claim = drive(given(pipe, min_runs=runs, min_time_s=0.0))
    assert len(queries_ns) == runs
    assert (claim.valid, claim.latency_ns is not None) == (valid, valid)
    assert valid or "Need to process at least 64 queries" in claim.why


def test_it_asks_for_as_many_queries_as_its_rules_say_even_if_the_spec_does_not(pipe: Pipeline) -> None:
    queries_ns, _, _ = drive(given(pipe, min_runs=1, min_time_s=0.0))
    assert len(queries_ns) == 100


def test_its_server_holds_a_rate_by_the_rule_that_ours_does(pipe: Pipeline) -> None:
    _, _, found = scenarios.measure(given(pipe, scenario="server", rate_hz=4_000.0, min_runs=700, min_time_s=0.0))
    assert found.throughput is not None
    ((trial,),) = found.throughput.trials
    assert (trial.queries, trial.late, trial.holds, found.throughput.per_s) == (700, 0, True, [4_000.0])
    assert found.throughput.workers == pipe.workers


def test_its_server_and_ours_refuse_a_rate_whose_queries_are_all_late(pipe: Pipeline) -> None:
    _, _, found = scenarios.measure(given(pipe, scenario="server", rate_hz=4_000.0, bound_ns=1, min_runs=700, min_time_s=0.0))
    assert found.throughput is not None
    ((trial,),) = found.throughput.trials
    assert (trial.late, trial.holds, found.throughput.per_s) == (700, False, [None])
    assert "calls this run invalid: Reduce target QPS" in found.notes[0]


def test_offline_it_sends_all_inputs_as_one_query(pipe: Pipeline) -> None:
    _, _, found = scenarios.measure(given(pipe, scenario="offline", batch=8, min_time_s=0.0))
    assert found.throughput is not None
    assert (len(found.queries_ns), len(found.places), found.throughput.inputs) == (1, 24_576, 24_576)
    assert found.throughput.per_s == [pytest.approx(1e9 * 24_576 / found.queries_ns[0])]


def test_its_inputs_are_ours_and_drawn_by_the_seed(pipe: Pipeline) -> None:
    drawn = [drive(given(pipe, seed=seed, min_time_s=0.0))[1] for seed in (1, 1, 2)]
    assert set(drawn[0]) == set(range(len(TEXTS)))
    assert drawn[0] == drawn[1] != drawn[2]


def test_its_verdict_is_a_note(pipe: Pipeline) -> None:
    warm, _, found = scenarios.measure(given(pipe))
    assert len(warm) >= 8
    assert found.clock == "LoadGen"
    (note,) = found.notes
    assert note.startswith("LoadGen ")
    assert " calls this run valid; it claims that 90.0 % of the queries take at most " in note


def test_an_answer_that_fails_is_raised_after_the_run(pipe: Pipeline) -> None:
    calls = iter(range(1_000_000))

    def failing(example: Any) -> None:
        if next(calls) == 30:
            raise ZeroDivisionError

    for scenario, rate in (("single-stream", None), ("server", 4_000.0)):
        one = given(pipe, scenario=scenario, rate_hz=rate, min_time_s=0.0)
        rules = SCENARIOS[scenario].loadgen
        assert rules is not None
        with pytest.raises(ZeroDivisionError):
            loadgen.drive(one, scenarios.Queries(failing, TEXTS, 5_000), rules)
        calls = iter(range(1_000_000))


def test_a_query_of_several_inputs_is_answered_with_the_last_of_them(tmp_path: Path) -> None:
    line = '{{"name":"Sample","ph":"b","args":{{"sample_seq":{},"query_seq":{},"sample_idx":{},"issue_start_ns":0,"complete_ns":{}}}}},\n'
    samples = [(2, 1, 7, 50), (0, 0, 3, 40), (1, 0, 5, 30), (3, 1, 7, 60)]
    (tmp_path / "trace").write_text('{"traceEvents":[\n{"name":"IssueQuery"},\n' + "".join(line.format(*one) for one in samples))
    assert loadgen._traced(tmp_path / "trace") == ([40, 60], [3, 5, 7, 7])


# without it


def test_without_it_the_package_and_another_way_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlperf_loadgen", None)
    words = r"--rules loadgen needs mlcommons-loadgen, .* install edgebench\[mlperf\], or take --rules mlperf"
    with edgebench.load("bag") as opened, pytest.raises(MissingError, match=words):
        scenarios.measure(given(opened))


def test_a_scenario_that_it_does_not_have_is_refused() -> None:
    with edgebench.load("bag") as opened, pytest.raises(UsageError, match="LoadGen has no scenario 'sustained'"):
        scenarios.measure(given(opened, scenario="sustained"))
