"""Base units <-> text for people: 1420000 ns is "1.42 ms". Nothing else in the tree formats a quantity.

And any text made safe for people's terminals (`plain`).
"""

from __future__ import annotations

NS = (("ns", 1.0), ("µs", 1e3), ("ms", 1e6), ("s", 1e9))
BYTES = (("B", 1.0), ("kB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12))  # decimal, as disks and package indexes count

HERTZ = (("Hz", 1.0), ("kHz", 1e3), ("MHz", 1e6), ("GHz", 1e9))


def duration_text(ns: float) -> str:
    """Three digits and the unit that keeps the number between 1 and 999: "850 ns", "12.3 µs", "1.42 ms", "90.0 s"."""
    return _scaled(ns, NS)


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


def percent_text(share: float) -> str:
    """A share of 1 with one decimal: 0.9117 is "91.2 %"."""
    return f"{100 * share:.1f} %"


def three_digits(number: float) -> str:
    """The number with three significant digits, or all before the point where there are more."""
    size = abs(number)
    return f"{number:.2f}" if size < 9.995 else f"{number:.1f}" if size < 99.95 else f"{number:.0f}"


def _scaled(number: float, units: tuple[tuple[str, float], ...]) -> str:
    name, size = next(((name, size) for name, size in units if abs(number) / size < 999.5), units[-1])
    return f"{three_digits(number / size)} {name}"


def plain(text: str) -> str:
    """Without control characters, which a terminal would obey: names and reasons may hold what a model file says."""
    return "".join(one if one.isprintable() else " " for one in text)
