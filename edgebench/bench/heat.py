"""A warm device -> a cooler one, by its sensors and not by the clock: waiting for nothing is time lost, too little is a wrong number."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from edgebench.bench import state
from edgebench.record import Cooling, Spec

POLL_S = 1.0


def cool(
    spec: Spec, *, root: Path = Path("/"), clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep,
) -> Cooling | None:
    """Wait until the hottest sensor is at `spec.cool_to_c` or below, at most `spec.cool_cap_s`.

    None where the spec does not ask for it, or no sensor says how warm it is. Caches and clocks go to sleep meanwhile:
    warm up afterwards.
    """
    begin, first = clock(), state.temp_c(root)
    if spec.cool_to_c is None or first is None:
        return None
    last = first
    while last > spec.cool_to_c and clock() - begin < spec.cool_cap_s:
        sleep(min(POLL_S, max(spec.cool_cap_s - (clock() - begin), 0)))
        last = state.temp_c(root) or last  # a sensor that misses a reading has not cooled
    return Cooling(from_c=first, to_c=last, waited_s=clock() - begin, reached=last <= spec.cool_to_c)
