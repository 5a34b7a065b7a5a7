"""A change in the order of a series: what is one, what is chance, and where a level ends."""

from __future__ import annotations

from random import Random

import pytest
from scipy import stats as scipy_stats

from edgebench.bench.trend import drift, step


def noisy(seed: int, n: int = 200, deviation: float = 0.03) -> list[float]:
    random = Random(seed)
    return [100 * (1 + random.gauss(0, deviation)) for _ in range(n)]


def ramp(samples: list[float], change: float) -> list[float]:
    return [one * (1 + change * place / len(samples)) for place, one in enumerate(samples)]


def test_a_line_changes_by_the_difference_of_its_outer_thirds() -> None:
    found = drift([100 + place / 10 for place in range(300)])
    assert found is not None
    assert found.is_real
    assert found.change == pytest.approx(20 / 104.95)


def test_the_probability_is_scipys_of_kendalls_tau() -> None:
    samples = ramp(noisy(1, n=30), 0.03)  # a block each
    found = drift(samples)
    assert found is not None
    assert found.p == pytest.approx(scipy_stats.kendalltau(range(30), samples, method="asymptotic").pvalue)


@pytest.mark.parametrize("samples", [[100.0] * 60, [100.0, 112.0] * 100, [100.0] * 199 + [9000.0]], ids=["level", "up and down", "one slow call"])
def test_no_trend_is_found_where_there_is_none(samples: list[float]) -> None:
    found = drift(samples)
    assert found is not None
    assert not found.is_real


def test_a_step_in_the_last_third_is_a_change() -> None:
    found = drift([100.0] * 140 + [106.0] * 60)
    assert found is not None
    assert (found.is_real, found.change) == (True, pytest.approx(0.06))


def test_fewer_than_thirty_samples_tell_nothing() -> None:
    assert drift([100.0] * 10 + [200.0] * 19) is None


def test_a_rise_of_ten_percent_is_found_in_a_hundred_of_a_hundred() -> None:
    found = [drift(ramp(noisy(seed), 0.10)) for seed in range(100)]
    assert sum(one is not None and one.is_real and one.change > 0 for one in found) == 100


def test_chance_is_called_a_trend_about_as_often_as_it_says() -> None:
    found = [drift(noisy(seed)) for seed in range(400)]
    assert sum(one is not None and one.is_real for one in found) / 400 <= 0.08


# a new level


def test_a_step_is_found_where_it_is() -> None:
    found = step([100.0 + place % 3 for place in range(20)] + [120.0 + place % 3 for place in range(30)])
    assert found is not None
    assert found.place == 20
    assert found.ratio == pytest.approx(1.2, abs=0.01)
    assert found.p < 0.001


def test_pettitts_probability_is_his_formula() -> None:
    # ranks 1..4 and 5..8: |U| is largest after the fourth, 4 x 4; p = 2 exp(-6 x 256 / (512 + 64))
    found = step([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0])
    assert found is None  # 0.139
    longer = step([float(one) for one in range(12)])
    assert longer is not None
    assert longer.p == pytest.approx(2 * 2.718281828459045 ** (-6 * 36**2 / (12**3 + 12**2)))


@pytest.mark.parametrize("series", [[100.0] * 30, [1.0, 2.0, 1.0, 2.0, 1.0, 2.0], [1.0, 9.0], [0.0] * 10])
def test_no_step_is_found_where_there_is_none(series: list[float]) -> None:
    assert step(series) is None


def test_chance_is_called_a_step_no_more_often_than_it_says() -> None:
    assert sum(step(noisy(seed, n=60)) is not None for seed in range(400)) / 400 <= 0.05
