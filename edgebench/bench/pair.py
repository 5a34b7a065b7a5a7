"""Two cells named in a word each -> a plan in which they take turns: A B, B A, A B, ...

    tinybert-sst2@onnxruntime/int8
    tinybert-sst2@tflite/int8,threads=2,length=128

A slow minute falls on both alike, and whichever is first in a pair gains or loses nothing by it over all of them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from edgebench.bench import scenarios
from edgebench.bench.plan import Ask, Effort, Plan, plan
from edgebench.errors import UnsupportedError, UsageError, did_you_mean

PAIRS = 6
EFFORT = Effort(processes=PAIRS, max_processes=PAIRS, min_runs=50, min_time_s=1.0, warm_up_cap_s=3.0, examples=872)
OPTIONS = ("threads", "length", "batch", "scenario", "accelerator")
NUMBERS = ("threads", "length", "batch")


def parse(text: str, asked: Ask) -> Ask:
    """`asked`, of the one cell that "MODEL[@BACKEND[/PRECISION]][,OPTION=VALUE]..." names; UsageError says how it is written."""
    name, *given = text.split(",")
    model, at, where = name.rpartition("@")
    if not at or where.endswith(".toml"):  # a folder's name may have an @, too
        model, at, where = name, "", ""
    backend, slash, precision = where.partition("/")
    if not model or bool(at) != bool(backend) or bool(slash) != bool(precision):
        raise UsageError(f"{text!r} names no cell; write MODEL@BACKEND/PRECISION, e.g. tinybert-sst2@onnxruntime/int8")
    options = dict(_option(text, one) for one in given)
    scenario = options.pop("scenario", asked.scenarios[0])
    scenarios.get(scenario)
    return replace(
        asked, models=(model,), backends=(backend,) if backend else (), precisions=(precision,) if precision else (), scenarios=(scenario,),
        threads=(options.pop("threads", asked.threads[0]),), lengths=(options.pop("length"),) if "length" in options else (),
        options={**asked.options, **options},
    )


def only(asked: Ask, *, folder: Path | None = None, offline: bool = True) -> Plan:
    """The plan of one cell and nothing else. UsageError where the ask is for several, UnsupportedError where it cannot be measured here."""
    found = plan(asked, folder=folder, offline=offline)
    if len(found.cells) > 1:
        known = ", ".join(f"{spec.model}@{spec.backend}/{spec.precision}" for spec in found.cells)
        raise UsageError(f"{', '.join(asked.models)} is {len(found.cells)} cells here; name one of them: {known}")
    if not found.cells:
        raise UnsupportedError("; ".join(reason for row in found.rows for reason in row.reasons))
    return replace(found, rows=[])


def alternating(a: Plan, b: Plan, pairs: int) -> Plan:
    """Both plans' one cell, in so many processes each, which take turns."""
    cells = [msgspec.structs.replace(one.cells[0], processes=pairs, max_processes=pairs) for one in (a, b)]
    return Plan(cells, [], {**a.models, **b.models}, a.seed, alternate=True)


def _option(text: str, given: str) -> tuple[str, Any]:
    name, _, value = given.partition("=")
    if name not in OPTIONS:
        raise UsageError(f"{text!r}: there is no option {name!r}; there are {', '.join(OPTIONS)}.{did_you_mean(name, OPTIONS)}")
    if name not in NUMBERS:
        return name, value
    if not (value.isascii() and value.isdigit() and int(value) > 0):
        raise UsageError(f"{text!r}: {name} is {value!r}; expected a number from 1 on")
    return name, int(value)
