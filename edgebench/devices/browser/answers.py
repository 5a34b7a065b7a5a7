"""What a page says -> facts of a host and answers of passes, as any other device gives them; whatever does not fit together is refused."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import msgspec

import edgebench
from edgebench import catalog
from edgebench.backends.base import Facts as Engine
from edgebench.bench import accuracy
from edgebench.bench.job import Answer, Job
from edgebench.devices.browser.engines import engine
from edgebench.devices.browser.wire import Broken, Facts, Phases, Reply, State, Timing
from edgebench.errors import EdgebenchError, EngineError, UnsupportedError, WorkerError
from edgebench.models import card as cards
from edgebench.record import Cold, Latency, Sustained, Window
from edgebench.tasks import metrics

KINDS: dict[str, type[EdgebenchError]] = {"unsupported": UnsupportedError, "engine": EngineError, "worker": WorkerError}
MEMORY = "memory was not measured: a page does not see what its process takes"
REFERENCE = "the reference was run by edgebench on the machine that served the page"
SUM = 0.001  # by which the probabilities of one answer may miss 1


def host(facts: Facts) -> dict[str, Any]:
    """As `edgebench.bench.host.facts` has them; what only a page has is in "page"."""
    brands = [one for one in facts.brands if "Not" not in one]  # browsers add a brand that is none, so that nobody relies on the list
    browser = (brands or [_named(facts.user_agent)])[-1]
    page = {name: getattr(facts, name) for name in facts.__struct_fields__ if name not in ("cores", "platform", "architecture", "model", "clock_resolution_ns")}
    return {
        "board": ", ".join(filter(None, [facts.model or facts.platform, browser])),
        "machine": facts.architecture, "cpu": None, "cores": facts.cores, "usable_cores": facts.cores,
        "os": facts.platform, "power_source": None if facts.charging is None else "mains" if facts.charging else "battery",
        "packages": {"edgebench": edgebench.__version__}, "clock_resolution_ns": facts.clock_resolution_ns,
        "page": msgspec.to_builtins(page),
    }  # fmt: skip


def answer(job: Job, reply: Reply) -> Answer:
    """The pass's answer; the error it failed by, or WorkerError for a reply that does not fit its job."""
    if reply.failure:
        raise _failed(reply.failure)
    if reply.engine is None:
        raise _unfit("it names no engine")
    used = engine(job.spec.backend, job.spec.accelerator)
    if (reply.engine.threads, reply.engine.accelerator) != (job.spec.threads, job.spec.accelerator):
        ran, asked = (f"{one.threads} threads on {one.accelerator}" for one in (reply.engine, job.spec))
        raise UnsupportedError(f"{used.library} ran with {ran} where {asked} were asked for; serve the page by https or localhost, or ask for 1 thread")
    variant = cards.read(catalog.find("models", job.spec.model)).variant(job.spec.format, job.spec.precision)
    found: dict[str, Any] = {
        "engine": asdict(Engine(used.library, reply.engine.version, reply.engine.threads, reply.engine.accelerator, {"simd": reply.engine.simd})),
        "artifact": {"format": variant.format, "file": variant.file, "sha256": variant.sha256, "size_bytes": variant.total_bytes},
        "before": _state(reply.before), "after": _state(reply.after),
    }  # fmt: skip
    if job.part == "accuracy":
        return Answer(accuracy=_accuracy(job, reply.probabilities), notes=[REFERENCE], **found)
    cold = _cold(reply.cold)
    if job.part == "cold":
        return Answer(cold=cold, notes=[MEMORY], **found)
    if job.part != "latency":
        raise UnsupportedError(f"a page knows no pass {job.part!r}; it does accuracy, latency and cold")
    return Answer(cold=cold, notes=[MEMORY], **_timed(job, reply.timing), **found)


def _failed(failure: Broken) -> EdgebenchError:
    return KINDS[failure.kind](f"in the page: {failure.message}")


def _unfit(why: str) -> WorkerError:
    return WorkerError(f"the page answered with something that is no answer: {why}; load it again")


def _accuracy(job: Job, rows: list[list[float]] | None) -> Any:
    """Scored here, by what scores every other device's answers."""
    assert job.expected is not None
    labels = cards.read(catalog.find("models", job.spec.model)).labels
    if rows is None or len(rows) != len(job.examples):
        raise _unfit(f"{len(rows or ())} answers to {len(job.examples)} examples")
    for row in rows:
        if len(row) != len(labels) or abs(math.fsum(row) - 1) > SUM:
            raise _unfit(f"{row[:4]} are no probabilities of {len(labels)} labels")
    predictions = [labels[row.index(max(row))] for row in rows]
    return accuracy.scored(metrics.accuracy(predictions, job.expected.labels), predictions, rows, job.expected)


def _cold(cold: Phases | None) -> Cold:
    if cold is None:
        raise _unfit("its start was not timed")
    return Cold(**{name: getattr(cold, name) for name in cold.__struct_fields__})


def _timed(job: Job, timing: Timing | None) -> dict[str, Any]:
    """Latency, and what a sustained run has beside it."""
    if timing is None or len(timing.tokens) != len(timing.samples_ns):
        raise _unfit("its calls and their inputs do not match")
    latency = Latency(
        processes_ns=[timing.samples_ns], warm_up_ns=[timing.warm_up_ns], settled=[timing.settled], tokens=[timing.tokens],
        stages_ns={str(name): series for name, series in timing.stages_ns.items()}, clock="performance.now", garbage_collector="on", calls=timing.calls,
    )  # fmt: skip
    if job.spec.scenario != "sustained":
        return {"latency": latency}
    windows = [Window(at_ns=one.at_ns, runs=one.runs, median_ns=one.median_ns, temp_c=None, freq_hz=None, throttled=None) for one in timing.windows]
    return {"latency": latency, "sustained": Sustained(processes=[windows])}


def _state(state: State | None) -> dict[str, Any]:
    return {name: getattr(state, name) for name in state.__struct_fields__} if state else {}


def _named(user_agent: str) -> str:
    """The browser's name out of the text that all of them begin alike."""
    for mark, name in (("Edg/", "Edge"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Version/", "Safari")):
        _, _, after = user_agent.partition(mark)
        if after:
            return f"{name} {after.split()[0]}"
    return "an unknown browser"

