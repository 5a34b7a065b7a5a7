"""How often a verdict is right: sweeps of the fake engine on its own clock, a hundred times each, with noise that is known.

Processes run through the sweep, the warm-up and the timed loop as real ones do; only the engine's times are drawn. Of each
process they vary by `LEVEL` around its cell's, of each call by `CALL` around its process's, one call in fifty takes twice as
long, and what two processes that run in turn share varies by `SHARED`: a machine about as restless as one that others use.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from edgebench.backends.base import Options
from edgebench.backends.fake import Fake
from edgebench.bench import scenarios
from edgebench.bench.job import Answer, Job
from edgebench.bench.plan import Model, Plan
from edgebench.bench.run import Sweep
from edgebench.models import card as cards
from edgebench.models.card import Card
from edgebench.models.data import Labelled
from edgebench.pipeline import Pipeline
from edgebench.record import Latency, Record, Spec
from edgebench.reports import pairs
from edgebench.tasks.classify_text import TextClassification

from .conftest import MODEL

pytestmark = pytest.mark.benchmark_figures

TIMES = 100
CALL_NS = 10_000_000
LEVEL, CALL, SHARED = 0.012, 0.04, 0.05
NOISE = {"process": LEVEL, "call": CALL, "shared": SHARED}
RUNS, CALLS = 100, 250  # in a timed loop, and written for one: its warm-up takes some
SCRIPT = """\
run_ns = {run_ns}
inputs = [{{ name = "input_ids", dtype = "int64", shape = [-1, -1] }}, {{ name = "attention_mask", dtype = "int64", shape = [-1, -1] }}]
outputs = [{{ name = "logits", table = [[0.0, 2.0], [2.0, 0.0]] }}]
"""


class Restless:
    """A machine of the noise above. `slower`: by what factor cells of two threads take longer; `drift`: how much calls grow over a timed loop."""

    def __init__(self, card: Card, tokenizer: Path, folder: Path, seed: int, *, slower: float = 1.0, drift: float = 0.0) -> None:
        self._card, self._file, self._random = card, folder / "script.fake", Random(seed)
        self._task = TextClassification(card, {"tokenizer": tokenizer})
        self._slower, self._drift = slower, drift
        self._turn, self._shared = 0, 0.0

    def execute(self, job: Job) -> Answer:
        if self._turn % 2 == 0:
            self._shared = self._random.gauss(0, SHARED)
        self._turn += 1
        level = CALL_NS * (1 + self._shared) * (1 + self._random.gauss(0, LEVEL)) * (self._slower if job.spec.threads == 2 else 1.0)
        self._file.write_text(SCRIPT.format(run_ns=[self._call_ns(level, place) for place in range(CALLS)]))
        fake = Fake()
        pipe = Pipeline(self._card, self._card.variants[0], fake.open(self._file, Options(threads=1)), self._task)
        given = scenarios.Given(pipe, job.spec, job.examples, 10**12, clock=fake.clock, wait=fake.clock.advance, look=lambda since=None: {})
        warm, settled, found = scenarios.measure(given)
        latency = Latency(processes_ns=[found.queries_ns], warm_up_ns=[warm], settled=[settled], tokens=None, stages_ns={})
        return Answer(latency=latency, engine={"threads": job.spec.threads}, artifact={})

    def _call_ns(self, level: float, place: int) -> int:
        late = 2.0 if self._random.random() < 0.02 else 1.0
        return round(level * (1 + self._random.gauss(0, CALL)) * (1 + self._drift * place / RUNS) * late)


@pytest.fixture
def swept(card_path: Path, tmp_path: Path) -> Callable[..., list[Record]]:
    """swept(seed, spec, ...) -> records of these cells on a restless machine."""
    gc.freeze()  # the loop collects garbage before each process's calls: not in what was there before
    card = cards.read(card_path)
    tokenizer = card_path.parent / card.files["tokenizer"].file
    labelled = Labelled(("a gripping film", "a dull one"), (1, 0), ("negative", "positive"), "two", "dev", "made here", "", "", "")

    def run(seed: int, *specs: Spec, **how: float) -> list[Record]:
        machine = Restless(card, tokenizer, tmp_path, seed, **how)
        plan = Plan(list(specs), [], {MODEL: Model(card, None, labelled)}, seed, alternate=len(specs) == 2)
        return Sweep(plan, machine.execute, host={}, keep=lambda record: None, tell=lambda progress: None).run()

    return run


def cell(**options: Any) -> Spec:
    usual: dict[str, Any] = {"min_runs": RUNS, "min_time_s": 1.0, "passes": ("latency",)}
    return Spec(model=MODEL, format="fake", precision="fp32", backend="fake", **(usual | options))


def verdicts(swept: Callable[..., list[Record]], n: int, **how: float) -> list[str | None]:
    """Of so many comparisons of two cells in six pairs."""
    sides = [cell(threads=threads, processes=6, max_processes=6) for threads in (1, 2)]
    return [pairs.compare(*swept(seed, *sides, **how), paired=True).verdict for seed in range(n)]


def test_the_same_cell_twice_is_no_difference(swept: Callable[..., list[Record]], figure: Callable[..., None]) -> None:
    found = verdicts(swept, TIMES)
    right = found.count("no detectable difference")
    figure("A/A: no detectable difference, of 100", right, ">= 95", n=TIMES, pairs=6, noise=NOISE)
    assert right >= 95


def test_a_cell_that_is_five_percent_slower_is_called_so(swept: Callable[..., list[Record]], figure: Callable[..., None]) -> None:
    found = verdicts(swept, TIMES, slower=1.05)
    right = found.count("slower")
    figure("5 % slower: called slower, of 100", right, ">= 95", n=TIMES, pairs=6, noise=NOISE)
    assert right >= 95


def test_a_time_that_rises_while_it_is_measured_is_flagged(swept: Callable[..., list[Record]], figure: Callable[..., None]) -> None:
    found = [swept(seed, cell(processes=3, max_processes=3), drift=0.10)[0] for seed in range(TIMES)]
    right = sum(one.verdict == "noisy" and any("rose by" in reason for reason in one.reasons) for one in found)
    figure("10 % rise while measured: flagged, of 100", right, "100", n=TIMES, processes=3, noise=NOISE)
    assert right == TIMES


def test_a_level_time_is_seldom_called_a_rising_one(swept: Callable[..., list[Record]], figure: Callable[..., None]) -> None:
    found = [swept(seed, cell(processes=3, max_processes=3))[0] for seed in range(TIMES)]
    wrong = sum(any("rose by" in reason or "fell by" in reason for reason in one.reasons) for one in found)
    figure("no drift: flagged, of 100", wrong, "<= 1", n=TIMES, processes=3, noise=NOISE)
    assert wrong <= 1
