"""Golden numbers: the table of LoadGen's early stopping, and small series worked out by hand."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from scipy import special
from scipy import stats as scipy_stats

from edgebench.bench import stats
from edgebench.bench.bootstrap import median_interval


@pytest.mark.parametrize(
    ("share", "by_t"),
    [
        (0.5, {0: 7, 1: 11, 2: 14, 3: 17, 5: 22, 10: 35}),
        (0.9, {0: 44, 1: 64, 2: 81, 3: 97, 5: 127, 10: 197}),
        (0.95, {0: 90, 1: 130, 2: 165, 3: 198, 5: 259, 10: 398}),
        (0.99, {0: 459, 1: 662, 2: 838, 3: 1001, 5: 1307, 10: 2010}),
        (0.999, {0: 4603, 1: 6636, 2: 8403, 3: 10042, 5: 13105, 10: 20140}),
    ],
)
def test_the_fewest_samples_that_support_a_percentile(share: float, by_t: dict[int, int]) -> None:
    assert {t: stats.minimum(share, t) for t in by_t} == by_t


@pytest.mark.parametrize(
    ("n", "p90", "p95", "p99"),
    [(64, 1, -1, -1), (100, 3, 0, -1), (128, 5, 0, -1), (256, 14, 4, -1), (512, 35, 14, 0), (1024, 80, 35, 3), (2048, 173, 79, 10)],
)
def test_how_many_samples_may_lie_over_a_percentile(n: int, p90: int, p95: int, p99: int) -> None:
    assert (stats.over(n, 0.9), stats.over(n, 0.95), stats.over(n, 0.99)) == (p90, p95, p99)


def test_a_percentile_is_a_sample_by_nearest_rank() -> None:
    samples = [15, 20, 35, 40, 50]
    assert [stats.percentile(samples, share) for share in (0.05, 0.3, 0.4, 0.5, 1.0)] == [15, 20, 20, 35, 50]


def test_a_percentile_is_not_claimed_from_too_few_samples() -> None:
    assert stats.supported(range(63), 0.9) is None
    assert stats.supported(range(64), 0.9) == 57


def test_of_a_hundred_samples_p90_is_claimed_and_p95_is_not() -> None:
    found = stats.summary(list(range(1, 101)))
    assert (found.p90, found.p95, found.p99) == (90, None, None)


def test_a_constant_series_has_no_spread_and_no_outliers() -> None:
    found = stats.summary([5] * 100)
    assert (found.median, found.cv, found.outliers) == (5, 0, 0)


def test_a_single_outlier_is_kept_and_flagged() -> None:
    found = stats.summary([10, 11, 12, 13] * 10 + [100])
    assert (found.n, found.slowest, found.outliers, found.far_outliers) == (41, 100, 1, 1)


def test_one_sample_has_no_variation() -> None:
    assert stats.summary([7]).cv is None


# what scipy says of the same


@pytest.mark.parametrize("share", [0.5, 0.9, 0.95, 0.99])
def test_a_supported_percentile_is_scipys_beta_function(share: float) -> None:
    for n in (20, 64, 129, 130, 700, 2048):
        t = stats.over(n, share)
        assert t < 0 or special.betainc(n - t, t + 1, share) <= stats.RISK
        assert special.betainc(n - t - 1, t + 2, share) > stats.RISK


def test_nearest_rank_is_numpys_inverted_distribution_function() -> None:
    random = Random(3)
    samples = [random.random() for _ in range(137)]
    shares = [0.01, 0.1, 0.25, 0.5, 0.77, 0.9, 0.95, 0.99, 1.0]
    assert [stats.percentile(samples, share) for share in shares] == list(np.quantile(samples, shares, method="inverted_cdf"))


@pytest.mark.parametrize("degrees", [1, 1.5, 2.37, 4, 11, 200])
def test_students_t_is_scipys_for_any_degrees_of_freedom(degrees: float) -> None:
    assert stats.student_t(degrees) == pytest.approx(scipy_stats.t.ppf(0.975, degrees), rel=1e-9)


def test_the_interval_over_processes_is_scipys_of_the_logarithms() -> None:
    medians = [103.0, 99.5, 101.2, 108.9, 97.7]
    logs = np.log(medians)
    low, high = scipy_stats.t.interval(0.95, 4, logs.mean(), scipy_stats.sem(logs))
    found = stats.interval([[one] for one in medians])
    assert (found.low, found.high) == (pytest.approx(math.exp(low)), pytest.approx(math.exp(high)))


def test_the_slope_is_scipys_of_theil_and_sen() -> None:
    random = Random(11)
    series = [0.3 * place + random.gauss(0, 4) for place in range(80)]
    known = scipy_stats.theilslopes(series)
    found = stats.slope(series)
    assert found.per_run == pytest.approx(known.slope)
    assert (found.low, found.high) == (pytest.approx(known.low_slope, rel=0.01), pytest.approx(known.high_slope, rel=0.01))


# the interval over processes


# the 97.5 % points of Student's t, from any table of it
@pytest.mark.parametrize(("degrees", "t"), [(1, 12.7062), (2, 4.30265), (3, 3.18245), (5, 2.57058), (9, 2.26216), (30, 2.04227), (120, 1.97993)])
def test_students_t_is_the_tables(degrees: int, t: float) -> None:
    assert stats.student_t(degrees) == pytest.approx(t, abs=1e-5)


def test_the_interval_over_processes_is_students_on_the_logarithms_of_their_medians() -> None:
    found = stats.interval([[90.0, 100.0, 900.0], [110.0], [121.0, 121.0]])
    step = math.log(1.1)  # 100, 110, 121: equally far apart in logarithms, so that their deviation is one step
    assert (found.n, found.method) == (3, "Student's t over processes")
    assert found.value == pytest.approx(110)
    assert math.log(found.high / 110) == pytest.approx(4.302653 * step / math.sqrt(3), rel=1e-5)
    assert found.low * found.high == pytest.approx(110**2)


def test_processes_that_agree_leave_no_doubt() -> None:
    found = stats.interval([[100.0], [100.0], [100.0]])
    assert (found.low, found.high, found.half_width) == (pytest.approx(100), pytest.approx(100), pytest.approx(0))


def test_of_one_process_only_its_own_calls_are_known() -> None:
    samples = [float(one) for one in range(1, 101)]
    found = stats.interval([samples])
    assert (found.value, found.low, found.high, found.n) == (50.5, *median_interval(samples), 1)
    assert found.method == "block bootstrap of one process"


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    random = Random(5)
    hits = 0
    for _ in range(1000):
        found = stats.interval([[100 * math.exp(random.gauss(0, 0.02))] for _ in range(4)])
        hits += found.low <= 100 <= found.high
    assert 930 <= hits <= 970


# slopes


def test_the_slope_of_a_line_is_its_own() -> None:
    assert stats.slope([5.0 + 3 * place for place in range(50)]) == stats.Slope(3, 3, 3)


def test_one_outlier_and_one_step_do_not_tilt_a_level_series() -> None:
    assert stats.slope([100.0] * 60 + [900.0] + [100.0] * 60) == stats.Slope(0, 0, 0)
    assert stats.slope([100.0] * 10 + [180.0] * 110) == stats.Slope(0, 0, 0)


def test_a_staircase_rises_by_its_mean_step() -> None:
    found = stats.slope([4096.0 * (place // 4) for place in range(120)])
    assert found.low <= 1024 <= found.high
    assert found.low > 900


def test_sens_interval_holds_the_slope_about_as_often_as_it_says() -> None:
    random = Random(7)
    found = [stats.slope([0.5 * place + random.gauss(0, 10) for place in range(30)]) for _ in range(300)]
    assert 0.92 <= sum(one.low <= 0.5 <= one.high for one in found) / 300 <= 0.98


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [(0, 0, 1), (1, 0, 1), (3, 3, 1), (0, 6, 2 / 64), (1, 9, 22 / 1024), (121, 59, 4.434449e-06), (5, 15, 0.04138947)],
)
def test_mcnemars_exact_test_is_the_two_sided_sign_test(only_a: int, only_b: int, p: float) -> None:
    assert stats.mcnemar(only_a, only_b) == pytest.approx(p, rel=1e-5)
    assert stats.mcnemar(only_b, only_a) == stats.mcnemar(only_a, only_b)
