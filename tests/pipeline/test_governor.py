"""A governor holds its target while the machine slows down and recovers, on a clock of the test's own."""

from __future__ import annotations

import warnings
from random import Random

import pytest

from edgebench.pipeline.governor import WINDOW, Cost, Governor, LatencyWarning

MS = 1e6
COSTS = [Cost(4 * MS, 0), Cost(2 * MS, 0), Cost(1 * MS, 0)]


def run(governor: Governor, calls: int, slow: float, *, noise: float = 0.05, seed: int = 0) -> tuple[list[int], list[bool]]:
    """The points that were chosen and whether each call was in time, on a machine `slow` times as slow as it was."""
    random, points, held = Random(seed), [], []
    for _ in range(calls):
        at = governor.choose(10)
        took = governor.costs[at].of(10) * slow * (1 + noise * random.random())
        governor.observe(at, 10, took)
        points.append(at)
        held.append(took <= governor.target_ns)
    return points, held


def test_the_most_accurate_point_that_is_in_time_is_taken() -> None:
    assert [Governor(target * MS, COSTS).choose(10) for target in (5, 3, 1.5)] == [0, 1, 2]


def test_a_longer_input_is_given_a_faster_point() -> None:
    governor = Governor(5 * MS, [Cost(1 * MS, 0.1 * MS), Cost(1 * MS, 0.01 * MS)])
    assert (governor.choose(30), governor.choose(60)) == (0, 1)


def test_the_cheapest_is_taken_where_none_is_in_time() -> None:
    assert Governor(0.5 * MS, COSTS).choose(10) == 2


def test_the_target_is_held_in_19_of_20_calls_when_the_load_doubles() -> None:
    governor = Governor(5 * MS, COSTS)
    assert set(run(governor, 500, 1.0)[0]) == {0}
    points, held = run(governor, 500, 2.0)
    assert sum(held) >= 0.95 * len(held)
    assert set(points[WINDOW:]) == {1}


def test_it_goes_back_when_the_load_goes() -> None:
    governor = Governor(5 * MS, COSTS)
    run(governor, 200, 2.0)
    points, held = run(governor, 200, 1.0)
    assert points[-1] == 0
    assert all(held)


def test_it_changes_its_mind_at_most_once_in_a_window_downwards() -> None:
    governor = Governor(5 * MS, COSTS)
    for turn in range(20):  # load that comes and goes faster than anyone could follow
        run(governor, 8, 2.0 if turn % 2 else 1.0, seed=turn)
    assert governor.changes <= 2 * (160 // WINDOW + 1)


def test_a_target_nothing_can_hold_is_said_once() -> None:
    governor = Governor(0.5 * MS, COSTS)
    with pytest.warns(LatencyWarning, match="100% of the last 32 calls took longer than 0.5 ms") as said:
        run(governor, 200, 1.0)
    assert len(said) == 1
    assert governor.late == governor.calls == 200
    assert governor.held == 0


def test_a_target_that_is_held_is_not_spoken_of() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(Governor(5 * MS, COSTS), 200, 1.0)


def test_a_cost_is_the_line_through_its_times_and_never_falls() -> None:
    assert Cost.fitted({10: 2 * MS, 110: 7 * MS}).of(60) == pytest.approx(4.5 * MS)
    assert Cost.fitted({10: 7 * MS, 110: 2 * MS}).of(110) == 7 * MS


@pytest.mark.parametrize(("target", "costs"), [(0, COSTS), (MS, [])])
def test_nothing_to_hold_or_to_choose_from_is_an_error(target: float, costs: list[Cost]) -> None:
    with pytest.raises(ValueError, match="expected more than 0 ns, and a point"):
        Governor(target, costs)
