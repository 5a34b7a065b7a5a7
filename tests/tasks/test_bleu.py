"""BLEU and chrF are sacrebleu's, with its signature."""

from __future__ import annotations

import pytest

from edgebench.tasks.bleu import bleu, chrf

sacrebleu = pytest.importorskip("sacrebleu", reason="translations are scored by sacrebleu; install edgebench[metrics]")

FOUND = ["The cat is on the mat .", "Two dogs run.", "A man sleeps on the red sofa."] * 4
RIGHT = ["The cat sits on the mat .", "Two dogs are running.", "A man sleeps on a red sofa."] * 4


def test_scores_are_sacrebleus_as_shares_of_one() -> None:
    assert bleu(FOUND, RIGHT).value == pytest.approx(sacrebleu.corpus_bleu(FOUND, [RIGHT]).score / 100)
    assert chrf(FOUND, RIGHT)[1] == pytest.approx(sacrebleu.corpus_chrf(FOUND, [RIGHT]).score / 100)
    assert bleu(RIGHT, RIGHT).value == pytest.approx(1.0)


def test_the_signature_is_in_the_name() -> None:
    assert bleu(FOUND, RIGHT).name == f"BLEU nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:{sacrebleu.__version__}"
    assert chrf(FOUND, RIGHT)[0].startswith("chrF2 nrefs:1|case:mixed")


def test_the_interval_holds_the_score_and_is_the_same_each_time() -> None:
    score = bleu(FOUND, RIGHT)
    assert score.low < score.value < score.high
    assert score == bleu(FOUND, RIGHT)
    assert score.interval == "bootstrap 95 %, 1000 resamples, seed 12345"
