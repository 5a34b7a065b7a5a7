"""Token classification: words get tags, tags make entities, and offsets are characters of the text as it was given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from edgebench.backends.base import TensorSpec
from edgebench.errors import CardError, InputError
from edgebench.models.card import Card, Variant
from edgebench.tasks.tag_tokens import Entity, TokenClassification

TAGS = ("O", "B-person", "I-person", "B-place", "I-place")
WORDS = {"[PAD]": 0, "[UNK]": 0, "[CLS]": 0, "[SEP]": 0, "ada": 1, "love": 2, "##lace": 4, "paris": 3, "is": 0, "in": 0, "cafe": 3, "york": 4, "new": 3, "!": 0}


class Lookup:
    """A session that gives each token its word's tag, 9 logits ahead; counts what it is given."""

    lengths: tuple[int, ...] = ()

    def __init__(self, batch: int | None = None, lengths: tuple[int, ...] = ()) -> None:
        self.inputs = tuple(TensorSpec(name, "int64", (batch, None)) for name in ("input_ids", "attention_mask"))
        self.lengths = lengths
        self.shapes: list[tuple[int, ...]] = []

    def run(self, feeds: dict[str, Any]) -> dict[str, Any]:
        self.shapes.append(feeds["input_ids"].shape)
        tags = np.array(list(WORDS.values()))[feeds["input_ids"]]
        return {"logits": (np.eye(len(TAGS), dtype=np.float32) * 9)[tags]}


class Seen(Lookup):
    """Also: a token less than three from either end of the window is always outside."""

    def run(self, feeds: dict[str, Any]) -> dict[str, Any]:
        logits = super().run(feeds)["logits"]
        last = feeds["attention_mask"].sum(axis=1)
        for row, end in zip(logits, last, strict=True):
            for place in (*range(1, 4), *range(end - 4, end - 1)):
                row[place] = np.eye(len(TAGS))[0] * 9
        return {"logits": logits}


def card(max_tokens: int = 64, labels: tuple[str, ...] = TAGS) -> Card:
    variants = (Variant(format="onnx", precision="fp32", file="a", sha256="0" * 64, size_bytes=1),)
    return Card(schema=1, name="tiny", task="token-classification", about="", licence="", source="", labels=labels, dataset="none", reference="onnx/fp32",
                variants=variants, preprocess={"max_tokens": max_tokens})  # fmt: skip


@pytest.fixture
def tokenizer(tmp_path: Path) -> dict[str, Path]:
    made = Tokenizer(models.WordPiece({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    made.save(str(tmp_path / "tokenizer.json"))
    return {"tokenizer": tmp_path / "tokenizer.json"}


@pytest.fixture
def task(tokenizer: dict[str, Path]) -> TokenClassification:
    return TokenClassification(card(), tokenizer)


def found(task: TokenClassification, text: str, session: Lookup | None = None) -> list[tuple[str, str]]:
    """Kind and characters of each entity."""
    (tagging,) = task.answer([text], session or Lookup(), lambda name: None)
    assert all(text[one.start : one.end] == one.text for one in tagging.entities)
    return [(one.label, one.text) for one in tagging.entities]


def test_words_are_merged_from_their_pieces_and_entities_from_their_words(task: TokenClassification) -> None:
    (tagging,) = task.answer(["Ada Lovelace is in Paris!"], Lookup(), lambda name: None)
    sure = float(np.exp(9) / (np.exp(9) + 4))
    assert tagging.entities == (Entity(0, 12, "person", pytest.approx(sure), "Ada Lovelace"), Entity(19, 24, "place", pytest.approx(sure), "Paris"))
    assert tagging.word_scores == pytest.approx([sure] * 6)  # a word of two pieces is one word
    assert str(tagging) == "person 'Ada Lovelace' 0:12 1.000; place 'Paris' 19:24 1.000"


@pytest.mark.parametrize(("text", "expected"), [
    ("😀 Paris 👩‍👩‍👧 ada", [("place", "Paris"), ("person", "ada")]),  # characters beyond the first plane count once
    ("in café!", [("place", "café")]),
    ("in cafe\u0301 is", [("place", "cafe\u0301")]),  # the combining mark belongs to the word
    ("in ca\u0301fe\u0301", [("place", "ca\u0301fe\u0301")]),
    ("\tnew\u00a0york\n", [("place", "new\u00a0york")]),
    ("NEW YORK", [("place", "NEW YORK")]),
])  # fmt: skip
def test_offsets_are_characters_of_the_text_as_it_was_given(task: TokenClassification, text: str, expected: list[tuple[str, str]]) -> None:
    assert found(task, text) == expected


def test_a_tag_that_goes_on_with_nothing_begins_an_entity(task: TokenClassification) -> None:
    assert found(task, "york paris") == [("place", "york"), ("place", "paris")]
    assert found(task, "ada york") == [("person", "ada"), ("place", "york")]


def test_an_empty_text_has_no_entities(task: TokenClassification) -> None:
    assert [found(task, text) for text in ("", "   ", "\n\u200b")] == [[], [], []]


def test_a_text_in_a_script_that_the_tokenizer_does_not_know_has_none_and_is_no_error(task: TokenClassification) -> None:
    assert found(task, "アダ・ラブレス in パリ") == []


@pytest.mark.parametrize(("bad", "message"), [
    (["in \ud800 paris"], "example 0 holds '\\\\ud800' at character 3"),
    (["ada", b"paris"], "example 1 is bytes, expected str"),
    ([None], "example 0 is NoneType, expected str"),
])  # fmt: skip
def test_what_is_no_text_is_one_clear_error(task: TokenClassification, bad: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        task.answer(bad, Lookup(), lambda name: None)


@pytest.mark.parametrize("session", [Lookup(), Lookup(batch=1), Lookup(batch=1, lengths=(8, 16)), Seen()])
def test_a_long_text_is_read_in_windows_that_overlap_and_answers_as_if_it_were_read_whole(tokenizer: dict[str, Path], session: Lookup) -> None:
    text = "is in " * 3 + "ada lovelace in new york is " * 40 + "is in" * 3
    whole = TokenClassification(card(max_tokens=4_096), tokenizer)
    task = TokenClassification(card(max_tokens=32), tokenizer)
    if isinstance(session, Seen):  # a word is judged where three words are on both sides of it
        task = TokenClassification(card(max_tokens=40), tokenizer)
    assert found(task, text, session) == found(whole, text)
    assert sum(rows for rows, _ in session.shapes) > 1
    assert all(width <= (session.lengths or (40,))[-1] for _, width in session.shapes)
    if session.inputs[0].shape[0] == 1:
        assert {rows for rows, _ in session.shapes} == {1}


def test_a_text_of_a_hundred_thousand_characters_is_read_to_its_end_in_runs_of_bounded_size(task: TokenClassification) -> None:
    session = Lookup()
    text = "is in " * 16_666 + "ada"
    assert found(task, text, session) == [("person", "ada")]
    assert max(rows * width for rows, width in session.shapes) <= 1_024


def test_many_texts_are_answered_in_order_as_one_by_one(task: TokenClassification) -> None:
    texts = ["ada", "is " * 100 + "paris", "", "new york is in paris"]
    assert task.answer(texts, Lookup(), lambda name: None) == [task.answer([text], Lookup(), lambda name: None)[0] for text in texts]


def test_stages_are_the_same_for_every_text(task: TokenClassification) -> None:
    for text in ("", "ada", "is " * 500):
        laps: list[str] = []
        task.answer([text], Lookup(), laps.append)
        assert laps == ["tokenise", "run", "decode"]


def test_predictions_and_references_are_compared_by_offsets_and_kind(task: TokenClassification) -> None:
    pytest.importorskip("seqeval", reason="entity F1 is scored by seqeval; install edgebench[metrics]")
    predictions = task.answer(["Ada Lovelace is in Paris", "new york"], Lookup(), lambda name: None)
    assert task.labels(predictions) == ["0:12:person 19:24:place", "0:8:place"]
    assert task.score(predictions, ["0:12:person 19:24:place", "0:8:place"]).value == 1.0
    metric = task.score(predictions, ["0:12:person 19:24:person", "4:8:place"])
    assert (metric.name, metric.value, metric.n) == ("entity F1", pytest.approx(1 / 3), 2)


def test_resized_texts_have_just_the_length_asked_for(task: TokenClassification) -> None:
    assert task.sizes(task.resize(["ada is in paris", "new york"], 20, seed=1)) == [20, 20]


def test_a_card_whose_labels_are_no_tags_is_refused(tokenizer: dict[str, Path]) -> None:
    with pytest.raises(CardError, match="label 'person'"):
        TokenClassification(card(labels=("O", "person")), tokenizer)


def test_a_card_that_names_another_number_of_labels_than_the_model_gives_is_refused(tokenizer: dict[str, Path]) -> None:
    with pytest.raises(CardError, match="5 scores a token, the card names 3 labels"):
        TokenClassification(card(labels=TAGS[:3]), tokenizer).answer(["ada"], Lookup(), lambda name: None)
