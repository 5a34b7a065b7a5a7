"""A plan and the records of a sweep that was cut off -> the plan of what is missing, and the records that stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from edgebench.bench.plan import Model, Plan
from edgebench.record import Record, Spec

SAME_MACHINE = ("machine", "cpu", "cores", "usable_cores", "board", "memory_bytes")


def missing(plan: Plan, records: Sequence[Record], host: dict[str, Any] | None) -> tuple[Plan, list[Record]]:
    """What of `plan` no record covers, and the records that cover the rest; of a cell's records the last counts.

    It counts where it is of the same spec, of the file that the card names now, of this machine (of any, where `host` is
    None), and complete. What failed is measured again.
    """
    mine = [one for one in records if host is None or machine(one.host) == machine(host)]
    found: dict[Spec, Record] = {}
    for one in mine:
        if one.spec in plan.cells and _is_complete(one, plan.models[one.spec.model]):
            found[one.spec] = one
    said = {(one.spec, *one.reasons): one for one in mine if one.verdict == "unsupported"}
    rows = [row for row in plan.rows if (row.spec, *row.reasons) not in said]
    old_rows = [said[row.spec, *row.reasons] for row in plan.rows if (row.spec, *row.reasons) in said]
    return replace(plan, cells=[spec for spec in plan.cells if spec not in found], rows=rows), [*found.values(), *old_rows]


def machine(host: dict[str, Any]) -> str:
    """What tells one machine from another, as one text."""
    return "; ".join(f"{name} {host.get(name)}" for name in SAME_MACHINE)


def _is_complete(record: Record, model: Model) -> bool:
    variant = model.card.variant(record.spec.format, record.spec.precision)
    timed = "latency" in record.spec.passes or "cold" in record.spec.passes
    # every timing process begins with a cold start; of an emulated one only the states before and after it are kept
    timings = record.host.get("before", []) if record.host.get("emulated") else record.cold
    return record.outcome == "ok" and record.artifact.get("sha256") == variant.sha256 and (not timed or len(timings) >= record.spec.processes)
