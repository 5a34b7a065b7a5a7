"""Spans, their line of text, and the tags that stand for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebench.models.spans import Span, from_tags, read, read_tagged, runs, tags_of, write


def test_a_line_of_text_holds_spans_of_any_kind() -> None:
    spans = [Span(0, 9, "person"), Span(14, 20, "creative-work"), Span(21, 22, "a:b")]
    assert write(spans) == "0:9:person 14:20:creative-work 21:22:a:b"
    assert read(write(spans)) == spans
    assert (write([]), read("")) == ("", [])


def test_tagged_words_make_a_text_and_spans_in_it() -> None:
    assert from_tags(["Ada", "Lovelace", "is", "in", "Paris"], ["B-person", "I-person", "O", "O", "B-place"]) == (
        "Ada Lovelace is in Paris", [Span(0, 12, "person"), Span(19, 24, "place")],
    )  # fmt: skip


@pytest.mark.parametrize(("tags", "expected"), [
    ("B-a I-a O", [(0, 1, "a")]),
    ("B-a B-a", [(0, 0, "a"), (1, 1, "a")]),
    ("I-a I-a", [(0, 1, "a")]),  # conlleval: it begins where it goes on with nothing
    ("B-a I-b", [(0, 0, "a"), (1, 1, "b")]),
    ("O O", []),
])  # fmt: skip
def test_runs_are_conllevals(tags: str, expected: list[tuple[int, int, str]]) -> None:
    assert list(runs(tags.split())) == expected


def test_words_that_a_span_touches_get_its_tag_the_first_of_them_its_beginning() -> None:
    places = [(0, 1), (1, 9), (10, 12), (13, 18)]  # "@paulwalk is Paris" as a tokenizer cuts it
    assert tags_of(places, [Span(0, 9, "person"), Span(13, 18, "place")]) == ["B-person", "I-person", "O", "B-place"]
    assert tags_of([(0, 7)], [Span(0, 3, "person"), Span(4, 7, "place")]) == ["B-person"]  # one word of two spans


def test_a_file_of_tagged_words_is_read_by_its_columns_without_document_marks(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\n\nNo DT O O")
    assert list(read_tagged(tmp_path / "a", 0, 3)) == [("EU rejects", "0:2:ORG"), ("No", "")]
    (tmp_path / "b").write_text("New York\tB-place\n\t\nx\tO\n")
    assert list(read_tagged(tmp_path / "b", 0, 1)) == [("New York", "0:8:place"), ("x", "")]


def test_a_line_without_a_tag_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("EU\tO\nrejects\n")
    with pytest.raises(ValueError, match="line 2 has 1 columns, expected more than 1"):
        list(read_tagged(tmp_path / "a", 0, 1))
