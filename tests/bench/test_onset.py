"""When a sustained run became slower, in whole sentences."""

from __future__ import annotations

from edgebench.bench.onset import onset
from edgebench.record import Window


def windows(*medians_ms: float, temps: tuple[float, ...] = (), freqs: tuple[int, ...] = (), throttled: tuple[bool, ...] = ()) -> list[Window]:
    """Of five seconds each."""
    return [
        Window(
            at_ns=5_000_000_000 * (place + 1), runs=100, median_ns=round(1e6 * one), temp_c=temps[place] if temps else None,
            freq_hz=freqs[place] if freqs else None, throttled=throttled[place] if throttled else None,
        )
        for place, one in enumerate(medians_ms)
    ]


def test_a_device_that_keeps_its_pace_has_no_onset() -> None:
    assert onset(windows(*[10.0, 10.1] * 10)) is None


def test_a_run_of_few_windows_tells_nothing() -> None:
    assert onset(windows(10, 10, 20, 20)) is None


def test_a_change_too_small_to_matter_is_none() -> None:
    assert onset(windows(*[10.0] * 12, *[10.4] * 12)) is None


def test_the_onset_is_the_end_of_the_last_window_before() -> None:
    found = onset(windows(*[10.0] * 13, *[13.0] * 12))
    assert found is not None
    assert (found.at_s, found.ratio, found.throttled, found.temp_c, found.freq_hz) == (65, 1.3, None, None, None)
    assert str(found) == "slower from 1:05 on: a call takes 1.300 as long as before"


def test_heat_clock_and_the_devices_own_word_are_told() -> None:
    found = onset(
        windows(
            *[10.0] * 6, *[20.0] * 6, temps=(50.0,) * 6 + (81.0,) * 6, freqs=(2_400_000_000,) * 6 + (1_200_000_000,) * 6,
            throttled=(False,) * 6 + (False, True, True, True, True, True),
        )
    )
    assert str(found) == "throttled from 0:30 on: a call takes 2.000 as long as before; 50.0 °C, then 81.0 °C; 2.40 GHz, then 1.20 GHz"


def test_a_run_that_becomes_faster_is_told_as_one() -> None:
    assert str(onset(windows(*[10.0] * 8, *[8.0] * 8))) == "faster from 0:40 on: a call takes 0.800 as long as before"
