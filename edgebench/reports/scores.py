"""Records -> a Markdown table of tasks, models, engines and scores, and no times: what each file answers right, and on what.

    edgebench report docs/measured/tasks.jsonl --format scores
"""

from __future__ import annotations

from collections.abc import Sequence

from edgebench.record import Accuracy, Record
from edgebench.reports.base import ABSENT, device, model, short_name
from edgebench.reports.markdown import row, safe
from edgebench.units import bytes_text, percent_text

HEAD = ("task", "model", "labelled set", "engine", "precision", "score", "95 % interval", "equal answers", "size")
RULE = ("---", "---", "---", "---", "---", "---", "---:", "---:", "---:")


def render(records: Sequence[Record]) -> str:
    """A row for each record that was judged, by task, model and engine; below it where and when, what the words mean, and what is odd about a set."""
    judged = sorted((one for one in records if one.accuracy), key=lambda one: (_task(one), model(one), one.spec.backend, one.spec.precision))
    if not judged:
        return "nothing was judged\n"
    lines = [row(list(HEAD)), row(list(RULE)), *(row([safe(text) for text in _texts(one, one.accuracy)]) for one in judged if one.accuracy)]
    return "\n".join(lines) + f"\n\n{safe(_notes(judged))}\n{_sets(judged)}"


def _texts(record: Record, found: Accuracy) -> list[str]:
    scores = [(found.metric, found.value), *found.more.items()]
    return [
        _task(record), model(record), f"{found.dataset}, n = {found.n:,}", record.spec.backend, record.spec.precision,
        ", ".join(f"{short_name(name)} {percent_text(value)}" for name, value in scores), f"{100 * found.low:.1f} to {100 * found.high:.1f}",
        percent_text(record.parity.agreement) if record.parity else ABSENT,
        bytes_text(record.artifact["size_bytes"]) if record.artifact.get("size_bytes") else ABSENT,
    ]


def _task(record: Record) -> str:
    return str(record.artifact.get("task", ABSENT)).replace("-", " ")


def _notes(records: Sequence[Record]) -> str:
    """One paragraph: where and when, how the intervals were had, what equal answers are equal to."""
    where = ", ".join(sorted({device(one) for one in records if one.host}))
    days = sorted({one.started_at[:10] for one in records if one.started_at})
    hows: dict[str, list[str]] = {}
    for one in records:
        if one.accuracy and (name := short_name(one.accuracy.metric)) not in hows.setdefault(one.accuracy.interval, []):
            hows[one.accuracy.interval].append(name)
    intervals = "; ".join(f"{', '.join(names)}: {how}" for how, names in hows.items())
    measured = " to ".join(dict.fromkeys((days[0], days[-1]))) if days else ""
    told = ", ".join(text for text in (where, measured) if text)
    return (
        f"{f'Measured on {told}. ' if told else ''}The interval is of the first score ({intervals}). Equal answers: the share of examples that the model's "
        "reference file answers alike. Sizes are of the model's files."
    )


def _sets(records: Sequence[Record]) -> str:
    """What is odd about a labelled set, as the records' own notes say it: an item for each."""
    said = dict.fromkeys(note for one in records for note in one.notes if one.accuracy and note.startswith(f"{one.accuracy.dataset}: "))
    return "\n" + "".join(f"- {safe(one)}\n" for one in said) if said else ""
