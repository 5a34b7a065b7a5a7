"""Labelled spans of a text, and the two ways they are written down: one line of text, and a tag for each word.

    write([Span(0, 9, "person")])                 # "0:9:person", how references and predictions are compared and recorded
    from_tags(["@paulwalk", "is"], ["B-person", "O"])   # ("@paulwalk is", [Span(0, 9, "person")])

Tags are BIO: B-x begins a span of kind x, I-x goes on with it, O is outside. An I-x that goes on with nothing begins a span, as
in conlleval.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

OUTSIDE = "O"


@dataclass(frozen=True, slots=True)
class Span:
    """Characters start..end (end excluded) of a text, and what they are."""

    start: int
    end: int
    label: str


def write(spans: Iterable[Span]) -> str:
    """`0:9:person 14:20:location`; nothing for no span."""
    return " ".join(f"{one.start}:{one.end}:{one.label}" for one in spans)


def read(written: str) -> list[Span]:
    """What `write` wrote; ValueError for anything else."""
    spans = []
    for word in written.split():
        start, end, label = word.split(":", 2)
        spans.append(Span(int(start), int(end), label))
    return spans


def from_tags(words: Sequence[str], tags: Sequence[str]) -> tuple[str, list[Span]]:
    """The words with a blank between each two, and the spans that their tags make."""
    places, at = [], 0
    for word in words:
        places.append((at, at + len(word)))
        at += len(word) + 1
    return " ".join(words), joined(places, tags)


def joined(places: Sequence[tuple[int, int]], tags: Sequence[str]) -> list[Span]:
    """The spans that tagged words at these places make."""
    return [Span(places[first][0], places[last][1], label) for first, last, label in runs(tags)]


def runs(tags: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """The first word, the last word and the kind of each span in `tags`."""
    first, label = 0, ""
    for place, tag in enumerate([*tags, OUTSIDE]):
        goes_on = label and tag == f"I-{label}"
        if goes_on:
            continue
        if label:
            yield first, place - 1, label
        first, label = place, "" if tag == OUTSIDE else tag[2:]


def tags_of(places: Sequence[tuple[int, int]], spans: Sequence[Span]) -> list[str]:
    """A tag for each word at these places: of the span that it begins in, B- for the first word there."""
    tags, begun = [], set()
    for start, end in places:
        within = next((number for number, span in enumerate(spans) if span.start < end and start < span.end), None)
        if within is None:
            tags.append(OUTSIDE)
        else:
            tags.append(f"{'I' if within in begun else 'B'}-{spans[within].label}")
            begun.add(within)
    return tags


def read_tagged(path: Path, word: int, tag: int) -> Iterator[tuple[str, str]]:
    """Each sentence of a file with a word a line and an empty line after each sentence, as a text and its spans, written.

    `word` and `tag` are the numbers of their columns, from 0. Document marks are left out. ValueError names a line without them.
    """
    words: list[str] = []
    tags: list[str] = []
    with path.open(encoding="utf-8", newline="\n") as file:
        for number, line in enumerate([*file, "\n"], start=1):
            columns = line.rstrip("\r\n").split("\t" if "\t" in line else " ")
            if line.strip():
                if max(word, tag) >= len(columns):
                    raise ValueError(f"line {number} has {len(columns)} columns, expected more than {max(word, tag)}")
                words.append(columns[word].strip())
                tags.append(columns[tag].strip())
            elif words:
                if words[0] != "-DOCSTART-":
                    text, spans = from_tags(words, tags)
                    yield text, write(spans)
                words, tags = [], []
