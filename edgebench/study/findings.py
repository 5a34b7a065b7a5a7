"""What is told -> a few plain sentences, every number in them out of the same records as the tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgebench.change import Change
from edgebench.reports.pairs import SIGNIFICANT
from edgebench.study import acceleration, adaptive, sensitivities, speeds
from edgebench.study.description import Table
from edgebench.study.evidence import ENGINES, WHOLE, Evidence, paired
from edgebench.study.grid import ABSENT, Grid, Line
from edgebench.units import bytes_text, duration_text, percent_text, points_text, three_digits


def of(table: Table, grid: Grid, evidence: Evidence) -> list[str]:
    """The sentences of one table, none where too little was measured to say anything."""
    by_themselves = {"speeds": speeds.findings, "adaptive": adaptive.findings, "accelerators": acceleration.findings}
    if table.kind in by_themselves:
        return list(by_themselves[table.kind](grid))
    told = {"models": _models, "ablation": _ablation, "engines": _engines, "claims": _claims, "cures": _cures}
    return list(told[table.kind](table, grid, evidence)) if table.kind in told else list(_sensitive(sensitivities.of(table, evidence)))


def _models(table: Table, grid: Grid, evidence: Evidence) -> Iterator[str]:
    if table.figure == "none":
        return
    yield from _quantised(grid)
    yield from _smallest(table, grid)


def _quantised(grid: Grid) -> Iterator[str]:
    """int8 beside fp32 of the same model, over all models that have both."""
    by = {(line.model, line.precision): line for line in grid.lines}
    lost, sizes, speeds = [], [], []
    for (name, precision), line in by.items():
        whole = by.get((name, "fp32"))
        if precision != "int8" or not whole:
            continue
        if line.score and whole.score:
            lost.append(whole.score.value - line.score.value)
        if (size := line.entries["size"].value) and (before := whole.entries["size"].value):
            sizes.append(size / before)
        if (time := _fastest(line)) and (slow := _fastest(whole)):
            speeds.append(slow[0] / time[0])
    if lost and sizes:
        speed = f", and {_range(speeds)} times as fast in the best engine of each" if speeds else ""
        yield f"Quantised to int8, {_count(len(lost), 'model')} changed by {_points(lost)} points of accuracy, at {_range(sizes)} of the size{speed}."


def _smallest(table: Table, grid: Grid) -> Iterator[str]:
    """What is smallest without a loss that a test sees."""
    teacher = next((line for line in grid.lines if line.model == table.teacher and line.precision == "fp32"), None)
    whole = teacher.score if teacher else None
    if not whole:
        return
    kept = []
    for line in grid.lines:
        found = paired(whole, line.score) if line.score and line is not teacher else None
        if found and (found.p >= SIGNIFICANT or found.only_b >= found.only_a) and line.entries["size"].value:
            kept.append(line)
    if kept:
        best = min(kept, key=lambda line: line.entries["size"].value or 0)
        assert best.score
        yield (
            f"The smallest that McNemar's test does not find worse than {teacher.label if teacher else ''} ({percent_text(whole.value)}) is {best.label} "
            f"in {best.precision}: {bytes_text(best.entries['size'].value or 0)}, {percent_text(best.score.value)}."
        )


def _ablation(table: Table, grid: Grid, evidence: Evidence) -> Iterator[str]:
    """Of each recipe: beside its teacher, and which technique, left out, costs most."""
    for recipe in table.recipes:
        lines = [line for line in grid.lines if line.model == recipe]
        about = evidence.study.model(recipe).about
        whole = next((line for line in lines if line.entries["variant"].text == WHOLE), None)
        if whole and whole.score and whole.entries["against its teacher"].value is not None:
            yield f"{about} reached {percent_text(whole.score.value)} (n = {whole.score.n:,}), {whole.entries['against its teacher'].text} beside its teacher."
        changes = sorted((value, line.entries["variant"].text) for line in lines if (value := line.entries["against the whole"].value) is not None)
        if changes:
            (worst, name), (least, other) = changes[0], changes[-1]
            rest = f"; {other} least, by {points_text(least, signed=True)}" if other != name else ""
            yield f"Of {about}, {name} changes accuracy most, by {points_text(worst, signed=True)}{rest}."


def _engines(table: Table, grid: Grid, evidence: Evidence) -> Iterator[str]:
    best = [line for line in grid.lines if line.wins]
    if best:
        said = [f"{line.entries['engine'].text} at {line.precision} ({duration_text(line.entries['median'].value or 0)})" for line in best]
        yield f"Of the engines, with the same weights, the fastest valid one is {_and(said)}."
        quick = min(best, key=lambda line: line.entries["median"].value or 0)
    if len(best) > 1:
        yield f"Fastest of all is {quick.precision} in {quick.entries['engine'].text}: {duration_text(quick.entries['median'].value or 0)} a sentence."
    timed = [line for line in grid.lines if line.entries["median"].value and line.entries["verdict"].text == "noisy"]
    if timed and not best:
        least = min(timed, key=lambda line: line.entries["median"].value or 0)
        yield (
            f"No cell was measured steadily enough to be called the fastest ({_count(len(timed), 'noisy cell')}); the lowest median is that of "
            f"{least.entries['engine'].text} at {least.precision}, {least.entries['median'].text}."
        )
    refused = sum(line.entries["verdict"].text == "invalid" for line in grid.lines)
    if refused:
        yield f"{_count(refused, 'cell')} answered too differently from the reference to count, however fast."


def _claims(table: Table, grid: Grid, evidence: Evidence) -> Iterator[str]:
    judged = [line for line in grid.lines if line.entries["is that so here"].text != ABSENT]
    if not judged:
        return
    held = [line for line in judged if not line.entries["is that so here"].text.startswith("no")]
    yield f"Of {_count(len(grid.lines), 'claim')} of the papers {len(judged)} could be checked here, of which {len(held)} hold{'s' if len(held) == 1 else ''}."
    for line in judged:
        if line not in held:
            yield f"Not so here: {line.entries['paper'].text}, {line.entries['says'].text} (ours: {line.entries['ours'].text})."


def _cures(table: Table, grid: Grid, evidence: Evidence) -> Iterator[str]:
    for line in grid.lines:
        lost, back = line.entries["lost"], line.entries["brought back"]
        if lost.value is not None and back.value is not None:
            yield f"{line.label[0].upper()}{line.label[1:]} cost {lost.text}; {line.entries['cure'].text} brought {back.text}."


def _sensitive(changes: Sequence[Change]) -> Iterator[str]:
    """At which width the weights begin to matter, which part most, and which layer can least be spared."""
    losses = [sensitivities.loss(one) for one in changes]
    alone = [one for one in losses if one.change.kind == "bits" and not one.change.part.startswith(sensitivities.ALL)]
    every = {int(one.change.amount): one for one in losses if one.change.kind == "bits" and one.change.part == sensitivities.ALL}
    safe = [bits for bits, one in every.items() if not (one.is_sure and one.value < 0)]
    hurt = [bits for bits, one in every.items() if one.is_sure and one.value < 0]
    if safe and hurt:
        yield (
            f"With every weight rounded, {min(safe)} bits cost nothing that n = {changes[0].n:,} shows and {max(hurt)} bits cost "
            f"{points_text(-every[max(hurt)].value)}."
        )
    if alone:
        worst = min(alone, key=lambda one: one.value)
        yield f"The part that suffers most alone is {worst.change.part} at {worst.change.amount:g} bits: {points_text(worst.value, signed=True)}."
    layers = [one for one in losses if one.change.kind == "layer"]
    if layers:
        worst, least = min(layers, key=lambda one: one.value), max(layers, key=lambda one: one.value)
        yield (
            f"Left out whole, {worst.change.part} costs most ({points_text(worst.value, signed=True)}) and {least.change.part} least "
            f"({points_text(least.value, signed=True)}), with nothing trained after."
        )


def _fastest(line: Line) -> tuple[float, str] | None:
    """The time of the line's fastest engine."""
    times = [(value, engine) for engine in ENGINES if (value := line.entries[engine].value)]
    return min(times) if times else None


def _points(values: Sequence[float]) -> str:
    """Of losses, the range of the changes."""
    low, high = -max(values), -min(values)
    texts = [points_text(one, signed=True).removesuffix(" points") for one in (low, high)]
    return texts[0] if texts[0] == texts[1] else f"{texts[0]} to {texts[1]}"


def _range(values: Sequence[float]) -> str:
    low, high = three_digits(min(values)), three_digits(max(values))
    return low if low == high else f"{low} to {high}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"


def _and(texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


