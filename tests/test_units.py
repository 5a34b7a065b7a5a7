"""Quantities as text: three digits, the right unit on both sides of every boundary."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.units import (
    UNITS,
    bytes_text,
    celsius_text,
    clock_text,
    duration_ns,
    duration_text,
    factor_text,
    hertz_text,
    percent_text,
    points_text,
    quantity,
    quantity_text,
    three_digits,
)


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0.00 ns"), (1, "1.00 ns"), (850, "850 ns"), (999.4, "999 ns"), (999.5, "1.00 µs"), (12_345, "12.3 µs"), (999_499, "999 µs"), (999_500, "1.00 ms"),
        (1_420_000, "1.42 ms"), (9_994_000, "9.99 ms"), (9_996_000, "10.0 ms"), (99_960_000, "100 ms"), (90e9, "90.0 s"), (7_200e9, "7200 s"),
        (-1_420_000, "-1.42 ms"),
    ],
)
def test_a_duration(ns: float, text: str) -> None:
    assert duration_text(ns) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (872, "872 B"), (999, "999 B"), (1_000, "1.00 kB"), (1_024, "1.02 kB"), (15_300_000, "15.3 MB"), (8.59e9, "8.59 GB"), (3e15, "3000 TB")],
)
def test_a_size_in_decimal_units(size: float, text: str) -> None:
    assert bytes_text(size) == text


@pytest.mark.parametrize(("hertz", "text"), [(50, "50.0 Hz"), (600e6, "600 MHz"), (999.6e6, "1.00 GHz"), (2_400_000_000, "2.40 GHz")])
def test_a_frequency(hertz: float, text: str) -> None:
    assert hertz_text(hertz) == text


@pytest.mark.parametrize(("degrees", "text"), [(51.3, "51.3 °C"), (0.04, "0.0 °C"), (-5, "-5.0 °C")])
def test_a_temperature(degrees: float, text: str) -> None:
    assert celsius_text(degrees) == text


@pytest.mark.parametrize(("share", "text"), [(0, "0.0 %"), (0.9117, "91.2 %"), (1, "100.0 %"), (-0.021, "-2.1 %")])
def test_a_share_in_per_cent(share: float, text: str) -> None:
    assert percent_text(share) == text


@pytest.mark.parametrize(("number", "text"), [(1.006, "1.01"), (9.994, "9.99"), (9.996, "10.0"), (99.96, "100"), (12_345.6, "12346"), (-0.5, "-0.50")])
def test_three_digits(number: float, text: str) -> None:
    assert three_digits(number) == text


@given(st.floats(min_value=1, max_value=999e9))
def test_every_duration_has_three_digits_and_is_right_to_half_of_the_last(ns: float) -> None:
    number, unit = duration_text(ns).split()
    assert len(number.replace(".", "")) == 3
    assert float(number) * {"ns": 1, "µs": 1e3, "ms": 1e6, "s": 1e9}[unit] == pytest.approx(ns, rel=0.0051)


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (9.4, "0:09"), (59.5, "1:00"), (75, "1:15"), (3599, "59:59"), (3675, "1:01:15"), (-3, "0:00")])
def test_a_length_of_time_is_told_like_a_clock(seconds: float, text: str) -> None:
    assert clock_text(seconds) == text


@pytest.mark.parametrize(("text", "ns"), [("50ms", 50_000_000), ("1.5 s", 1_500_000_000), (" 20 us ", 20_000), ("20µs", 20_000), ("7 ns", 7)])
def test_a_length_of_time_is_read_with_its_unit(text: str, ns: int) -> None:
    assert duration_ns(text) == ns


@pytest.mark.parametrize("text", ["", "50", "ms", "0 ms", "-5 ms", "50 min", "1e3 ms"])
def test_what_is_no_length_of_time_says_so(text: str) -> None:
    with pytest.raises(ValueError, match="is no length of time; give a number and its unit, e.g. 50ms"):
        duration_ns(text)


@pytest.mark.parametrize(
    ("text", "kind", "number"),
    [
        ("50 ms", "time", 50e6), ("50ms", "time", 50e6), (" 20 us ", "time", 20e3), ("1.5 s", "time", 1.5e9), ("200 MB", "size", 200e6),
        ("1 GiB", "size", 2**30),
        ("90 %", "share", 0.9), ("90%", "share", 0.9), ("0.9", "share", 0.9), ("3 J", "energy", 3), ("3 mJ", "energy", 0.003), ("100 /s", "rate", 100),
        ("1_000", "rate", 1000), ("0 B", "size", 0),
    ],
)
def test_a_quantity_is_read_into_its_base_unit(text: str, kind: str, number: float) -> None:
    assert quantity(text, kind) == pytest.approx(number, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("50", "time", "'50' is no time; give a number and its unit: ns, µs, ms, s, us"), ("50 MB", "time", "'50 MB' is no time"),
        ("-5 MB", "size", "'-5 MB' is no size"), ("1e3 B", "size", "is no size"), ("much", "share", "'much' is no share; give a number and its unit: %, none"),
        ("nan", "share", "is no share"), ("٣ J", "energy", "is no energy"), ("", "rate", "'' is no rate"),
    ],
)
def test_what_is_no_quantity_of_its_kind_says_what_is(text: str, kind: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        quantity(text, kind)


@pytest.mark.parametrize(
    ("number", "kind", "text"),
    [(50e6, "time", "50.0 ms"), (2e8, "size", "200 MB"), (0.9, "share", "90.0 %"), (0.00082, "energy", "820 µJ"), (1420.4, "rate", "1420 /s")],
)
def test_a_quantity_of_a_kind_as_text(number: float, kind: str, text: str) -> None:
    assert quantity_text(number, kind) == text


@given(st.sampled_from(sorted(UNITS)), st.floats(min_value=0.001, max_value=999))
def test_a_quantity_as_text_is_read_back_to_three_digits(kind: str, number: float) -> None:
    assert quantity(quantity_text(number, kind), kind) == pytest.approx(number, rel=0.006, abs={"share": 0.0006, "size": 0.6}.get(kind, 0.006))


@pytest.mark.parametrize(("ratio", "text"), [(0.9981, "0.998"), (1, "1.000"), (9.9994, "9.999"), (9.9996, "10.0"), (123.4, "123")])
def test_how_many_times(ratio: float, text: str) -> None:
    assert factor_text(ratio) == text


def test_a_difference_of_shares_is_told_in_points() -> None:
    assert points_text(-0.0214) == "-2.1 points"


@pytest.mark.parametrize(("share", "text"), [(0.0214, "+2.1 %"), (-0.0214, "-2.1 %"), (0.0004, "0.0 %"), (-0.0004, "0.0 %")])
def test_a_change_has_a_sign_unless_it_is_nothing(share: float, text: str) -> None:
    assert percent_text(share, signed=True) == text
    assert points_text(share, signed=True) == text.replace("%", "points")
    assert percent_text(share) == text.removeprefix("+")
