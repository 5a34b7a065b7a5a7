"""Cells of a model at several speeds -> its curve of accuracy against time: the points that no other of it beats, and the area under them.

**The area** is the hypervolume (Zitzler and Thiele, 1998) of time, on a logarithmic scale, and accuracy, with the reference point "`SPARE` times the slowest
cell that is shown, accuracy 0", as a share of the width from the fastest cell that is shown to that time. In words: of all time limits in between, evenly
on the logarithmic scale, the mean of the best accuracy that the model gives within the limit, 0 where none of its points is fast enough. A model of one speed
has an area by the same rule. It is no property of the model alone: it stands for the machine, the inputs and the cells it is shown with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edgebench.record import Record
from edgebench.reports import pairs
from edgebench.reports.base import model
from edgebench.units import percent_text

SPARE = 2.0


@dataclass(frozen=True)
class Curve:
    """`records` are the valid or noisy cells of one model in one engine, precision and number of threads, the fastest first; `front` are those than
    which no other of them is faster and at least as accurate."""

    name: str
    records: list[Record]
    front: list[Record]


def curves(records: Sequence[Record]) -> list[Curve]:
    """Every model with its speeds, also those that have one, in the order in which they come."""
    found: dict[tuple[str, str, str, int, str], list[Record]] = {}
    for record in records:
        spec = record.spec
        if record.verdict in ("valid", "noisy") and record.accuracy and pairs.time_ns(record) is not None:
            found.setdefault((model(record).partition("@")[0], spec.backend, spec.precision, spec.threads, spec.accelerator), []).append(record)
    several = len({key[3] for key in found}) > 1
    return [_curve(f"{key[0]} {key[1]} {key[2]}{f' {key[3]} threads' if several and key[3] > 1 else ''}", cells) for key, cells in found.items()]


def _curve(name: str, cells: Sequence[Record]) -> Curve:
    ordered = sorted(cells, key=lambda one: (_time(one), -_right(one)))
    front: list[Record] = []
    for one in ordered:
        if not front or _right(one) > _right(front[-1]):
            front.append(one)
    return Curve(name, ordered, front)


def area(points: Sequence[tuple[float, float]], fastest_ns: float, slowest_ns: float) -> float:
    """Of (ns, accuracy) points, as the module says it: a share of 1."""
    end, gained, best, at = SPARE * slowest_ns, 0.0, 0.0, fastest_ns
    for ns, right in sorted(points):
        gained += best * math.log(max(ns, at) / at)
        best, at = max(best, right), max(ns, at)
    return (gained + best * math.log(end / at)) / math.log(end / fastest_ns)


def told(records: Sequence[Record]) -> str:
    """The areas in a sentence, the largest first; nothing where no model has several speeds."""
    found = curves(records)
    if not any(len(one.records) > 1 for one in found):
        return ""
    times = [_time(one) for curve in found for one in curve.records]
    areas = {one.name: area([(_time(each), _right(each)) for each in one.front], min(times), max(times)) for one in found}
    said = ", ".join(f"{name} {percent_text(value)}" for name, value in sorted(areas.items(), key=lambda pair: -pair[1]))
    return (
        "A line joins the points of a model of several speeds that no other of its points beats, which are ringed: it is the best accuracy within a time. The "
        f"area under it, the mean of that accuracy over all time limits from the fastest cell here to {SPARE:g} times the slowest, evenly on the logarithmic "
        f"scale and 0 where nothing is fast enough: {said}."
    )


def _time(record: Record) -> float:
    found = pairs.time_ns(record)
    assert found is not None, "curves take cells that have a time"
    return found


def _right(record: Record) -> float:
    assert record.accuracy, "curves take cells that have an accuracy"
    return record.accuracy.value
