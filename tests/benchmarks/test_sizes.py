"""What compression buys in time: BERT-base beside TinyBERT4, random weights, each in the engine that is fastest for it."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import numpy as np
import pytest

from edgebench.backends.base import Options, Session
from edgebench.plugins import get

from .conftest import ratio

pytestmark = pytest.mark.benchmark_figures

LENGTH, ROUNDS = 128, 40
SHAPES = {
    "BERT-base": {"layers": 12, "hidden": 768, "heads": 12, "ffn": 3072},
    "TinyBERT4": {"layers": 4, "hidden": 312, "heads": 12, "ffn": 1200},
}


@pytest.fixture(scope="module")
def times_ns(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str, str], list[int]]:
    """(net, format, precision) -> the calls of one thread, all sessions in turn."""
    pytest.importorskip("torch", reason="the nets are made with torch; install edgebench[export]")
    pytest.importorskip("litert_torch", reason="the TFLite files are made with litert-torch; install edgebench[export]")
    from edgebench.train.export import BACKENDS, VARIANTS, export
    from edgebench.train.nets import build

    folder = tmp_path_factory.mktemp("sizes")
    sessions: dict[tuple[str, str, str], Session] = {}
    for name, shape in SHAPES.items():
        variants = [one for one in VARIANTS if name != "BERT-base" or one.endswith("fp32")]
        for one in export(build(**shape, labels=2).eval(), folder / name, variants=variants, lengths=(LENGTH,)):
            sessions[name, one.format, one.precision] = get("backends", BACKENDS[one.format]).open(one.path, Options(threads=1))
    times = _in_turn({key: _call(session) for key, session in sessions.items()})
    for session in sessions.values():
        session.close()
    return times


@pytest.mark.parametrize(("precision", "reach"), [("fp32", 13), ("int8", 35)])
def test_tinybert_is_so_many_times_faster_than_bert_base(
    precision: str, reach: float, times_ns: dict[tuple[str, str, str], list[int]], figure: Callable[..., None]
) -> None:
    medians = {key: statistics.median(found) for key, found in times_ns.items()}
    slow, fast = (min((key for key in medians if key[::2] == wanted), key=medians.__getitem__) for wanted in (("BERT-base", "fp32"), ("TinyBERT4", precision)))
    found = ratio(times_ns[slow], times_ns[fast])
    milliseconds = {f"{name} {form}": round(ns / 1e6, 2) for (name, form, kind), ns in medians.items() if (name, kind) in (slow[::2], fast[::2])}
    name = f"BERT-base fp32 ({slow[1]}) / TinyBERT4 {precision} ({fast[1]}), {LENGTH} tokens"
    figure(name, found.value, f">= {reach}", n=ROUNDS, quartiles=found.quartiles, ms=milliseconds)
    assert found.value >= reach


def _call(session: Session) -> Callable[[], object]:
    random = np.random.default_rng(0)
    feeds = {
        spec.name: (random.integers(1000, 30_000, (1, LENGTH)) if spec.name == "input_ids" else np.ones((1, LENGTH))).astype(spec.dtype)
        for spec in session.inputs
    }
    return lambda: session.run(feeds)


def _in_turn(calls: dict[tuple[str, str, str], Callable[[], object]]) -> dict[tuple[str, str, str], list[int]]:
    """Every call in each of the rounds, in another order each time, so that a slow minute falls on all."""
    import time
    from random import Random

    random, order = Random(0), list(calls)
    times: dict[tuple[str, str, str], list[int]] = {key: [] for key in calls}
    for each in range(-3, ROUNDS):
        random.shuffle(order)
        for key in order:
            start = time.perf_counter_ns()
            calls[key]()
            if each >= 0:
                times[key].append(time.perf_counter_ns() - start)
    return times
