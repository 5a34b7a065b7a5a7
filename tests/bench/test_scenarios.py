"""Each scenario over a pipeline whose engine plays a script, on the engine's own clock: exact numbers, and no time passes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgebench.backends.base import Options
from edgebench.backends.fake import Clock, Fake
from edgebench.bench import scenarios, server
from edgebench.bench.job import Answer
from edgebench.bench.scenarios import SCENARIOS, Given, fitted, measure
from edgebench.errors import UsageError
from edgebench.models import card as cards
from edgebench.pipeline import Pipeline
from edgebench.record import Cold, Latency, Spec, Throughput
from edgebench.tasks.classify_text import TextClassification

MS = 1_000_000
TEXTS = [*("good " * size for size in range(1, 13))]  # of 3 to 14 tokens


class Played:
    """A pipeline whose engine takes 10 ms for each run, and the clock it takes them on."""

    def __init__(self, card_path: Path, threads: int = 1) -> None:
        fake, card = Fake(), cards.read(card_path)
        session = fake.open(card_path.parent / "scripted.fake", Options(threads=threads))
        self.clock: Clock = fake.clock
        self.pipe = Pipeline(card, card.variants[0], session, TextClassification(card, {"tokenizer": card_path.parent / "tokenizer.json"}))

    def given(self, **options: Any) -> Given:
        spec = Spec(model="scripted", format="fake", precision="fp32", backend="fake", **{"min_runs": 1, "min_time_s": 0.0, "warm_up_cap_s": 60.0, **options})
        return Given(self.pipe, spec, TEXTS, 1_000_000 * MS, clock=self.clock, wait=self.clock.advance, look=lambda since=None: {"temp_c": 50.0})


@pytest.fixture
def played(scripted: Callable[..., Path]) -> Played:
    return Played(scripted(replace=("1_000", "10_000_000")))


# what each times


def test_single_stream_times_one_input_after_the_other(played: Played) -> None:
    warm, settled, found = measure(played.given(min_runs=25))
    assert (warm, settled) == ([10 * MS] * 60, True)  # rounds of 12, for half a second
    assert (found.queries_ns, list(found.places)) == ([10 * MS] * 40, list(range(40)))  # two blocks of 20
    assert (found.throughput, found.sustained, found.notes) == (None, None, [])


def test_multi_stream_times_one_batch_after_the_other(played: Played) -> None:
    """A batch of four is one run of the engine."""
    warm, _, found = measure(played.given(scenario="multi-stream", batch=4, min_runs=20))
    assert set(warm) == {10 * MS}
    assert (found.queries_ns, list(found.places)) == ([10 * MS] * 20, list(range(80)))


def test_multi_stream_batches_are_of_different_inputs_in_order(played: Played) -> None:
    assert scenarios.batches(played.given(batch=4)).each == [TEXTS[:4], TEXTS[4:8], TEXTS[8:]]


def test_offline_answers_the_same_inputs_in_every_round(played: Played) -> None:
    _, _, found = measure(played.given(scenario="offline", batch=6, min_runs=120))
    assert found.queries_ns == [10 * MS] * 20  # 120 inputs
    assert list(found.places) == list(range(6))
    assert found.throughput == Throughput(per_s=[600.0], inputs=6, rounds_ns=[[10 * MS] * 20])


def test_offline_is_two_rounds_at_least_and_as_long_as_is_asked_for(scripted: Callable[..., Path]) -> None:
    slow = Played(scripted(replace=("1_000", "4_000_000_000")))
    for min_time_s, rounds in ((0.0, 2), (11.0, 3)):
        _, _, found = measure(slow.given(scenario="offline", batch=6, min_time_s=min_time_s))
        assert found.queries_ns == [4_000 * MS] * rounds


def test_sustained_keeps_every_call_and_what_each_window_was_like(played: Played) -> None:
    _, _, found = measure(played.given(scenario="sustained", min_time_s=10.0))
    assert found.sustained is not None
    ((first, second),) = found.sustained.processes
    assert (first.runs, first.median_ns, first.temp_c, first.at_ns) == (500, 10 * MS, 50.0, 5_000 * MS)
    assert len(found.queries_ns) == first.runs + second.runs == len(found.places)


def test_a_server_counts_from_the_arrivals_and_finds_a_rate(played: Played) -> None:
    _, _, found = measure(played.given(scenario="server", bound_ns=50 * MS))
    assert found.throughput is not None
    assert found.throughput.per_s[0] == pytest.approx(50, rel=0.1)
    assert (found.throughput.bound_ns, found.throughput.percentile, found.throughput.workers) == (50 * MS, 0.99, 1)
    assert len(found.queries_ns) == len(found.places) == server.ENOUGH
    assert min(found.queries_ns) == 10 * MS < max(found.queries_ns)
    assert found.notes == []


def test_a_server_without_a_bound_takes_ten_medians_of_a_lone_call_and_says_so(played: Played) -> None:
    _, _, found = measure(played.given(scenario="server"))
    assert found.throughput is not None
    assert found.throughput.bound_ns == 100 * MS
    assert found.notes == ["server: no bound was given; 10 medians of a lone call were 100 ms"]


def test_a_server_at_one_rate_is_offered_that_with_enough_queries_for_the_time(played: Played) -> None:
    _, _, found = measure(played.given(scenario="server", rate_hz=40.0, bound_ns=100 * MS, min_time_s=50.0))
    assert found.throughput is not None
    ((trial,),) = found.throughput.trials
    assert (trial.rate_hz, trial.queries, trial.holds, found.throughput.per_s) == (40.0, 2_000, True, [40.0])


def test_a_server_has_a_worker_for_every_call_that_may_run_at_once(scripted: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgebench.pipeline.pipe.usable_cpus", lambda: 8)
    card = scripted()
    assert Played(card, threads=2).pipe.workers == 1  # this engine would only queue them
    assert [Played(scripted("parallel = true\n"), threads=threads).pipe.workers for threads in (1, 2, 3, 16)] == [8, 4, 2, 1]


@pytest.mark.parametrize("name", ["cold-start", "first-answer"])
def test_starts_are_not_timed_in_one_process(name: str, played: Played) -> None:
    with pytest.raises(UsageError, match=f"scenario '{name}' is timed by the pass 'cold', not 'latency'"):
        measure(played.given(scenario=name))


# the table


def test_the_table_is_sorted_and_each_line_is_one() -> None:
    assert list(SCENARIOS) == sorted(SCENARIOS) == [
        "cold-start", "first-answer", "multi-stream", "offline", "server", "single-stream", "sustained",
    ]
    assert all("\n" not in one.about and len(one.about) < 90 for one in SCENARIOS.values())


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_runs_the_pass_that_times_it(name: str) -> None:
    one = SCENARIOS[name]
    assert one.timed_by in one.passes
    assert ("latency" in one.passes) == (one.time is not None)


def test_the_first_scenario_is_what_a_spec_has_by_itself() -> None:
    spec = Spec(model="bag", format="onnx", precision="fp32", backend="onnxruntime")
    assert (spec.passes, spec.batch) == (SCENARIOS[spec.scenario].passes, SCENARIOS[spec.scenario].batch)


ANSWER = Answer(
    latency=Latency(processes_ns=[[3, 4]], warm_up_ns=[[]], tokens=None, stages_ns={}),
    throughput=Throughput(per_s=[70.0]), cold=Cold(process_start_ns=1, import_ns=2, load_ns=3, first_answer_ns=4, total_ns=10),
)


@pytest.mark.parametrize(
    ("name", "series"),
    [("single-stream", [3.0, 4.0]), ("sustained", [3.0, 4.0]), ("multi-stream", [3.0, 4.0]), ("server", [70.0]), ("offline", [70.0]),
     ("cold-start", [10.0]), ("first-answer", [4.0])],
)
def test_a_process_is_judged_by_what_its_scenario_is_about(name: str, series: list[float]) -> None:
    assert SCENARIOS[name].series(ANSWER) == series
    assert SCENARIOS[name].series(Answer()) == []


def test_a_server_that_held_no_rate_has_none_to_be_judged_by() -> None:
    assert SCENARIOS["server"].series(Answer(throughput=Throughput(per_s=[None]))) == []


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_longer_spec_takes_longer(name: str) -> None:
    usual = Spec(model="bag", format="onnx", precision="fp32", backend="onnxruntime", scenario=name)
    longer = msgspec.structs.replace(usual, min_time_s=600.0)
    if SCENARIOS[name].time:
        assert 1 < SCENARIOS[name].seconds(usual) < 60
        assert SCENARIOS[name].seconds(longer) >= 600
    else:
        assert SCENARIOS[name].seconds(longer) == 0


# what a spec may ask for


def spec(**options: Any) -> Spec:
    return Spec(model="bag", format="onnx", precision="fp32", backend="onnxruntime", **options)


@pytest.mark.parametrize("name", SCENARIOS)
def test_what_fits_is_left_as_it_is(name: str) -> None:
    asked = spec(scenario=name, batch=SCENARIOS[name].batch)
    assert fitted(asked) == asked


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scenario": "sever"}, r"there is no scenario 'sever'; there are cold-start, .*sustained\. Did you mean 'server'\?"),
        ({"batch": 8}, "batch is 8, but a query of scenario 'single-stream' is one input; leave --batch out, or take --scenario multi-stream"),
        ({"rate_hz": 5.0}, "a rate and a bound are for the scenario 'server', and this is 'single-stream'"),
        ({"scenario": "offline", "bound_ns": 5}, "a rate and a bound are for the scenario 'server', and this is 'offline'"),
        ({"scenario": "sustained", "min_time_s": 600.0}, r"a process of scenario 'sustained' takes about 601 s, but a pass may take 300 s; .* --timeout"),
        ({"scenario": "sustained", "rules": "mlperf"}, "MLPerf has no scenario 'sustained'; --rules mlperf is for multi-stream, offline, server"),
        ({"scenario": "server", "rules": "loadgen"}, "LoadGen offers one rate and says whether it holds; give it with --rate"),
    ],
)
def test_what_does_not_fit_is_a_usage_error(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        fitted(spec(**options))


# MLPerf's rules


@pytest.mark.parametrize(
    ("name", "batch", "runs"), [("single-stream", 1, 100), ("multi-stream", 8, 662), ("server", 1, 100), ("offline", 24_576, 24_576)]
)
@pytest.mark.parametrize("rules", ["mlperf", "loadgen"])
def test_mlperfs_rules_are_ten_minutes_in_one_process_and_so_many_queries(name: str, batch: int, runs: int, rules: Any) -> None:
    """mlcommons/inference, loadgen/mlperf.conf and loadgen/test_settings.h, LoadGen 6.0.17."""
    found = fitted(spec(scenario=name, rules=rules, rate_hz=50.0 if name == "server" else None))
    assert (found.batch, found.min_runs, found.min_time_s) == (batch, runs, 600.0)
    assert (found.processes, found.max_processes, found.timeout_s) == (1, 1, 2400.0)


def test_more_than_mlperf_asks_for_stands() -> None:
    found = fitted(spec(rules="mlperf", min_runs=1024, min_time_s=900.0, timeout_s=5_000.0))
    assert (found.min_runs, found.min_time_s, found.timeout_s) == (1024, 900.0, 5_000.0)
