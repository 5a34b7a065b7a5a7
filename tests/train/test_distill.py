"""Distillation losses against numbers worked out by hand."""

from __future__ import annotations

from math import log

import pytest

from tests.train.conftest import NEEDS

torch = pytest.importorskip("torch", reason=NEEDS)
pytest.importorskip("transformers", reason=NEEDS)

from edgebench.train.distill import hidden_error, intermediate, layer_map, score_error, soft_cross_entropy  # noqa: E402
from edgebench.train.nets import Traced  # noqa: E402

MASK = torch.tensor([[1, 1], [1, 0]])
HIDDEN = torch.tensor([[[1.0, 2.0, 3.0], [0.0, 0.0, 2.0]], [[1.0, 1.0, 1.0], [9.0, 9.0, 9.0]]])  # (2, 2, 3); the last position is padding
SCORES = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]], [[[5.0, 9.0], [9.0, 9.0]]]])  # (2, 1, 2, 2); 9 where padding takes part
TEACHER = torch.tensor([[0.0, log(2), 0.0], [0.0, 0.0, 0.0]])  # probabilities 1/4 1/2 1/4 and thirds
STUDENT = torch.tensor([[0.0, 0.0, 0.0], [log(2), 0.0, 0.0]])  # thirds and 1/2 1/4 1/4


def test_soft_cross_entropy_is_the_sum_over_classes_and_the_mean_over_examples() -> None:
    # first: ln 3; second: (ln 2 + ln 4 + ln 4) / 3
    assert soft_cross_entropy(STUDENT, TEACHER).item() == pytest.approx((log(3) + 5 / 3 * log(2)) / 2, abs=1e-6)


def test_soft_cross_entropy_of_the_teacher_with_itself_is_its_entropy() -> None:
    # 1/4 ln 4 + 1/2 ln 2 + 1/4 ln 4 = 3/2 ln 2, and ln 3
    assert soft_cross_entropy(TEACHER, TEACHER).item() == pytest.approx((1.5 * log(2) + log(3)) / 2, abs=1e-6)


def test_soft_cross_entropy_falls_when_the_student_nears_the_teacher() -> None:
    assert soft_cross_entropy(TEACHER, TEACHER) < soft_cross_entropy((STUDENT + TEACHER) / 2, TEACHER) < soft_cross_entropy(STUDENT, TEACHER)


def test_temperature_divides_the_logits_and_multiplies_the_loss_by_its_square() -> None:
    warm = soft_cross_entropy(3 * STUDENT, 3 * TEACHER, temperature=3.0)
    assert warm.item() == pytest.approx(9 * soft_cross_entropy(STUDENT, TEACHER).item(), rel=1e-6)


def test_hidden_error_is_the_mean_square_over_real_positions() -> None:
    # (1 + 4 + 9) + 4 + (1 + 1 + 1) = 21 over 3 real positions x 3 channels
    assert hidden_error(torch.zeros(2, 2, 3), HIDDEN, MASK).item() == pytest.approx(21 / 9)


def test_score_error_is_the_mean_square_over_pairs_of_real_positions() -> None:
    # 1 + 4 + 9 + 16, and 25 of the one real pair of the second sentence: 55 over 5 pairs
    assert score_error(torch.zeros(2, 1, 2, 2), SCORES, MASK).item() == pytest.approx(55 / 5)


def test_score_error_is_a_mean_over_heads_too() -> None:
    two_heads = torch.cat([SCORES, torch.zeros_like(SCORES)], dim=1)
    assert score_error(torch.zeros(2, 2, 2, 2), two_heads, MASK).item() == pytest.approx(55 / 10)


def test_a_student_equal_to_its_teacher_has_no_error() -> None:
    assert hidden_error(HIDDEN, HIDDEN, MASK).item() == 0.0
    assert score_error(SCORES, SCORES, MASK).item() == 0.0


def test_what_stands_in_the_padding_carries_no_weight() -> None:
    hidden, scores = HIDDEN.clone(), SCORES.clone()
    hidden[1, 1], scores[1, 0, 1, :], scores[1, 0, 0, 1] = -77.0, -77.0, -77.0
    assert hidden_error(torch.zeros(2, 2, 3), hidden, MASK) == hidden_error(torch.zeros(2, 2, 3), HIDDEN, MASK)
    assert score_error(torch.zeros(2, 1, 2, 2), scores, MASK) == score_error(torch.zeros(2, 1, 2, 2), SCORES, MASK)


def test_other_numbers_of_heads_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="the student has 1 attention heads, the teacher 2"):
        score_error(torch.zeros(2, 1, 2, 2), torch.zeros(2, 2, 2, 2), MASK)


def test_the_intermediate_terms_sum_over_the_students_layers() -> None:
    nothing = torch.zeros(2, 2, 3)
    student = Traced(torch.zeros(2, 3), (nothing, nothing, nothing), (torch.zeros_like(SCORES),) * 2)
    teacher = Traced(torch.zeros(2, 3), (HIDDEN, 2 * HIDDEN, 3 * HIDDEN, 4 * HIDDEN), (SCORES, 2 * SCORES, 3 * SCORES))
    terms = intermediate(student, teacher, MASK, layer_map=(1, 3), project=torch.nn.Identity())
    assert terms["embedding"].item() == pytest.approx(21 / 9)
    assert terms["hidden"].item() == pytest.approx((4 + 16) * 21 / 9)
    assert terms["attention"].item() == pytest.approx((1 + 9) * 55 / 5)


def test_every_student_layer_needs_a_teacher_layer() -> None:
    student = Traced(torch.zeros(2, 3), (HIDDEN, HIDDEN), (SCORES,))
    with pytest.raises(ValueError, match="layer_map names 2 teacher layers, the student has 1"):
        intermediate(student, student, MASK, layer_map=(1, 1), project=torch.nn.Identity())


@pytest.mark.parametrize(
    ("student", "teacher", "how", "layers"),
    [(4, 12, "uniform", (3, 6, 9, 12)), (6, 12, "uniform", (2, 4, 6, 8, 10, 12)), (4, 6, "uniform", (2, 3, 4, 6)), (3, 3, "uniform", (1, 2, 3)),
     (4, 12, "last", (9, 10, 11, 12)), (4, 12, "first", (1, 2, 3, 4))],
)
def test_each_student_layer_has_its_teacher_layer(student: int, teacher: int, how: str, layers: tuple[int, ...]) -> None:
    assert layer_map(student, teacher, how) == layers


@pytest.mark.parametrize(("arguments", "said"), [((5, 4), "a student of 5 layers cannot imitate a teacher of 4"), ((2, 4, "middle"), "how is 'middle'")])
def test_a_mapping_that_cannot_be_is_refused(arguments: tuple[int, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        layer_map(*arguments)
