"""Wishes, as people say them in one breath ("latency 10 ms, accuracy -1 %"), and what was before -> budgets.

    wishes("latency 10 ms, size 5 MB, accuracy -1 %", accuracy=0.903)    # median <= 10 ms, size <= 5 MB, accuracy >= 89.3 %

A loss is in points: "-1 %" of 90.3 % is 89.3 %. A part that is a budget already ("p90 <= 20 ms") is taken as it is.
"""

from __future__ import annotations

import re

from edgebench.bench.budgets import METRICS, Budget
from edgebench.errors import UsageError, did_you_mean

NAMES = {"latency": "median", "time": "median", "memory": "peak"}  # what people call a metric
WRITTEN = "write e.g. 'latency 10 ms, accuracy -1 %'"


def wishes(text: str, *, accuracy: float) -> list[Budget]:
    """One budget for each part; `accuracy` is what a loss is counted from. UsageError says what is wrong with a part."""
    found = [_budget(part.strip(), accuracy) for part in text.split(",")]
    for budget in found:
        if [one.metric for one in found].count(budget.metric) > 1:
            raise UsageError(f"budget {text!r} limits {budget.metric} twice; keep one")
    return found


def _budget(part: str, accuracy: float) -> Budget:
    named = re.match(r"([\w-]+?)\s*(?=[<>=\s])", part)
    name = NAMES.get(named[1], named[1]) if named else ""
    if not named or name not in METRICS:
        word = named[1] if named else part
        known = [*NAMES, *METRICS]
        raise UsageError(f"budget {part!r}: there is no metric {word!r}; there are {', '.join(known)}.{did_you_mean(word, known)}")
    rest = part[named.end() :].strip()
    if rest[:1] in ("<", ">", "="):
        return Budget.parse(f"{name} {rest}")
    if name == "accuracy" and rest.startswith("-"):
        lost = Budget.parse(f"accuracy >= {rest[1:].strip()}").limit
        return Budget("accuracy", max(0.0, accuracy - lost))
    if not rest:
        raise UsageError(f"budget {part!r} has no limit; {WRITTEN}")
    return Budget.parse(f"{name} {METRICS[name].operator} {rest}")
