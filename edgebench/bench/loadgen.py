"""MLPerf's own load generator -> samples: it draws the inputs, sends the queries and holds the clock; the pipeline answers.

With `--rules loadgen`. (With `--rules mlperf` our own loops keep the same minimum counts and durations, and nothing more
needs to be installed.) Each query's latency is read from LoadGen's trace, so it is LoadGen's, and its claim from its log.
The trace takes some 0.7 kB of disk a query while it runs.

mlcommons/inference, LoadGen 6.0.17: loadgen/bindings/python_api.cc, loadgen/test_settings.h, loadgen/results.cc.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from queue import SimpleQueue
from types import ModuleType
from typing import Any

from edgebench.bench import scenarios, server
from edgebench.bench.loop import no_garbage_collection
from edgebench.bench.scenarios import Given, Loadgen, Queries, Timed
from edgebench.errors import MissingError, UsageError
from edgebench.record import Throughput
from edgebench.units import duration_text, percent_text

PACKAGE = "mlcommons-loadgen"
TRACED = re.compile(r'"name":"Sample",.*"sample_seq":(\d+),"query_seq":(\d+),"sample_idx":(\d+),.*"complete_ns":(\d+)')
ESTIMATES = {"SingleStream": "early_stopping_latency_ss", "MultiStream": "early_stopping_latency_ms"}  # keys of its log


@dataclass(frozen=True)
class Claim:
    """LoadGen's verdict. `latency_ns` is what it claims for the scenario's percentile; None where it claims none. `why` it is not valid."""

    valid: bool
    latency_ns: int | None
    why: str


def timed(given: Given, queries: Queries) -> Timed:
    """What LoadGen finds, its verdict as a note."""
    rules = scenarios.get(given.spec.scenario).loadgen
    if rules is None:
        raise UsageError(f"LoadGen has no scenario {given.spec.scenario!r}; leave --rules loadgen out")
    queries_ns, places, claim = drive(given, queries, rules)
    throughput = THROUGHPUT.get(rules.name, lambda *_: None)(given, queries, queries_ns, len(places), claim.valid)
    return Timed(queries_ns, places, throughput=throughput, notes=[_note(rules, claim)], clock="LoadGen")


def drive(given: Given, queries: Queries, rules: Loadgen) -> tuple[list[int], list[int], Claim]:
    """Each query's ns and the places of the inputs, both in the order of sending, and what LoadGen claims of them."""
    library = _library()
    with tempfile.TemporaryDirectory(prefix="edgebench-") as name, _under_test(library, given, queries, rules) as answering, no_garbage_collection():
        inputs = library.ConstructQSL(len(given.order), len(given.order), _nothing, _nothing)
        library.StartTestWithLogSettings(answering, inputs, _settings(library, given, queries, rules), _logs(library, name), "")
        library.DestroyQSL(inputs)
        return *_traced(Path(name) / "mlperf_log_trace.json"), _claim(Path(name) / "mlperf_log_detail.txt", rules)


@contextmanager
def _under_test(library: ModuleType, given: Given, queries: Queries, rules: Loadgen) -> Iterator[int]:
    """The pipeline as LoadGen sees it. An error is raised at the end: LoadGen waits for every answer, and knows of no failure."""
    errors: list[BaseException] = []

    def answer(samples: Any) -> None:
        try:
            inputs = [given.order[one.index] for one in samples]
            queries.call(inputs[0] if rules.batch == 1 else inputs)
        except BaseException as error:
            errors.append(error)
        library.QuerySamplesComplete([library.QuerySampleResponse(one.id, 0, 0) for one in samples])

    with _queued(answer, given.pipe.workers if rules.queued else 0) as issue:
        handle = library.ConstructSUT(issue, _nothing)
        try:
            yield handle
        finally:
            library.DestroySUT(handle)
    if errors:
        raise errors[0]


@contextmanager
def _queued(answer: Callable[[Any], None], workers: int) -> Iterator[Callable[[Any], None]]:
    """`answer` itself, or, for queries that do not wait, what puts them in a queue before so many workers."""
    if not workers:
        yield answer
        return
    waiting: SimpleQueue[Any] = SimpleQueue()

    def work() -> None:
        while samples := waiting.get():
            answer(samples)

    with ThreadPoolExecutor(workers) as pool:
        working = [pool.submit(work) for _ in range(workers)]
        try:
            yield lambda samples: waiting.put(list(samples))
        finally:
            for _ in working:
                waiting.put(None)


def _settings(library: ModuleType, given: Given, queries: Queries, rules: Loadgen) -> Any:
    """All scenarios' settings: LoadGen reads those of the one it runs."""
    spec, expected_ns = given.spec, max(queries.expected_ns, 1)
    settings = library.TestSettings()
    settings.scenario, settings.mode = getattr(library.TestScenario, rules.name), library.TestMode.PerformanceOnly
    settings.min_query_count, settings.min_duration_ms = (max(spec.min_runs, rules.queries), int(1e3 * spec.min_time_s))
    settings.single_stream_expected_latency_ns = settings.multi_stream_expected_latency_ns = expected_ns
    settings.single_stream_target_latency_percentile = settings.multi_stream_target_latency_percentile = rules.percentile or 0.99
    settings.multi_stream_samples_per_query = spec.batch
    settings.server_target_qps, settings.server_target_latency_ns = spec.rate_hz or 1.0, scenarios.bound(spec, expected_ns)
    settings.server_target_latency_percentile = rules.percentile or 0.99
    settings.offline_expected_qps = 1e9 * spec.batch / expected_ns
    settings.qsl_rng_seed = settings.sample_index_rng_seed = settings.schedule_rng_seed = spec.seed % 2**64
    return settings


def _logs(library: ModuleType, folder: str) -> Any:
    logs, place = library.LogSettings(), library.LogOutputSettings()
    place.outdir = folder
    logs.log_output, logs.enable_trace = place, True
    return logs


def _traced(path: Path) -> tuple[list[int], list[int]]:
    """A query's latency is that of the last of its inputs."""
    with path.open() as lines:
        samples = sorted(tuple(map(int, found.groups())) for line in lines if (found := TRACED.search(line)))
    latencies: dict[int, int] = {}
    for _, query, _, complete_ns in samples:
        latencies[query] = max(latencies.get(query, 0), complete_ns)
    return [latencies[query] for query in sorted(latencies)], [place for _, _, place, _ in samples]


def _claim(path: Path, rules: Loadgen) -> Claim:
    said = {}
    for line in path.read_text().splitlines():
        entry = json.loads(line.partition(" ")[2])
        said[entry["key"]] = entry["value"]
    estimate = said.get(ESTIMATES.get(rules.name, ""))
    why = said.get("result_invalid_reason") or said.get("early_stopping_result") or ""
    return Claim(said["result_validity"] == "VALID", int(estimate) if estimate else None, " ".join(str(why).replace("*", "").split()))


def _note(rules: Loadgen, claim: Claim) -> str:
    words = f"LoadGen {version(PACKAGE)} calls this run {'valid' if claim.valid else f'invalid: {claim.why}'}"
    if claim.latency_ns and rules.percentile:
        words += f"; it claims that {percent_text(rules.percentile)} of the queries take at most {duration_text(claim.latency_ns)}"
    return words


def _at_a_rate(given: Given, queries: Queries, queries_ns: list[int], inputs: int, valid: bool) -> Throughput:
    rate, bound_ns = given.spec.rate_hz or 1.0, scenarios.bound(given.spec, queries.expected_ns)
    trial = server.judged(rate, queries_ns, bound_ns, len(queries_ns))
    return Throughput(
        per_s=[rate if valid else None], bound_ns=bound_ns, percentile=server.PERCENTILE, workers=given.pipe.workers, trials=[[trial]]
    )


def _all_at_once(given: Given, queries: Queries, queries_ns: list[int], inputs: int, valid: bool) -> Throughput:
    return scenarios.all_at_once(inputs, queries_ns)


THROUGHPUT = {"Offline": _all_at_once, "Server": _at_a_rate}


def _library() -> ModuleType:
    try:
        import mlperf_loadgen
    except ImportError as error:
        raise MissingError(
            f"--rules loadgen needs {PACKAGE}, which cannot be imported ({error}); install edgebench[mlperf], or take --rules mlperf"
        ) from error
    library: ModuleType = mlperf_loadgen
    return library


def _nothing(*_: Any) -> None:
    """LoadGen's wish to load samples or to flush: the inputs are in memory, and nothing is held back."""
