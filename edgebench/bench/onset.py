"""The windows of a sustained run -> from when on the device was slower, by how much, and what its heat and clock did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from edgebench.bench.trend import step
from edgebench.record import Window
from edgebench.units import celsius_text, clock_text, factor_text, hertz_text

LARGE = 0.05  # a change of level of less is not called one


@dataclass(frozen=True, slots=True)
class Onset:
    """`at_s` after the first timed call the median call took `ratio` times as long as before; what no sensor says is None."""

    at_s: float
    ratio: float
    temp_c: tuple[float, float] | None  # before and after, medians
    freq_hz: tuple[float, float] | None
    throttled: bool | None  # as the machine itself says

    def __str__(self) -> str:
        what = "throttled" if self.throttled else "slower" if self.ratio > 1 else "faster"
        said = [f"{what} from {clock_text(self.at_s)} on: a call takes {factor_text(self.ratio)} as long as before"]
        if self.temp_c:
            said.append(f"{celsius_text(self.temp_c[0])}, then {celsius_text(self.temp_c[1])}")
        if self.freq_hz:
            said.append(f"{hertz_text(self.freq_hz[0])}, then {hertz_text(self.freq_hz[1])}")
        return "; ".join(said)


def onset(windows: Sequence[Window]) -> Onset | None:
    """Where the windows' medians change their level by 5 % or more, by Pettitt's test; None where they do not, or are fewer than 6."""
    found = step([one.median_ns for one in windows])
    if found is None or abs(found.ratio - 1) < LARGE:
        return None
    before, after = windows[: found.place], windows[found.place :]
    flags = [one.throttled for one in after if one.throttled is not None]
    return Onset(
        at_s=before[-1].at_ns / 1e9, ratio=found.ratio, throttled=any(flags) if flags else None,
        temp_c=_levels([one.temp_c for one in before], [one.temp_c for one in after]),
        freq_hz=_levels([one.freq_hz for one in before], [one.freq_hz for one in after]),
    )


def _levels(before: Sequence[float | None], after: Sequence[float | None]) -> tuple[float, float] | None:
    first, then = ([one for one in side if one is not None] for side in (before, after))
    return (median(first), median(then)) if first and then else None
