"""Lines of training logs -> a grid of a recipe's variants: what each lacks, and what that cost beside the whole.

Variants of one recipe share teacher, data and steps, so that what differs is what is named. Of several seeds the mean is told, with the range.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from edgebench.study.description import Table
from edgebench.study.evidence import WHOLE, Evidence, Score
from edgebench.study.grid import Column, Entry, Grid, Line, absent
from edgebench.study.tables import accuracy, difference, encoder, millions, p_text, parameters
from edgebench.units import percent_text, points_text

COLUMNS = (
    Column("recipe", right=False), Column("variant", right=False), Column("seeds"), Column("accuracy", always=True), Column("against the whole"),
    Column("against its teacher"), Column("same answers"), Column("parameters"), Column("in the encoder"), Column("steps"), Column("minutes"),
)
UNKNOWN = "the training log does not say"


def variants(table: Table, evidence: Evidence) -> Grid:
    """Of kind "ablation": the whole first, then each variant; a recipe that no log tells of is one line that says so."""
    found = []
    for recipe in table.recipes:
        by = evidence.lines(evidence.study.model(recipe).run or recipe)
        if not by:
            found.append(_unlogged(recipe, evidence))
        whole = by.get(WHOLE, [])
        for variant in sorted(by, key=lambda one: one != WHOLE):
            found.append(_line(recipe, variant, by[variant], whole, evidence))
    return Grid(COLUMNS, found)


def _unlogged(recipe: str, evidence: Evidence) -> Line:
    """What is known of a model without its log."""
    about, score = evidence.study.model(recipe).about, evidence.score(recipe, "fp32")
    entries = {one.name: absent(evidence.gap(recipe) if isinstance(score, str) else "no training log of it is at hand") for one in COLUMNS}
    entries |= {"recipe": Entry(about), "variant": Entry(WHOLE), "accuracy": accuracy(score)}
    entries |= {"parameters": parameters(recipe, evidence), "in the encoder": encoder(recipe, evidence)}
    return Line(about, entries, recipe, "fp32", score if isinstance(score, Score) else None)


def _line(recipe: str, variant: str, seeds: Sequence[dict[str, Any]], whole: Sequence[dict[str, Any]], evidence: Evidence) -> Line:
    scores = [score for one in seeds if (score := evidence.trained(one))]
    first = scores[0] if scores else None
    entries = {
        "recipe": Entry(evidence.study.model(recipe).about), "variant": Entry(variant), "seeds": Entry(str(len(seeds)), len(seeds)),
        "accuracy": _mean(scores), "against the whole": Entry("is the whole") if variant == WHOLE else _against(seeds, whole, evidence),
        "against its teacher": _teacher(seeds), "same answers": _same(seeds), "parameters": _count(seeds, "parameters"),
        "in the encoder": _count(seeds, "encoder_parameters"), "steps": _number(seeds, "steps"), "minutes": _number(seeds, "minutes"),
    }
    return Line(f"{evidence.study.model(recipe).about}: {variant}", entries, recipe, "fp32", first if len(scores) == 1 else _pooled(scores))


def _mean(scores: Sequence[Score]) -> Entry:
    if not scores:
        return absent(UNKNOWN)
    if len(scores) == 1:
        return accuracy(scores[0])
    values = [one.value for one in scores]
    return Entry(f"{percent_text(fmean(values))} ({percent_text(min(values))} to {percent_text(max(values))})", fmean(values), scores[0].note)


def _pooled(scores: Sequence[Score]) -> Score | None:
    """For the figure: the mean, and from the least to the most of the seeds."""
    if not scores:
        return None
    values = [one.value for one in scores]
    return Score(scores[0].metric, fmean(values), min(values), max(values), scores[0].n, scores[0].dataset)


def _against(seeds: Sequence[dict[str, Any]], whole: Sequence[dict[str, Any]], evidence: Evidence) -> Entry:
    """Of one seed McNemar's p; of several the mean of the differences of the same seed, and their range."""
    base = {one.get("seed"): evidence.trained(one) for one in whole}
    pairs = [(base[one.get("seed")], evidence.trained(one)) for one in seeds if base.get(one.get("seed"))]
    told = [difference(before or UNKNOWN, after or UNKNOWN) for before, after in pairs]
    values = [one.value for one in told if one.value is not None]
    if not values:
        return absent("no seed was trained both ways")
    if len(values) == 1:
        return told[0]
    ends = [points_text(one, signed=True).removesuffix(" points") for one in (min(values), max(values))]
    return Entry(f"{points_text(fmean(values), signed=True)} ({ends[0]} to {ends[1]})", fmean(values))


def _teacher(seeds: Sequence[dict[str, Any]]) -> Entry:
    """What the log itself says: every line holds its teacher's answers on the same examples."""
    told = [one for one in seeds if isinstance(one.get("teacher"), dict) and one.get("n") and one["teacher"].get("correct") is not None]
    if not told:
        return absent("it has no teacher, or its log does not say")
    gained = [(one["correct"] - one["teacher"]["correct"]) / one["n"] for one in told]
    p = told[0]["teacher"].get("p", told[0].get("p")) if len(told) == 1 else None
    return Entry(points_text(fmean(gained), signed=True) + (f", p {p_text(p)}" if isinstance(p, float | int) else ""), fmean(gained))


def _same(seeds: Sequence[dict[str, Any]]) -> Entry:
    """The share of the teacher's answers that it gives, the mean over the seeds."""
    shares = []
    for one in seeds:
        theirs = one["teacher"].get("answers") if isinstance(one.get("teacher"), dict) else None
        if theirs and one.get("answers") and len(theirs) == len(one["answers"]):
            shares.append(sum(mine == other for mine, other in zip(one["answers"], theirs, strict=True)) / len(theirs))
    return Entry(percent_text(fmean(shares)), fmean(shares)) if shares else absent(UNKNOWN)


def _count(seeds: Sequence[dict[str, Any]], key: str) -> Entry:
    found = seeds[0].get(key)
    return Entry(millions(found), found) if isinstance(found, int) else absent(UNKNOWN)


def _number(seeds: Sequence[dict[str, Any]], key: str) -> Entry:
    found = [one[key] for one in seeds if isinstance(one.get(key), int | float)]
    return Entry(f"{fmean(found):,.0f}", fmean(found)) if found else absent(UNKNOWN)


def drawings(table: Table, evidence: Evidence) -> list[str]:
    """What a search found, in words: of each recipe's whole."""
    said = []
    for recipe in table.recipes:
        for one in evidence.lines(evidence.study.model(recipe).run or recipe).get(WHOLE, [])[:1]:
            found = one.get("found")
            if isinstance(found, dict):
                cost = found.get("cost")
                share = f", {percent_text(cost)} of the dearest net in its space" if isinstance(cost, float) else ""
                said.append(f"{evidence.study.model(recipe).about}: {found.get('depth')} cells of {_edges(found.get('edges'))}{share}.")
    return said


def _edges(edges: Any) -> str:
    """Edges as the log has them: dictionaries of operation, source and target, or texts."""
    if not isinstance(edges, list):
        return "edges that its log does not say"
    return ", ".join(f"{one.get('operation')} {one.get('source')} to {one.get('target')}" if isinstance(one, dict) else str(one) for one in edges)
