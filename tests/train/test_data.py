"""Sentences -> batches: every example once an epoch, in an order that seed and epoch fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.train.conftest import NEEDS

torch = pytest.importorskip("torch", reason=NEEDS)

from edgebench.models.data import Labelled  # noqa: E402
from edgebench.train.data import Examples, collate, fingerprint, hold_out, in_order, sentences, shuffled, tokenised  # noqa: E402


def test_texts_become_ids_with_special_tokens_cut_at_the_limit(bag_of_words: Path) -> None:
    texts = Labelled(("good film", "bad " * 30), (1, 0), ("negative", "positive"), "n", "train", "", "", "", "")
    examples = tokenised(texts, bag_of_words.parent / "bag" / "tokenizer.json", 6)
    assert examples == Examples([[2, 4, 8, 3], [2, 6, 6, 6, 6, 3]], [1, 0])


def test_sentences_are_cut_out_of_texts_once_each_without_their_label(bag_of_words: Path) -> None:
    review = "A good good film. Bad? <br /><br />A dull dull dull film! A good good film. " + "Bad " * 20 + "film."
    texts = Labelled((review,), (1,), ("negative", "positive"), "n", "train", "", "", "", "")
    found = sentences(texts, bag_of_words.parent / "bag" / "tokenizer.json", count=9, max_tokens=8, seed=0)
    # "Bad?" has too few words, the last one has too many tokens, and the tag is no word; 1 is the unknown full stop
    assert found == Examples([[2, 10, 4, 4, 8, 1, 3], [2, 10, 7, 7, 7, 8, 1, 3]], [-1, -1])


def test_no_more_sentences_than_asked_for_are_drawn_in_an_order_the_seed_fixes(bag_of_words: Path) -> None:
    words = ("good", "fine", "bad", "dull")
    texts = Labelled(tuple(f"A {a} {b} film." for a in words for b in words), (1,) * 16, ("negative", "positive"), "n", "train", "", "", "", "")
    first, same, other = (sentences(texts, bag_of_words.parent / "bag" / "tokenizer.json", count=5, max_tokens=8, seed=seed) for seed in (0, 0, 1))
    assert len(first) == 5
    assert first == same != other


def test_an_epoch_holds_every_example_once(examples: Examples) -> None:
    assert sorted(row for batch in shuffled(examples, 7, seed=0, epoch=0) for row in batch) == list(range(96))


def test_the_order_is_fixed_by_seed_and_epoch(examples: Examples) -> None:
    first = shuffled(examples, 8, seed=0, epoch=0)
    assert first == shuffled(examples, 8, seed=0, epoch=0)
    assert first != shuffled(examples, 8, seed=0, epoch=1)
    assert first != shuffled(examples, 8, seed=1, epoch=0)


def test_a_batch_is_padded_to_its_longest_and_masked() -> None:
    batch = collate(Examples([[1, 2, 3], [4]], [0, 1]), [1, 0])
    assert batch.ids.tolist() == [[4, 0, 0], [1, 2, 3]]
    assert batch.mask.tolist() == [[1, 0, 0], [1, 1, 1]]
    assert (batch.rows.tolist(), batch.labels.tolist()) == ([1, 0], [1, 0])


def test_in_order_short_ones_go_first(examples: Examples) -> None:
    lengths = [length for batch in in_order(examples, 10) for length in batch.mask.sum(1).tolist()]
    assert lengths == sorted(map(len, examples.ids))


def test_held_out_examples_are_not_trained_on(examples: Examples) -> None:
    numbered = Examples([[row] for row in range(96)], examples.labels)
    training, held_out = hold_out(numbered, 10, seed=3)
    assert len(held_out) == 10
    assert sorted(training.ids + held_out.ids) == numbered.ids


@pytest.mark.parametrize("count", [0, 96])
def test_nothing_and_everything_cannot_be_held_out(examples: Examples, count: int) -> None:
    with pytest.raises(ValueError, match=f"cannot hold out {count} of 96"):
        hold_out(examples, count, seed=0)


def test_the_fingerprint_knows_ids_labels_and_order() -> None:
    sets = ([[1], [2]], [0, 1]), ([[2], [1]], [1, 0]), ([[1], [2]], [1, 1]), ([[1, 2], []], [0, 1])
    assert len({fingerprint(Examples(ids, labels)) for ids, labels in sets}) == 4
