"""A model and a while on this machine -> the engine, threads and settings that answer soonest, and how much sooner than the engine left to itself.

Candidates are open in one process and take turns, so that a slow moment falls on all of them; a turn's order is drawn. Which is
faster is decided as `edgebench compare` decides it: by the interval of the ratio, over turns. First engines and threads compete,
half of them leaving after each heat; then one setting at a time is tried on the best, and kept only where it is faster.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from random import Random
from statistics import median
from typing import Any

from edgebench import plugins
from edgebench.bench.ratio import Ratio, ratio, verdict_of
from edgebench.errors import EdgebenchError
from edgebench.pipeline import Pipeline, load

CALLS = 5  # of one candidate in one turn
LEAST_TURNS, MOST_TURNS = 6, 60  # of a heat


@dataclass(frozen=True)
class Candidate:
    """One way to run the model."""

    backend: str
    precision: str
    threads: int
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return ", ".join([self.backend, self.precision, threads, *(f"{name} {_text(value)}" for name, value in self.settings.items())])


@dataclass(frozen=True)
class Tried:
    """A candidate's times (ns of single calls, by turn) beside those of the one it was measured against, and what was made of it."""

    candidate: Candidate
    turns: list[list[int]]
    against: Candidate
    compared: Ratio
    kept: bool

    @property
    def median_ns(self) -> float:
        return median(one for turn in self.turns for one in turn)


@dataclass(frozen=True)
class Tuned:
    """The best candidate, measured last and once more against the engine's own defaults; `tried` in the order of trying; `failed` with why."""

    best: Candidate
    default: Candidate
    gain: Ratio  # the best one's time over the default's
    best_ns: float
    default_ns: float
    tried: list[Tried]
    failed: list[tuple[Candidate, str]]


def tune(
    model: str, examples: Sequence[Any], default: Candidate, candidates: Sequence[Candidate], budget_s: float, *, seed: int = 0, allow_code: bool = False,
    tell: Callable[[str], None] = lambda line: None, clock: Callable[[], int] = time.perf_counter_ns,
) -> Tuned:
    """Search among `candidates` (the default alone, where there are none) for `budget_s` seconds: a third of it on engines and threads, half on
    settings, the rest on the last comparison, with the default if it opens, whether it was a candidate or not."""
    stable = _Stable(model, examples, seed, allow_code, clock)
    try:
        tried: list[Tried] = []
        best = _heats(stable, list(candidates) or [default], budget_s / 3, tried, tell)
        best = _knobs(stable, best, budget_s / 2, tried, tell)
        default = default if stable.opens(default) else best
        mine, theirs = stable.race(best, default, budget_s / 6)
        gain = ratio(theirs, mine, paired=True)
        best_ns, default_ns = (median(one for turn in turns for one in turn) for turns in (mine, theirs))
        return Tuned(best, default, gain, best_ns, default_ns, tried, stable.failed)
    finally:
        stable.close()


def _heats(stable: _Stable, runners: list[Candidate], budget_s: float, tried: list[Tried], tell: Callable[[str], None]) -> Candidate:
    """Halve the field until one is left; each heat has the same share of the time."""
    runners = [one for one in runners if stable.opens(one)]
    if not runners:
        raise EdgebenchError(f"no candidate could be opened: {'; '.join(why for _, why in stable.failed)}")
    heats = max(1, (len(runners) - 1).bit_length())
    while len(runners) > 1:
        turns = stable.turns(runners, budget_s / heats)
        ranked = sorted(runners, key=lambda one: median(median(turn) for turn in turns[one]))
        for one in ranked[1:]:
            compared = ratio(turns[ranked[0]], turns[one], paired=True)
            tried.append(Tried(one, turns[one], ranked[0], compared, kept=ranked.index(one) < (len(ranked) + 1) // 2))
        runners = ranked[: (len(ranked) + 1) // 2]
        tell(f"{len(ranked)} ways, the fastest: {ranked[0].name}")
    return runners[0]


def _knobs(stable: _Stable, best: Candidate, budget_s: float, tried: list[Tried], tell: Callable[[str], None]) -> Candidate:
    """Turn one knob of the engine after the other; a value stays where it is faster than what was there."""
    knobs: Mapping[str, tuple[Any, ...]] = getattr(plugins.get("backends", best.backend), "knobs", {})
    values = [(name, value) for name, choices in knobs.items() for value in choices[1:]]
    for name, value in values:
        other = Candidate(best.backend, best.precision, best.threads, {**best.settings, name: value})
        if not stable.opens(other):
            continue
        theirs, mine = stable.race(best, other, budget_s / len(values))
        compared = ratio(theirs, mine, paired=True)
        faster = verdict_of(compared) == "faster"
        tried.append(Tried(other, mine, best, compared, faster))
        stable.leaves(best if faster else other)
        if faster:
            best = other
            tell(f"faster: {name} {_text(value)}")
    return best


class _Stable:
    """Open pipelines by candidate, warmed up, and the inputs that they are timed with."""

    def __init__(self, model: str, examples: Sequence[Any], seed: int, allow_code: bool, clock: Callable[[], int]) -> None:
        self.failed: list[tuple[Candidate, str]] = []
        self._model, self._allow_code, self._clock = model, allow_code, clock
        self._random = Random(seed)
        drawn = list(examples)
        self._random.shuffle(drawn)
        self._examples = cycle(drawn)
        self._pipes: dict[str, Pipeline] = {}

    def opens(self, one: Candidate) -> bool:
        """Whether it can be opened and run; if not, why is noted."""
        if one.name in self._pipes:
            return True
        try:
            pipe = load(self._model, backend=one.backend, precision=one.precision, threads=one.threads, settings=one.settings, allow_code=self._allow_code)
            self._pipes[one.name] = pipe
            for example in islice(self._examples, CALLS):
                pipe(example)
        except EdgebenchError as error:
            self.leaves(one)
            self.failed.append((one, str(error)))
            return False
        return True

    def leaves(self, one: Candidate) -> None:
        if pipe := self._pipes.pop(one.name, None):
            pipe.close()

    def race(self, a: Candidate, b: Candidate, budget_s: float) -> tuple[list[list[int]], list[list[int]]]:
        """The turns of two, beside each other."""
        if a.name == b.name:
            turns = self.turns([a], budget_s)
            return turns[a], turns[a]
        for one in (a, b):
            self.opens(one)
        turns = self.turns([a, b], budget_s)
        return turns[a], turns[b]

    def turns(self, runners: Sequence[Candidate], budget_s: float) -> _Turns:
        """As many turns as the budget allows, between `LEAST_TURNS` and `MOST_TURNS`; in each all run the same inputs."""
        found = _Turns({one.name: [] for one in runners})
        ends = self._clock() + int(budget_s * 1e9)
        for turn in range(MOST_TURNS):
            if turn >= LEAST_TURNS and self._clock() > ends:
                break
            inputs = list(islice(self._examples, CALLS))
            for one in self._random.sample(list(runners), len(runners)):
                found[one].append([self._timed(self._pipes[one.name], example) for example in inputs])
        return found

    def close(self) -> None:
        for pipe in self._pipes.values():
            pipe.close()

    def _timed(self, pipe: Pipeline, example: Any) -> int:
        started = self._clock()
        pipe(example)
        return self._clock() - started


class _Turns:
    """Times by candidate, which is no key of a dictionary: its settings are one."""

    def __init__(self, times: dict[str, list[list[int]]]) -> None:
        self._times = times

    def __getitem__(self, one: Candidate) -> list[list[int]]:
        return self._times[one.name]


def _text(value: Any) -> str:
    return {True: "on", False: "off"}.get(value, str(value)) if isinstance(value, bool) else str(value)
