"""The roofs: the best repetition by a clock the test sets, the largest cache of a recorded tree, and one real, tiny measurement."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path

import pytest

from edgebench.bench import roofline
from edgebench.bench.roofline import Effort, best_s, largest_cache_bytes, measured


def ticking(*seconds: float) -> Effort:
    """A clock that shows the begin, then the start and the end of each repetition of so many seconds; the last goes on for ever."""

    def times() -> Iterator[float]:
        now = 0.0
        yield now
        for one in chain(seconds, repeat(seconds[-1])):
            yield now
            now += one
            yield now

    return Effort(least=3, least_s=0.0, clock=times().__next__)


def test_the_shortest_repetition_counts() -> None:
    assert best_s(lambda: None, ticking(4.0, 2.0, 3.0)) == 2.0


def test_a_repetition_goes_before_those_that_count() -> None:
    calls: list[int] = []
    best_s(lambda: calls.append(1), ticking(1.0))
    assert len(calls) == 1 + 3


def test_repetitions_go_on_until_the_time_is_over() -> None:
    calls: list[int] = []
    found = best_s(lambda: calls.append(1), Effort(least=3, least_s=10.0, clock=ticking(4.0, 4.0, 4.0, 1.0).clock))
    assert (len(calls), found) == (1 + 3, 4.0)


def test_a_roof_is_operations_and_bytes_over_the_best_time() -> None:
    """Every repetition takes 2 s: a copy and a scaling of 4 MB move 8 MB, a reading half of that."""
    shape = (8, 16, 32)
    roof, notes = measured(1, Effort(shapes=(shape,), least=3, least_s=0.0, array_bytes=4_000_000, clock=steady(2.0)))
    assert notes == []
    assert roof.ops_per_s == {"fp32": 2 * 8 * 16 * 32 / 2, "int8": 2 * 8 * 16 * 32 / 2}
    assert roof.bytes_per_s == 2 * 4_000_000 / 2
    assert roof.threads == 1
    assert "8x16x32" in roof.method
    assert "copy of 3 MiB" in roof.method


def steady(seconds: float) -> roofline.Clock:
    """Each repetition, which asks for the time when it begins and when it ends, takes so long."""
    now, asked = 0.0, -1

    def clock() -> float:
        nonlocal now, asked
        asked = (asked + 1) % 7  # the begin, and three repetitions
        now += seconds if asked in (2, 4, 6) else 0.0
        return now

    return clock


@pytest.mark.parametrize("threads", [1, 2])
def test_a_real_roof_has_every_number(threads: int) -> None:
    roof, _ = measured(threads, Effort(shapes=((16, 16, 16),), least=1, least_s=0.0, array_bytes=1 << 16))
    assert set(roof.ops_per_s) == {"fp32", "int8"}
    assert min(*roof.ops_per_s.values(), roof.bytes_per_s) > 0
    assert roof.threads == threads


def test_the_largest_cache_is_what_the_kernel_lists(tmp_path: Path) -> None:
    for place, size in enumerate(["32K", "512K", "16M"]):
        folder = tmp_path / f"sys/devices/system/cpu/cpu0/cache/index{place}"
        folder.mkdir(parents=True)
        (folder / "size").write_text(f"{size}\n")
    assert largest_cache_bytes(tmp_path) == 16 << 20


def test_no_listed_cache_is_none(tmp_path: Path) -> None:
    assert largest_cache_bytes(tmp_path) is None
