"""A scenario's name -> how queries come, what of them is timed, and what a cell of it runs.

    single-stream   the next query when the one before is answered
    multi-stream    the same, each query a batch of inputs
    server          queries that arrive by themselves, at the highest rate whose latency stays within a bound
    offline         all inputs at once: how many in a second
    sustained       single-stream for minutes, with the machine's heat beside it
    cold-start      fresh processes, from their start to the first answer, the files not in memory
    first-answer    fresh processes, the first call after loading

The first four are MLPerf's (Reddi et al., MLPerf Inference Benchmark, ISCA 2020). Nothing outside this file asks which
scenario it is: what differs is in the table.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

import msgspec

from edgebench.bench import loop, state
from edgebench.bench import server as servers
from edgebench.bench.job import Answer, Pass
from edgebench.errors import UsageError, did_you_mean
from edgebench.record import Spec, Sustained, Throughput
from edgebench.units import duration_text

if TYPE_CHECKING:
    from edgebench.pipeline import Pipeline

LONE_RUNS = 50  # calls one after the other, from which the server's bound and its first rate are taken
BOUND = 10  # medians of a lone call: the server's bound where none is given
UTILISATION = 0.7  # of what lone calls would allow: the first rate that is tried
ROUNDS = 2  # of an offline run, at least
TRIALS = 8  # of a search, for the estimate
CALL_S = 0.005  # what a call is taken to last where nothing has run yet, for the estimate


@dataclass(frozen=True)
class Given:
    """What a scenario times: `order` is the inputs, taken round and round, a whole number of `spec.batch` of them.

    `left_ns` from now on is for timing. The clock, the waiting and the look at the machine are for a test to set.
    """

    pipe: Pipeline
    spec: Spec
    order: Sequence[Any]
    left_ns: int
    clock: loop.Clock = time.perf_counter_ns
    wait: servers.Wait = servers.wait
    look: Callable[..., dict[str, Any]] = state.now


@dataclass(frozen=True)
class Queries:
    """`call(one)` answers one of `each`, which are sent from the first on, round and round. The warm-up's median was `expected_ns`."""

    call: Callable[[Any], Any]
    each: Sequence[Any]
    expected_ns: int = 0


@dataclass(frozen=True)
class Timed:
    """Of one process. `places` of the timed inputs in the order, in order; past its end it begins again."""

    queries_ns: list[int]
    places: Sequence[int]
    throughput: Throughput | None = None
    sustained: Sustained | None = None
    notes: list[str] = field(default_factory=list)
    clock: str = "perf_counter"


@dataclass(frozen=True)
class Loadgen:
    """What MLPerf's LoadGen asks of a run: its name for the scenario, at least so many queries (offline: inputs), and the percentile.

    `queued`: queries come whether or not those before them are answered. All runs last `LOADGEN_S` at least.
    mlcommons/inference, LoadGen 6.0.17: loadgen/mlperf.conf, the entries for every model, and loadgen/test_settings.h for
    the count where the former has none. Offline it is content with the whole set where that is smaller.
    """

    name: str
    queries: int
    percentile: float | None
    batch: int = 1
    queued: bool = False


LOADGEN_S = 600.0


@dataclass(frozen=True)
class Scenario:
    """`time` is None where every process is one start, timed by its phases. `passes` are those that make sense with it.

    `series` is what one process's answer is judged by, `seconds` about how long a process takes after its start.
    """

    about: str  # for --help
    passes: tuple[Pass, ...]
    series: Callable[[Answer], list[float]]
    seconds: Callable[[Spec], float] = lambda spec: 0.0
    queries: Callable[[Given], Queries] = lambda given: Queries(given.pipe, given.order)
    time: Callable[[Given, Queries], Timed] | None = None
    batch: int = 1
    processes: tuple[int, int] | None = None  # at least and at most, where a sweep's usual number does not fit
    loadgen: Loadgen | None = None

    @property
    def timed_by(self) -> Pass:
        """The pass that is repeated in fresh processes."""
        return "latency" if self.time else "cold"


def measure(given: Given) -> tuple[list[int], bool, Timed]:
    """The warm-up's ns, whether it settled, and what the spec's scenario finds, by our own loops or, if the rules say so, by LoadGen."""
    scenario = get(given.spec.scenario)
    if scenario.time is None:
        raise UsageError(f"scenario {given.spec.scenario!r} is timed by the pass {scenario.timed_by!r}, not 'latency'; ask for that one")
    queries = scenario.queries(given)
    warm, settled = loop.warm_up(queries.call, queries.each, cap_ns=int(1e9 * given.spec.warm_up_cap_s), clock=given.clock)
    queries = replace(queries, expected_ns=int(median(warm)))
    if given.spec.rules == "loadgen":
        from edgebench.bench import loadgen

        return warm, settled, loadgen.timed(given, queries)
    return warm, settled, scenario.time(given, queries)


def get(name: str) -> Scenario:
    """The scenario of this name; UsageError with the names there are."""
    if name not in SCENARIOS:
        raise UsageError(f"there is no scenario {name!r}; there are {', '.join(SCENARIOS)}.{did_you_mean(name, SCENARIOS)}")
    return SCENARIOS[name]


def fitted(spec: Spec) -> Spec:
    """The spec with the least counts and durations of its rules; UsageError for what does not fit together."""
    scenario = get(spec.scenario)
    if spec.batch > 1 and scenario.batch == 1:
        raise UsageError(f"batch is {spec.batch}, but a query of scenario {spec.scenario!r} is one input; leave --batch out, or take --scenario multi-stream")
    if (spec.rate_hz or spec.bound_ns) and scenario.time is not server:
        raise UsageError(f"a rate and a bound are for the scenario 'server', and this is {spec.scenario!r}; leave --rate and --bound out")
    if spec.rules != "edgebench":
        spec = _by_loadgens_rules(spec, scenario)
    if scenario.seconds(spec) >= spec.timeout_s:
        asked, allowed = duration_text(1e9 * scenario.seconds(spec)), duration_text(1e9 * spec.timeout_s)
        raise UsageError(f"a process of scenario {spec.scenario!r} takes about {asked}, but a pass may take {allowed}; allow more with --timeout")
    return spec


def _by_loadgens_rules(spec: Spec, scenario: Scenario) -> Spec:
    """One long run in one process; what the spec asks for beyond that stands."""
    rules = scenario.loadgen
    if rules is None:
        known = ", ".join(name for name, one in SCENARIOS.items() if one.loadgen)
        raise UsageError(f"MLPerf has no scenario {spec.scenario!r}; --rules {spec.rules} is for {known}")
    if spec.rules == "loadgen" and rules.queued and not spec.rate_hz:
        raise UsageError("LoadGen offers one rate and says whether it holds; give it with --rate, e.g. what --rules mlperf found")
    batch = max(spec.batch, rules.batch)
    return msgspec.structs.replace(
        spec, batch=batch, min_runs=max(spec.min_runs, rules.queries), min_time_s=max(spec.min_time_s, LOADGEN_S), processes=1, max_processes=1,
        timeout_s=max(spec.timeout_s, 4 * LOADGEN_S),
    )


# what the scenarios do


def stream(given: Given, queries: Queries) -> Timed:
    """One query after the other."""
    samples = loop.steady(
        queries.call, queries.each, min_runs=given.spec.min_runs, min_time_ns=int(1e9 * given.spec.min_time_s), expected_ns=queries.expected_ns,
        clock=given.clock,
    )
    return Timed(samples, range(len(samples) * given.spec.batch))


def sustained(given: Given, queries: Queries) -> Timed:
    """One query after the other, in windows."""
    samples, found = loop.windows(
        queries.call, queries.each, min_runs=given.spec.min_runs, min_time_ns=int(1e9 * given.spec.min_time_s), expected_ns=queries.expected_ns,
        look=given.look, clock=given.clock,
    )
    return Timed(samples, range(len(samples)), sustained=Sustained(processes=[found]))


def offline(given: Given, queries: Queries) -> Timed:
    """Rounds of the one query that all the inputs are."""
    least = max(ROUNDS, math.ceil(given.spec.min_runs / given.spec.batch))
    rounds = loop.steady(
        queries.call, queries.each, min_runs=least, min_time_ns=int(1e9 * given.spec.min_time_s), expected_ns=queries.expected_ns, clock=given.clock
    )
    return Timed(rounds, range(given.spec.batch), throughput=all_at_once(given.spec.batch, rounds))


def all_at_once(inputs: int, rounds_ns: list[int]) -> Throughput:
    """Of rounds of so many inputs."""
    return Throughput(per_s=[1e9 * inputs * len(rounds_ns) / max(sum(rounds_ns), 1)], inputs=inputs, rounds_ns=[rounds_ns])


def server(given: Given, queries: Queries) -> Timed:
    """The one rate that is asked for, or the highest that holds."""
    spec, workers, end_ns = given.spec, given.pipe.workers, given.clock() + given.left_ns
    lone = loop.steady(queries.call, queries.each, min_runs=LONE_RUNS, min_time_ns=0, expected_ns=queries.expected_ns, clock=given.clock)
    bound_ns = bound(spec, median(lone))
    serving = servers.Server(
        queries.call, queries.each, workers=workers, bound_ns=bound_ns, seed=spec.seed, end_ns=end_ns, clock=given.clock, wait=given.wait
    )

    def enough(rate_hz: float) -> int:
        return max(servers.ENOUGH, spec.min_runs, math.ceil(rate_hz * spec.min_time_s))

    if spec.rate_hz:
        rate = serving.only(spec.rate_hz, enough(spec.rate_hz))
    else:
        rate = serving.highest(UTILISATION * workers * 1e9 / max(fmean(lone), 1), enough)
    notes = serving.notes if spec.bound_ns else [*serving.notes, f"server: no bound was given; {BOUND} medians of a lone call were {duration_text(bound_ns)}"]
    throughput = Throughput(per_s=[rate], bound_ns=bound_ns, percentile=servers.PERCENTILE, workers=workers, trials=[serving.trials])
    return Timed(serving.queries_ns, range(len(serving.queries_ns)), throughput=throughput, notes=notes)


def bound(spec: Spec, lone_ns: float) -> int:
    """What a query's latency must not exceed."""
    return spec.bound_ns or int(BOUND * lone_ns)


def batches(given: Given) -> Queries:
    """Queries of `spec.batch` inputs."""
    size = given.spec.batch
    return Queries(given.pipe.batch, [given.order[first : first + size] for first in range(0, len(given.order), size)])


def all_inputs(given: Given) -> Queries:
    """The first batch as the only query."""
    return Queries(given.pipe.batch, [given.order[: given.spec.batch]])


# what the table says of them


def _queries(answer: Answer) -> list[float]:
    return [float(one) for samples in answer.latency.processes_ns for one in samples] if answer.latency else []


def _per_s(answer: Answer) -> list[float]:
    return [one for one in answer.throughput.per_s if one] if answer.throughput else []


def _warm_up_s(spec: Spec) -> float:
    return min(1.0, spec.warm_up_cap_s)


def _stream_s(spec: Spec) -> float:
    return _warm_up_s(spec) + max(spec.min_time_s, CALL_S * spec.min_runs * spec.batch)


def _server_s(spec: Spec) -> float:
    trials = 1 if spec.rate_hz else TRIALS
    return _warm_up_s(spec) + max(spec.min_time_s, CALL_S * spec.min_runs) + trials * servers.ENOUGH * CALL_S


def _offline_s(spec: Spec) -> float:
    return _warm_up_s(spec) + max(spec.min_time_s, CALL_S * max(spec.min_runs, (ROUNDS + 1) * spec.batch))


SCENARIOS: dict[str, Scenario] = {
    "cold-start": Scenario(
        about="fresh processes: from the start to the first answer, the files not in memory",
        passes=("accuracy", "drop", "cold"), series=lambda answer: [float(answer.cold.total_ns)] if answer.cold else [], processes=(10, 20),
    ),
    "first-answer": Scenario(
        about="fresh processes: the first call after loading",
        passes=("accuracy", "cold"), series=lambda answer: [float(answer.cold.first_answer_ns)] if answer.cold else [], processes=(10, 20),
    ),
    "multi-stream": Scenario(
        about="the next batch of inputs when the one before is answered",
        passes=("accuracy", "latency", "cold"), series=_queries, seconds=_stream_s, queries=batches, time=stream, batch=8,
        loadgen=Loadgen("MultiStream", 662, 0.99, batch=8),
    ),
    "offline": Scenario(
        about="all inputs at once: how many in a second",
        passes=("accuracy", "latency", "cold"), series=_per_s, seconds=_offline_s, queries=all_inputs, time=offline, batch=512,
        loadgen=Loadgen("Offline", 24_576, None, batch=24_576),
    ),
    "server": Scenario(
        about="queries that arrive by themselves: the highest rate at which 99 % keep a bound",
        passes=("accuracy", "latency", "cold"), series=_per_s, seconds=_server_s, time=server,
        loadgen=Loadgen("Server", 100, 0.99, queued=True),
    ),
    "single-stream": Scenario(
        about="the next input when the one before is answered",
        passes=("accuracy", "latency", "memory", "cold"), series=_queries, seconds=_stream_s, time=stream,
        loadgen=Loadgen("SingleStream", 100, 0.90),
    ),
    "sustained": Scenario(
        about="single-stream for minutes, with temperature and frequency beside it",
        passes=("accuracy", "latency", "memory", "cold"), series=_queries, seconds=_stream_s, time=sustained, processes=(1, 1),
    ),
}
