"""Which of a model's operating points to take so that a call ends in time: by what each cost on this machine, and how slow it is now.

Pure arithmetic on times that somebody else measured. `slow` is how many times longer calls take than when they were calibrated:
it rises at once, when calls of late took longer, and falls only after `WINDOW` of them were quicker, so that it changes its mind
at most once in so many calls. A call that is late is counted; when too many are and there is nothing faster left, that is said.
"""

from __future__ import annotations

import warnings
from collections import deque
from dataclasses import dataclass
from threading import Lock

WINDOW = 32  # calls that say how slow the machine is
RARE = 0.05  # the share of calls that may be late
FALL = 0.8  # `slow` falls when the calls of a whole window say it is at most so much of what it was
JUDGED = 100  # calls over which the share that was held is told


class LatencyWarning(UserWarning):
    """The latency target is not held: more than one call in twenty was late, with the fastest point there is."""


@dataclass(frozen=True)
class Cost:
    """ns of one call at a point: `fixed_ns`, and `each_ns` for each unit of an input's size."""

    fixed_ns: float
    each_ns: float

    def of(self, size: int) -> float:
        return self.fixed_ns + self.each_ns * size

    @classmethod
    def fitted(cls, times: dict[int, float]) -> Cost:
        """The line through the times (ns) at the smallest and the largest size, never falling."""
        small, large = min(times), max(times)
        each = max(0.0, (times[large] - times[small]) / (large - small)) if large > small else 0.0
        return cls(max(0.0, times[small] - each * small), each)


class Governor:
    """`costs` are the points', the most accurate first. Safe from any thread."""

    def __init__(self, target_ns: float, costs: list[Cost]) -> None:
        if target_ns <= 0 or not costs:
            raise ValueError(f"a target of {target_ns} ns for {len(costs)} points is none; expected more than 0 ns, and a point")
        self.target_ns, self.costs = target_ns, costs
        self.slow = 1.0
        self.calls = self.late = self.changes = 0
        self._ratios: deque[float] = deque(maxlen=WINDOW)
        self._held: deque[bool] = deque(maxlen=JUDGED)
        self._since = 0
        self._warned = False
        self._lock = Lock()

    def choose(self, size: int) -> int:
        """The first point that will answer an input of that size in time; the cheapest, if none will."""
        slow = self.slow
        for at, cost in enumerate(self.costs):
            if cost.of(size) * slow <= self.target_ns:
                return at
        return min(range(len(self.costs)), key=lambda at: self.costs[at].of(size))

    def observe(self, point: int, size: int, took_ns: float) -> None:
        """Say how long a call took at the point that was chosen for it."""
        with self._lock:
            self.calls += 1
            self.late += took_ns > self.target_ns
            self._held.append(took_ns <= self.target_ns)
            self._ratios.append(took_ns / max(1.0, self.costs[point].of(size)))
            self._since += 1
            now = sorted(self._ratios)[int(len(self._ratios) * (1 - RARE))]
            if now > self.slow or (self._since >= WINDOW and now < FALL * self.slow):
                self.changes += now > self.slow or self.slow > 1.0
                self.slow, self._since = max(now, 1.0), 0
            self._say(self.costs[self.choose(size)].of(size) * self.slow > self.target_ns)

    @property
    def held(self) -> float:
        """The share of the last `JUDGED` calls that were in time; 1 before the first."""
        return sum(self._held) / len(self._held) if self._held else 1.0

    def _say(self, too_slow: bool) -> None:
        """Warn once when too many calls were late and no point is fast enough; again after it was so no longer."""
        missing = len(self._held) >= WINDOW and self.held < 1 - RARE and too_slow
        if missing and not self._warned:
            text = f"{1 - self.held:.0%} of the last {len(self._held)} calls took longer than {self.target_ns / 1e6:g} ms, with the fastest point there is"
            warnings.warn(f"{text}; ask for more time, or use a smaller model", LatencyWarning, stacklevel=4)
        self._warned = missing
