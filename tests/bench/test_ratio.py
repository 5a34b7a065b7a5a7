"""Comparing two cells: the interval of their ratio, the verdict, and how often it is right."""

from __future__ import annotations

import math
from random import Random

import pytest

from edgebench.bench.ratio import Ratio, effect, ratio, verdict_of


def processes(random: Random, level: float, count: int = 6) -> list[list[float]]:
    """Processes whose levels differ by one per cent, each with calls that differ by five."""
    return [[shift * random.lognormvariate(0, 0.05) for _ in range(50)] for shift in (level * random.lognormvariate(0, 0.01) for _ in range(count))]


def test_paired_it_is_students_interval_on_the_logarithms_of_the_ratios() -> None:
    found = ratio([[100.0], [200.0], [400.0]], [[110.0], [242.0], [532.4]], paired=True)  # 1.1, 1.21, 1.331
    assert (found.value, found.n) == (pytest.approx(1.21), 3)
    assert found.high is not None
    assert math.log(found.high / 1.21) == pytest.approx(4.302653 * math.log(1.1) / math.sqrt(3), rel=1e-5)


def test_unpaired_it_is_welchs() -> None:
    a, b = [[math.exp(one)] for one in (1.0, 2.0, 3.0)], [[math.exp(one)] for one in (2.0, 4.0)]
    found = ratio(a, b, paired=False)  # variances 1/3 and 2/2: (4/3)^2 / ((1/3)^2 / 2 + 1) = 1.68421 degrees, t 5.1826
    assert math.log(found.value) == pytest.approx(1.0)
    assert found.high is not None
    assert math.log(found.high) - 1 == pytest.approx(5.1826 * math.sqrt(4 / 3), rel=2e-3)


def test_what_is_the_same_has_no_interval_to_speak_of() -> None:
    assert ratio([[100.0]] * 3, [[100.0]] * 3, paired=False) == Ratio(1.0, 1.0, 1.0, 6, "Welch's t over processes")


@pytest.mark.parametrize("paired", [True, False])
def test_one_process_of_each_decides_nothing(paired: bool) -> None:
    found = ratio([[100.0, 101.0]], [[150.0, 151.0]], paired=paired)
    assert (found.low, found.high, verdict_of(found)) == (None, None, "undecided")
    assert found.value == pytest.approx(1.4975, abs=1e-4)


@pytest.mark.parametrize(
    ("value", "low", "high", "said"),
    [
        (1.05, 1.02, 1.08, "slower"), (0.95, 0.92, 0.98, "faster"), (1.05, 0.99, 1.11, "no detectable difference"),
        (1.02, 1.008, 1.032, "no detectable difference"), (1.005, 1.002, 1.008, "no detectable difference"), (0.995, 0.992, 0.998, "no detectable difference"),
    ],
)
def test_a_difference_is_called_where_the_whole_interval_shows_it(value: float, low: float, high: float, said: str) -> None:
    assert verdict_of(Ratio(value, low, high, 6, "")) == said


def test_of_a_hundred_comparisons_of_like_with_like_at_least_95_show_no_difference() -> None:
    random = Random(11)
    said = [verdict_of(ratio(processes(random, 1.0), processes(random, 1.0), paired=True)) for _ in range(100)]
    assert said.count("no detectable difference") >= 95


def test_of_a_hundred_cells_made_5_percent_slower_at_least_95_are_called_so() -> None:
    random = Random(12)
    said = [verdict_of(ratio(processes(random, 1.0), processes(random, 1.05), paired=True)) for _ in range(100)]
    assert said.count("slower") >= 95


def test_the_effect_is_the_share_of_pairs_in_which_b_is_slower_a_tie_half() -> None:
    assert effect([1, 2, 3], [4, 5]) == 1.0
    assert effect([1, 2, 3], [2]) == 0.5
    assert effect([1, 3], [2, 3]) == (1 + 1.5) / 4
