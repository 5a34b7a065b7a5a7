"""The contract of a meter: it counts the joules of a window.

A probe is a function that looks for one meter on this machine, and gives it, or one sentence on why there is none. Those
of other packages are named by entry points of the group `edgebench.probes`, and are tried before edgebench's own.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from edgebench.record import Spec


class Meter(Protocol):
    """`begin`, then `look` about twice a second, then `end`; and again for the next window.

    A meter that shows power and not energy takes its samples when it is looked at. Whatever makes a window worthless
    (a sensor that fails, a battery that is charged meanwhile) is an UnsupportedError with one sentence.
    """

    name: str  # of the method, as the record tells it: "rapl", ...
    scope: str  # what it sees, e.g. "package-0", "whole device"
    window_s: float  # shorter windows say nothing with it

    def begin(self) -> None:
        """A window begins now."""
        ...

    def look(self) -> None:
        """Within a window: read what would be lost otherwise."""
        ...

    def end(self) -> float:
        """The window ends now; its joules."""
        ...


# (the cell, the root of the file system) -> the meter, or why there is none; the root is another one in tests
Probe = Callable[[Spec, Path], Meter | str]
