"""Search: the likeliest translation that is found, for each of many sentences that end at different times."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest

from edgebench.tasks.beam import Beams, Found

START, END, WORDS = 5, 0, 6


def table(seed: int) -> np.ndarray:
    """(last token, next token) logits of a language whose next word depends on the one before."""
    return np.random.default_rng(seed).normal(size=(WORDS, WORDS)).astype(np.float32) * 2


def search(seeds: list[int], beams: int, limit: int = 6) -> list[Found]:
    """Translate a sentence for each seed, its language its own."""
    state = Beams([limit] * len(seeds), beams=beams, start=START, end=END)
    owners = np.array(state.rows)
    while True:
        logits = np.stack([table(seeds[owner])[token] for owner, token in zip(owners, state.tokens[:, 0], strict=True)])
        kept = state.advance(logits)
        if not len(kept):
            return state.found
        owners = owners[kept]
        assert owners.tolist() == state.rows


def log_probabilities(seed: int) -> np.ndarray:
    logits = table(seed).astype(np.float64)
    logits[:, START] = -np.inf
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def likeliest(seed: int, limit: int) -> tuple[list[int], float]:
    """Among all sentences that end within the limit, or are cut off by it, the one of the best mean log-probability."""
    rows, best = log_probabilities(seed), ([], -np.inf)
    for length in range(1, limit + 1):
        for words in product(range(1, START), repeat=length - 1):
            lasts = [END] if length < limit else [END, *range(1, START)]
            for last in lasts:
                path = [START, *words, last]
                score = sum(rows[a, b] for a, b in pairwise(path)) / length
                if score > best[1]:
                    best = ([*words, last] if last != END else list(words), score)
    return best


@pytest.mark.parametrize("seed", range(8))
def test_one_beam_takes_the_likeliest_token_each_time(seed: int) -> None:
    rows, token, expected, total = log_probabilities(seed), START, [], 0.0
    while len(expected) < 6:
        following = int(rows[token].argmax())
        total += rows[token, following]
        expected.append(following)
        if following == END:
            break
        token = following
    (found,) = search([seed], beams=1)
    assert found.tokens == [one for one in expected if one != END]
    assert (found.count, found.cut) == (len(expected), END not in expected)
    assert found.score == pytest.approx(total / len(expected), abs=1e-5)


@pytest.mark.parametrize("seed", range(8))
def test_with_beams_for_everything_the_likeliest_sentence_of_all_is_found(seed: int) -> None:
    tokens, score = likeliest(seed, limit=4)
    (found,) = search([seed], beams=64, limit=4)
    assert (found.tokens, found.score) == (tokens, pytest.approx(score, abs=1e-5))


@pytest.mark.parametrize("beams", [1, 3])
def test_sentences_searched_together_are_found_as_each_by_itself(beams: int) -> None:
    seeds = list(range(10))
    assert search(seeds, beams) == [search([seed], beams)[0] for seed in seeds]


def test_the_start_is_never_part_of_a_translation() -> None:
    assert all(START not in one.tokens for one in search(list(range(20)), beams=2))
