"""The object an app calls, and the one object the harness times: an open session and the task around it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from edgebench.backends.base import Facts, Session, usable_cpus
from edgebench.models.card import Card, Variant
from edgebench.tasks.base import Task

BATCH_TOKENS = 1024  # padded tokens in one run of `batch`: enough for the engine to be busy, little enough to stay in cache


@dataclass(frozen=True, slots=True)
class Staged:
    """One call's prediction and the ns each stage took, in order; they sum to the call."""

    prediction: Any
    stages_ns: dict[str, int]


class Pipeline:
    """An open session and the task around it. Safe from any thread; `close` waits for running calls."""

    def __init__(self, card: Card, variant: Variant, session: Session, task: Task) -> None:
        self.card, self.variant, self.task, self._session = card, variant, task, session
        inputs = session.inputs
        self._single = bool(inputs) and inputs[0].shape[:1] == (1,)

    def __call__(self, example: Any) -> Any:
        """The prediction for one example."""
        return self.task.answer((example,), self._session, _unheard)[0]

    def stages(self, example: Any) -> Staged:
        """The same call with a clock between its stages."""
        watch = _Stopwatch()
        prediction = self.task.answer((example,), self._session, watch.lap)[0]
        return Staged(prediction, watch.stages_ns)

    def watched(self, watch: Callable[[Session], Session]) -> Pipeline:
        """The same pipeline over what `watch` makes of its session, e.g. one that writes down what it is asked to run; close only one of them."""
        return Pipeline(self.card, self.variant, watch(self._session), self.task)

    def batch(self, examples: Sequence[Any], *, workers: int | None = None) -> list[Any]:
        """Predictions in the examples' order.

        Examples of like size run together, so that little is padded; the groups are spread over `workers` threads.
        """
        examples = list(examples)
        groups = _groups(self.task.sizes(examples) if examples else [], 1 if self._single else BATCH_TOKENS)
        workers = workers or self.workers
        found: list[Any] = [None] * len(examples)

        def run(rows: list[int]) -> None:
            for row, prediction in zip(rows, self.task.answer([examples[row] for row in rows], self._session, _unheard), strict=True):
                found[row] = prediction

        if workers == 1 or len(groups) < 2:
            for rows in groups:
                run(rows)
        else:
            from concurrent.futures import ThreadPoolExecutor  # 5 ms that a first answer need not wait for

            with ThreadPoolExecutor(workers) as pool:
                list(pool.map(run, groups))
        return found

    @property
    def workers(self) -> int:
        """How many calls at once there is use for: the processors the session leaves free, 1 where the engine would only queue them."""
        return max(1, usable_cpus() // self._session.facts.threads) if self._session.parallel else 1

    @property
    def session(self) -> Session:
        """The open session, for what no task does: it goes on belonging to the pipeline."""
        return self._session

    @property
    def facts(self) -> Facts:
        """What the session really uses: library, version, threads, accelerator."""
        return self._session.facts

    def close(self) -> None:
        """Free the model; calling the pipeline afterwards raises EngineError."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class _Stopwatch:
    """Stages as a task's laps end them: `stages_ns` is each one's time, in the order in which they first ended."""

    def __init__(self) -> None:
        self.stages_ns: dict[str, int] = {}
        self._last = time.perf_counter_ns()

    def lap(self, name: str) -> None:
        now = time.perf_counter_ns()
        self.stages_ns[name] = self.stages_ns.get(name, 0) + now - self._last
        self._last = now


def _unheard(name: str) -> None:
    """The lap of a call that nobody times."""


def _groups(sizes: list[int], budget: int) -> list[list[int]]:
    """Rows in runs of like size, each of at most `budget` padded tokens (at least one row), the largest first."""
    groups: list[list[int]] = []
    for row in sorted(range(len(sizes)), key=lambda one: -sizes[one]):
        widest = sizes[groups[-1][0]] if groups else 0
        if groups and (len(groups[-1]) + 1) * widest <= budget:
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups
