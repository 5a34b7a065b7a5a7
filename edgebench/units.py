"""Base units <-> text for people: 1420000 ns is "1.42 ms". Nothing else in the tree formats a quantity.

And any text made safe for people's terminals (`plain`).
"""

from __future__ import annotations

import re

NS = (("ns", 1.0), ("µs", 1e3), ("ms", 1e6), ("s", 1e9))
BYTES = (("B", 1.0), ("kB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12))  # decimal, as disks and package indexes count

HERTZ = (("Hz", 1.0), ("kHz", 1e3), ("MHz", 1e6), ("GHz", 1e9))
JOULES = (("µJ", 1e-6), ("mJ", 1e-3), ("J", 1.0), ("kJ", 1e3))
OPERATIONS = (("op/s", 1.0), ("kop/s", 1e3), ("Mop/s", 1e6), ("Gop/s", 1e9), ("Top/s", 1e12))
SECONDS = (("s", 1.0), ("min", 60.0))
UNITS: dict[str, dict[str, float]] = {  # of each kind of quantity, what may follow its number
    "time": dict(NS) | {"us": 1e3},
    "size": dict(BYTES) | {"KB": 1e3, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30},
    "share": {"%": 0.01, "": 1.0},
    "energy": dict(JOULES) | {"uJ": 1e-6},
    "rate": {"/s": 1.0, "": 1.0},
}


def duration_text(ns: float) -> str:
    """Three digits and the unit that keeps the number between 1 and 999: "850 ns", "12.3 µs", "1.42 ms", "90.0 s"."""
    return _scaled(ns, NS)


def duration_ns(text: str) -> int:
    """"50 ms", "50ms", "1.5 s", "20 us": back to ns; ValueError for what is no length of time above 0."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ns|us|µs|ms|s)\s*", text)
    value = round(float(found[1]) * UNITS["time"][found[2]]) if found else 0
    if value <= 0:
        raise ValueError(f"{text!r} is no length of time; give a number and its unit, e.g. 50ms")
    return value


def clock_text(seconds: float) -> str:
    """A length of time as a clock shows it, to the second: 75 is "1:15", 3_675 is "1:01:15"; nothing below 0."""
    minutes, rest = divmod(max(round(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def bytes_text(size: float) -> str:
    """Three digits in decimal units, whole bytes below 1 kB: "872 B", "15.3 MB"."""
    return f"{size:.0f} B" if size < 999.5 else _scaled(size, BYTES)


def hertz_text(hertz: float) -> str:
    """Three digits: "50.0 Hz", "600 MHz", "2.40 GHz"."""
    return _scaled(hertz, HERTZ)


def celsius_text(degrees: float) -> str:
    """With one decimal, which is more than most sensors know: "51.3 °C"."""
    return f"{degrees:.1f} °C"


def percent_text(share: float, *, signed: bool = False) -> str:
    """A share of 1 with one decimal: 0.9117 is "91.2 %", `signed` "+91.2 %"."""
    return f"{_tenths(100 * share, signed)} %"


def points_text(share: float, *, signed: bool = False) -> str:
    """A difference of two shares in points of a hundred, one decimal: -0.021 is "-2.1 points"."""
    return f"{_tenths(100 * share, signed)} points"


def factor_text(ratio: float) -> str:
    """How many times, to the thousandth below 10: "0.998", "1.213", "12.3"."""
    return f"{ratio:.3f}" if ratio < 9.9995 else three_digits(ratio)


def joules_text(joules: float) -> str:
    """Three digits: "820 µJ", "12.3 mJ", "1.42 J"."""
    return _scaled(joules, JOULES)


def operations_text(operations: float) -> str:
    """Three digits: "820 op", "1.26 Gop"."""
    return _scaled(operations, tuple((name.removesuffix("/s"), size) for name, size in OPERATIONS))


def rate_text(per_s: float) -> str:
    """Three digits, or all before the point: "12.3 /s", "1420 /s"."""
    return f"{three_digits(per_s)} /s"


def quantity(text: str, kind: str) -> float:
    """Text -> base units, by the kind of quantity it must be: "50 ms" is 50e6, "200MB" 200e6, "90 %" 0.9, "0.9" 0.9; ValueError otherwise."""
    units = UNITS[kind]
    found = re.fullmatch(r"\s*(\d+(?:_\d+)*(?:\.\d+)?)\s*(\S*)\s*", text, re.ASCII)
    if not found or found[2] not in units:
        raise ValueError(f"{text.strip()!r} is no {kind}; give a number and its unit: {', '.join(one or 'none' for one in units)}")
    return float(found[1]) * units[found[2]]


def quantity_text(number: float, kind: str) -> str:
    """Base units of a kind -> text."""
    shown = {"time": duration_text, "size": bytes_text, "share": percent_text, "energy": joules_text, "rate": rate_text}
    return shown[kind](number)


def three_digits(number: float) -> str:
    """The number with three significant digits, or all before the point where there are more."""
    size = abs(number)
    return f"{number:.2f}" if size < 9.995 else f"{number:.1f}" if size < 99.95 else f"{number:.0f}"


def fitting(largest: float, units: tuple[tuple[str, float], ...]) -> tuple[str, float]:
    """The unit that keeps a number between 1 and 999, and how much of the base unit it is: an axis that ends at 1.42e6 ns is in ("ms", 1e6)."""
    return next(((name, size) for name, size in units if abs(largest) / size < 999.5), units[-1])


def _tenths(number: float, signed: bool) -> str:
    """One decimal, and never a minus before nothing."""
    rounded = round(number, 1) or 0.0
    return f"{rounded:+.1f}" if signed and rounded else f"{rounded:.1f}"


def _scaled(number: float, units: tuple[tuple[str, float], ...]) -> str:
    name, size = fitting(number, units)
    return f"{three_digits(number / size)} {name}"


def plain(text: str) -> str:
    """Without control characters, which a terminal would obey: names and reasons may hold what a model file says."""
    return text if text.isprintable() else "".join(one if one.isprintable() else " " for one in text)
