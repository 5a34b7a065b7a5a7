"""Comparisons of cells -> text for a terminal, Markdown, or JSON: four columns for each pair, then what to know about them."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Sequence
from typing import Any

from edgebench.record import Record
from edgebench.reports import pairs
from edgebench.reports.base import ABSENT
from edgebench.reports.markdown import row, safe
from edgebench.reports.pairs import Comparison, Matched
from edgebench.units import bytes_text, duration_text, factor_text, percent_text, plain, points_text

MANY = 5  # comparisons: then some differ by chance
HEAD = ("", "A", "B", "B against A")


def render(found: Sequence[Comparison], matched: Matched, *, paired: bool, width: int = 120) -> str:
    """For a terminal, in at most `width` columns."""
    lines: list[str] = []
    for one in found:
        lines += [*map(plain, _names(one)), *_grid([HEAD, *rows(one)], width), ""]
    for note in notes(found, matched, paired=paired):
        lines += textwrap.wrap(plain(note), width, subsequent_indent="  ", break_on_hyphens=False)
    return "".join(f"{line.rstrip()}\n" for line in lines)


def markdown(found: Sequence[Comparison], matched: Matched, *, paired: bool) -> str:
    """GitHub-flavoured Markdown, a table for each pair."""
    lines: list[str] = []
    for one in found:
        lines += ["  \n".join(f"**{safe(name)}**" for name in _names(one)), ""]
        lines += [row(list(HEAD)), row(["---", "---:", "---:", "---"]), *(row([safe(text) for text in texts]) for texts in rows(one)), ""]
    return "\n".join(lines) + "\n" + "".join(f"- {safe(note)}\n" for note in notes(found, matched, paired=paired))


def to_json(found: Sequence[Comparison], matched: Matched, *, paired: bool) -> str:
    """One document, in base units."""
    pairs_of = [_document(one) for one in found]
    only = {side: [one.spec.name for one in records] for side, records in (("only_a", matched.only_a), ("only_b", matched.only_b))}
    return json.dumps({"paired": paired, "pairs": pairs_of, **only}, ensure_ascii=False) + "\n"


def rows(found: Comparison) -> list[tuple[str, str, str, str]]:
    """What is compared, A's value, B's value, and how B stands to A; nothing of what neither side measured."""
    a, b = found.a, found.b
    times = [duration_text(one) if (one := pairs.time_ns(record)) is not None else ABSENT for record in (a, b)]
    peaks = [bytes_text(record.memory.peak_bytes) if record.memory else ABSENT for record in (a, b)]
    sizes = [bytes_text(record.artifact["size_bytes"]) if record.artifact.get("size_bytes") else ABSENT for record in (a, b)]
    right = [percent_text(record.accuracy.value) if record.accuracy else ABSENT for record in (a, b)]
    said = [
        (_what(b if pairs.series(b) else a), *times, _time_words(found)),
        ("peak memory", *peaks, _memory_words(found)),
        ("size", *sizes, _change(found.size)),
        (b.accuracy.metric if b.accuracy else "accuracy", *right, _accuracy_words(found)),
        ("verdict", a.verdict, b.verdict, _verdict_words(found)),
    ]
    return [(label, first, second, words) for label, first, second, words in said if (first, second) != (ABSENT, ABSENT)]


def notes(found: Sequence[Comparison], matched: Matched, *, paired: bool) -> list[str]:
    """A summary of many, how the numbers came about, what differed around the two, and the cells that only one side has."""
    lines = []
    words = Counter(one.verdict or "not compared" for one in found)
    if len(found) > 1:
        lines.append(f"{len(found)} cells: {', '.join(f'{count} {word}' for word, count in words.most_common())}")
    if len(found) >= MANY:
        lines.append("of cells that are alike about one in twenty is called different by chance: the intervals are of 95 %")
    methods = dict.fromkeys(f"{one.times.method} (n = {one.times.n})" for one in found if one.times)
    lines += [f"time: 95 % interval by {method}{', A and B in turn' if paired else ''}" for method in methods]
    days = [_days(records) for records in zip(*((one.a, one.b) for one in found), strict=True)]
    if not paired and days:
        lines.append(f"A and B were measured apart, A {days[0]}, B {days[1]}: the interval does not cover what changed between")
    if any(one.answers for one in found):
        lines.append("accuracy: McNemar's exact test on the examples that only one side got right")
    lines += _differing(found)
    lines += [f"only {side} has {one.spec.name} ({one.verdict})" for side, records in (("A", matched.only_a), ("B", matched.only_b)) for one in records]
    return lines


def _differing(found: Sequence[Comparison]) -> list[str]:
    """Each fact once, with the values of the first pair in which it differs."""
    facts: dict[str, list[str]] = {}
    for pair in found:
        for one in pair.differences:
            facts.setdefault(one.name, []).append(str(one))
    lines = []
    for said in facts.values():
        everywhere = (len(said), len(set(said))) == (len(found), 1)
        lines.append(f"differs: {said[0]}{'' if everywhere else f' (in {len(said)} of {len(found)} cells, of which this is the first)'}")
    return lines


def _names(found: Comparison) -> list[str]:
    a, b = found.a.spec.name, found.b.spec.name
    return [a] if a == b else [f"A: {a}", f"B: {b}"]


def _what(record: Record) -> str:
    """What `pairs.series` is of."""
    if record.throughput:
        return "time for an input"
    return "median" if record.latency else "first answer"


def _time_words(found: Comparison) -> str:
    times = found.times
    if times is None:
        return "not compared"
    factor = f"{factor_text(times.value)} times as long"
    if times.low is None or times.high is None or found.seen_from is None:
        return f"{factor}: undecided, for {times.method} gives no interval; measure more processes"
    said = f"{factor} ({factor_text(times.low)} to {factor_text(times.high)}): {found.verdict}"
    if found.verdict == "no detectable difference":
        return f"{said}; one of {percent_text(found.seen_from)} or more would have been seen"
    return f"{said}; of two calls drawn at random B's is the slower in {percent_text(found.effect or 0)}"


def _memory_words(found: Comparison) -> str:
    if found.peak is None:
        return "not compared"
    said = _change(found.peak)
    return f"{said}: higher" if found.peak > 1 + pairs.MEMORY else f"{said}: lower" if found.peak < 1 - pairs.MEMORY else f"{said}: about the same"


def _accuracy_words(found: Comparison) -> str:
    if found.accuracy is None:
        return "not compared"
    said = points_text(found.accuracy, signed=True)
    if found.answers is None:
        return f"{said}; not tested: the records do not hold what is right of the same examples"
    if found.answers.only_a == found.answers.only_b == 0:
        return f"{said}: both are right about the same examples"
    split = f"only A is right on {found.answers.only_a}, only B on {found.answers.only_b}, p = {found.answers.p:.2g}"
    if found.answers.p >= pairs.SIGNIFICANT:
        return f"{said}: no detectable difference ({split})"
    return f"{said}: {'higher' if found.answers.only_b > found.answers.only_a else 'lower'} ({split})"


def _verdict_words(found: Comparison) -> str:
    """What a side that is not valid is good for."""
    sides = (("A", found.a), ("B", found.b))
    noisy = [side for side, one in sides if one.verdict == "noisy"]
    said = [f"the time of {' and '.join(noisy)} is noisy, which the ratio's interval takes in"] if noisy else []
    said += [f"{side}: {'; '.join(one.reasons)}" for side, one in sides if one.verdict not in ("valid", "noisy")]
    return " | ".join(said)


def _change(factor: float | None) -> str:
    if factor is None:
        return "not compared"
    return percent_text(factor - 1, signed=True)


def _days(records: Sequence[Record]) -> str:
    days = sorted({one.started_at[:16].replace("T", " ") for one in records if one.started_at})
    return f"{days[0]} UTC" if days else "at a time not recorded"


def _grid(table: Sequence[Sequence[str]], width: int) -> list[str]:
    """Columns beside each other, the first and last to the left; the last is wrapped."""
    sizes = [max(len(plain(texts[place])) for texts in table) for place in range(3)]
    indent = 2 + sum(sizes) + 2 * len(sizes)
    lines: list[str] = []
    for first, *numbers, words in table:
        start = "  ".join([f"  {plain(first):<{sizes[0]}}", *(f"{plain(one):>{size}}" for one, size in zip(numbers, sizes[1:], strict=True)), ""])
        lines += textwrap.wrap(plain(words), max(width, indent + 30), initial_indent=start, subsequent_indent=" " * indent, break_on_hyphens=False) or [start]
    return lines


def _document(found: Comparison) -> dict[str, Any]:
    sides = {
        side: {"id": one.id, "cell": one.spec.name, "verdict": one.verdict, "time_ns": pairs.time_ns(one), "peak_bytes": one.memory and one.memory.peak_bytes,
               "size_bytes": one.artifact.get("size_bytes"), "accuracy": one.accuracy and one.accuracy.value}
        for side, one in (("a", found.a), ("b", found.b))
    }
    times, answers = found.times, found.answers
    return {
        **sides,
        "time": times and {"ratio": times.value, "low": times.low, "high": times.high, "n": times.n, "method": times.method, "difference": found.verdict,
                           "b_slower": found.effect, "seen_from": found.seen_from},
        "accuracy": {"difference": found.accuracy, "only_a": answers and answers.only_a, "only_b": answers and answers.only_b, "p": answers and answers.p},
        "peak_ratio": found.peak, "size_ratio": found.size, "worse": pairs.worse(found), "unsure": pairs.unsure(found),
        "differences": [{"name": one.name, "a": one.a, "b": one.b, "means": one.means} for one in found.differences],
    }
