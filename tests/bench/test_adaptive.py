"""Few measured ways say what the others take; the one to take is measured again, and what that teaches counts."""

from __future__ import annotations

import pytest

from edgebench.bench.adaptive import Way, costs, few, fitted, ranked, search, ways
from edgebench.bench.budgets import Budget
from edgebench.bench.plan import Ask, plan

MS = 1e6


@pytest.fixture(scope="module")
def known() -> list[Way]:
    return ways(plan(Ask(models=("elastic-sst2",), backends=("onnxruntime",), points=("all",))))


def true(way: Way) -> float:
    width, depth = way.shape
    return (0.2 + 0.5 * depth + 3 * width * depth) * MS


def point(known: list[Way], name: str) -> Way:
    return next(one for one in known if one.point and one.point.name == name)


def test_the_corners_are_measured_and_nothing_else(known: list[Way]) -> None:
    assert len(known) == 12
    assert {one.point.name for one in few(known) if one.point} == {"1x1", "1x0.5", "0.25x1", "0.25x0.5"}


def test_models_of_one_speed_are_all_measured() -> None:
    plain = ways(plan(Ask(models=("tinybert-sst2",), backends=("onnxruntime", "tflite"))))
    assert few(plain) == plain
    assert len(plain) > 2


def test_four_measured_ways_tell_what_the_other_eight_take(known: list[Way]) -> None:
    cost = costs({way: true(way) for way in few(known)})[known[0].family]
    assert (cost.n, cost.error) == (4, pytest.approx(0, abs=1e-9))
    assert [cost.of(way.shape) for way in known] == pytest.approx([true(way) for way in known])


def test_no_term_of_a_cost_is_below_zero() -> None:
    found = fitted({(1.0, 1.0): 4.0, (0.5, 1.0): 1.9, (1.0, 0.5): 1.9, (0.5, 0.5): 0.8})  # a line through these begins below zero
    assert min(found.fixed, found.by_depth, found.by_work) >= 0
    assert found.error < 0.25


def test_where_accuracy_has_a_limit_the_fastest_is_taken(known: list[Way]) -> None:
    keeping, _ = ranked(known, [Budget("median", 3 * MS), Budget("accuracy", 0.89)], {way: true(way) for way in few(known)})
    assert keeping[0] is min((way for way in known if (way.accuracy or 0) >= 0.89), key=true)


def test_where_it_has_none_the_most_accurate_is_taken(known: list[Way]) -> None:
    keeping, others = ranked(known, [Budget("median", 2.4 * MS)], {way: true(way) for way in few(known)})
    assert keeping[0] is max((way for way in known if true(way) <= 2.4 * MS), key=lambda way: (way.accuracy or 0, -true(way)))
    assert all(true(way) > 2.4 * MS for way in others)


def test_the_nearest_comes_first_of_those_that_keep_nothing(known: list[Way]) -> None:
    keeping, others = ranked(known, [Budget("median", 0.5 * MS)], {way: true(way) for way in few(known)})
    assert not keeping
    assert others[0] is point(known, "0.25x0.5")


def test_a_way_that_breaks_the_budget_when_it_is_measured_again_makes_room_for_the_next(known: list[Way]) -> None:
    asked: list[str] = []

    def again(way: Way) -> tuple[float, bool]:
        asked.append(way.name)
        return true(way), len(asked) == 2

    limits = [Budget("median", 3 * MS), Budget("accuracy", 0.89)]
    way, keeps = search(known, limits, {one: true(one) for one in few(known)}, again, 3)
    assert keeps
    assert len(asked) == 2
    assert way.name == asked[1] != asked[0]


def test_what_is_measured_again_counts_for_the_others(known: list[Way]) -> None:
    """Every way takes twice what was predicted: the second try is a faster one than the first."""
    tried: list[Way] = []

    def again(way: Way) -> tuple[float, bool]:
        tried.append(way)
        return 2 * true(way), 2 * true(way) <= 2 * MS

    way, keeps = search(known, [Budget("median", 2 * MS)], {one: true(one) for one in few(known)}, again, 9)
    assert keeps
    assert way is tried[-1]
    assert true(tried[-1]) < true(tried[0])


def test_where_nothing_keeps_the_budget_only_the_nearest_is_measured(known: list[Way]) -> None:
    tried: list[Way] = []

    def again(way: Way) -> tuple[float, bool]:
        tried.append(way)
        return true(way), False

    assert search(known, [Budget("median", 0.5 * MS)], {one: true(one) for one in few(known)}, again, 3) == (point(known, "0.25x0.5"), False)
    assert tried == [point(known, "0.25x0.5")]
