"""Ways to run a model, what each was predicted to take and what it took -> a table: how good the predictions are that a choice was made by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgebench.bench.adaptive import Cost, Way
from edgebench.record import Record
from edgebench.reports.base import ABSENT, interval
from edgebench.units import duration_text, percent_text


@dataclass(frozen=True)
class Line:
    """ns of a way: as its cost says (None of a cost that was fitted to this way alone), as it was measured among the few, and its record, if it was
    measured again."""

    way: Way
    predicted: float | None
    measured: float | None
    again: Record | None = None

    @property
    def off(self) -> float | None:
        """By what share the prediction was wrong, beside the last measurement."""
        last = self.last
        return self.predicted / last - 1 if self.predicted is not None and last is not None else None

    @property
    def last(self) -> float | None:
        found = interval(self.again) if self.again else None
        return found.value if found else self.measured


HEAD = ("", "predicted", "measured", "again", "off by", "card's accuracy", "accuracy here")


def table(lines: Sequence[Line], taken: Way | None = None) -> str:
    """A line for each way, `taken` marked."""
    rows = [HEAD, *(_row(one) for one in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    marks = [" ", *(">" if one.way == taken else " " for one in lines)]
    return "\n".join(
        f"{mark} {row[0]:{widths[0]}}  {'  '.join(f'{text:>{width}}' for text, width in zip(row[1:], widths[1:], strict=True))}".rstrip()
        for mark, row in zip(marks, rows, strict=True)
    )


def _row(line: Line) -> tuple[str, ...]:
    again = interval(line.again) if line.again else None
    here = line.again.accuracy if line.again else None
    times = (duration_text(one) if one is not None else ABSENT for one in (line.predicted, line.measured, again.value if again else None))
    said = line.way.accuracy
    return (
        line.way.name, *times, percent_text(line.off, signed=True) if line.off is not None else ABSENT,
        percent_text(said) if said is not None else ABSENT, percent_text(here.value) if here else ABSENT,
    )


def notes(lines: Sequence[Line], known: Mapping[Way, Cost], whole: Way) -> list[str]:
    """The costs that were fitted, each once; what accuracy here was measured on; and whether the device itself changed between the two measurements."""
    said: dict[str, None] = {}
    for one in lines:
        cost = known[one.way]
        if cost.n > 1:
            family = f"{one.way.card.name} {one.way.spec.precision} in {one.way.spec.backend}"
            terms = f"{duration_text(cost.fixed)} + {duration_text(cost.by_depth)} x depth + {duration_text(cost.by_work)} x width x depth"
            said[f"cost of {family}: {terms}; fitted to {cost.n} measured ways, off by at most {percent_text(cost.error)} there"] = None
    sets = {f"{found.dataset}, n = {found.n}" for one in lines if one.again and (found := one.again.accuracy)}
    said |= {f"accuracy here: on {one}; the card's: on {_cards(whole)}": None for one in sorted(sets)}
    return [*said, *(filter(None, [_drift(lines, whole)]))]


def _cards(way: Way) -> str:
    found = (way.point or way.variant).accuracy
    return f"{found.dataset}, n = {found.n}" if found else "nothing"


def _drift(lines: Sequence[Line], whole: Way) -> str:
    """The whole net is measured both times: by how much it moved is no fault of a prediction."""
    base = next((one for one in lines if one.way == whole), None)
    if base is None or base.measured is None or base.again is None or base.last is None:
        return ""
    moved = base.last / base.measured
    away = [
        f"{one.way.name} was off by {percent_text(one.off * moved + moved - 1, signed=True)}"
        for one in lines if one.again and one.way != whole and one.off is not None
    ]
    return f"between the two measurements {whole.name} itself changed to {moved:.2f} of its time; with that counted in, {'; '.join(away)}" if away else ""
