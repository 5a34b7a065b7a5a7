"""Lines of sensitivity -> what each part of a net loses alone: rounded to fewer bits, thinned, or left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgebench.bench.stats import mcnemar
from edgebench.change import Change
from edgebench.reports.pairs import SIGNIFICANT
from edgebench.study.description import Table
from edgebench.study.evidence import Evidence
from edgebench.study.grid import Column, Entry, Grid, Line, absent
from edgebench.units import percent_text, points_text

ALL, ALL_BUT = "all", "all but "
MISSING = "not measured here: `edgebench study --train`"


@dataclass(frozen=True)
class Loss:
    """Accuracy with a change minus that of the net as it was, on the same examples, and how likely so uneven a split is by chance."""

    change: Change
    value: float
    p: float

    @property
    def is_sure(self) -> bool:
        return self.p < SIGNIFICANT


def of(table: Table, evidence: Evidence) -> list[Change]:
    """The changes of the table's model, the last line of each."""
    card = evidence.card_name(table.model) if table.model else ""
    return list({one.key: one for one in evidence.changes if one.model == card}.values())


def loss(change: Change) -> Loss:
    """Of one line: it holds what both counts need."""
    return Loss(change, (change.won - change.lost) / change.n, mcnemar(change.lost, change.won))


def rounding(changes: Sequence[Change]) -> Grid:
    """A line for each part, a column for each number of bits: the part alone, and for all parts together."""
    bits = sorted({int(one.amount) for one in changes if one.kind == "bits"}, reverse=True)
    order = list(dict.fromkeys(one.part for one in changes if one.kind == "bits" and not one.part.startswith(ALL_BUT)))
    columns = [Column("rounded", right=False), Column("weights"), *(Column(f"{one} bits") for one in bits)]
    columns += [Column(f"all but it, {one} bits") for one in bits[-1:]]
    found = {(one.part, int(one.amount)): one for one in changes if one.kind == "bits"}
    lines = []
    for part in [*(one for one in order if one != ALL), *(one for one in order if one == ALL)]:
        some = next(one for (name, _), one in found.items() if name == part)
        entries = {"rounded": Entry("everything" if part == ALL else part), "weights": Entry(f"{some.parameters / 1e6:.2f} M", some.parameters)}
        entries |= {f"{one} bits": entry(found.get((part, one))) for one in bits}
        entries |= {f"all but it, {one} bits": entry(found.get((f"{ALL_BUT}{part}", one))) if part != ALL else absent("") for one in bits[-1:]}
        lines.append(Line(part, entries))
    return Grid(columns, lines, "Weights rounded, nothing trained: points of accuracy")


def thinning(changes: Sequence[Change]) -> Grid:
    """A line for each layer, a column for what was taken out of it alone."""
    kept = sorted({one.amount for one in changes if one.kind in ("heads", "neurons")}, reverse=True)
    parts = list(dict.fromkeys(one.part for one in changes if one.kind in ("layer", "heads", "neurons")))
    asked = [("left out", "layer", 0.0), *((f"{percent_text(share)} of {kind}", kind, share) for kind in ("heads", "neurons") for share in kept)]
    found: dict[tuple[str, str, float], Change] = {(one.part, one.kind, one.amount): one for one in changes}
    lines = []
    for part in [*(one for one in parts if one != ALL), *(one for one in parts if one == ALL)]:
        entries = {"of": Entry("every layer" if part == ALL else part)}
        entries |= {name: entry(found.get((part, kind, amount))) for name, kind, amount in asked}
        lines.append(Line(part, entries))
    columns = [Column("of", right=False), *(Column(name) for name, _, _ in asked)]
    return Grid(columns, lines, "Heads, neurons or a layer taken out, nothing trained: points of accuracy")


def entry(change: Change | None) -> Entry:
    """Points, with a star where chance alone would seldom give so uneven a split."""
    if change is None:
        return absent(MISSING)
    found = loss(change)
    return Entry(f"{points_text(found.value, signed=True).removesuffix(' points')}{' *' if found.is_sure else ''}", found.value)


def about(changes: Sequence[Change]) -> str:
    """What was answered, how well, and how to read it."""
    whole = next((one for one in changes if one.kind == "none"), None)
    if whole is None:
        return ""
    return (
        f"{whole.model} on {whole.rows} of {whole.dataset} (n = {whole.n:,}), in PyTorch: {percent_text(whole.right / whole.n)} as it was. Each number is "
        f"the change in points with that one thing done and all else as it was; * where McNemar's exact test gives p < {SIGNIFICANT:g} (each by itself: "
        "of twenty without an effect one would have it)."
    )
