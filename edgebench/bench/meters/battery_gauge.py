"""The battery's own gauge: what was taken out of it, which is the whole device, screen and radio included.

On mains it says nothing of what the device uses. Gauges count in steps, usually of 10 mWh (36 J) or 1 mAh, and are renewed
every few seconds at best, so a window has to be long. Units are those of the kernel's power supply class: µWh, µAh, µV, µW, µA.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import fmean

from edgebench.bench import sysfs
from edgebench.errors import UnsupportedError
from edgebench.record import Spec

J_PER_UWH = 3.6e-3
C_PER_UAH = 3.6e-3
SUPPLIES = "sys/class/power_supply"


@dataclass(frozen=True)
class Reading:
    """What a battery says at one moment: as much of it as its driver has."""

    at_s: float
    status: str | None
    energy_uwh: int | None
    charge_uah: int | None
    volts: float | None
    watts: float | None


class BatteryGauge:
    """All batteries of the device together."""

    name = "battery_gauge"
    scope = "whole device"
    window_s = 60.0

    def __init__(self, batteries: list[Path], clock: Callable[[], float] = time.monotonic) -> None:
        self._batteries, self._clock = batteries, clock
        self._readings: list[list[Reading]] = []

    def begin(self) -> None:
        self._readings = [[] for _ in self._batteries]
        self.look()

    def look(self) -> None:
        for battery, readings in zip(self._batteries, self._readings, strict=True):
            readings.append(read(battery, self._clock()))

    def end(self) -> float:
        self.look()
        if any(one.status == "Charging" for readings in self._readings for one in readings):
            raise UnsupportedError("the battery was charged meanwhile; leave the device unplugged")
        return sum(map(used_j, self._readings))


def find(spec: Spec, root: Path) -> BatteryGauge | str:
    """The batteries that drive this device, not those of a mouse."""
    supplies = sorted((root / SUPPLIES).glob("*"))
    batteries = [one for one in supplies if sysfs.text(one / "type") == "Battery" and sysfs.text(one / "scope") != "Device"]
    if not batteries:
        return f"battery_gauge: there is no battery in /{SUPPLIES}"
    states = {one.name: sysfs.text(one / "status") for one in batteries}
    on_mains = any(sysfs.number(one / "online") == 1 for one in supplies if one not in batteries)
    if on_mains or "Charging" in states.values() or "Discharging" not in states.values():
        said = ", ".join(f"{name} is {(state or 'silent').lower()}" for name, state in states.items())
        return f"battery_gauge: {said}: on mains a gauge does not show what the device uses; unplug it"
    readings = [read(one, 0.0) for one in batteries]
    if not all(map(_is_enough, readings)):
        return "battery_gauge: the driver tells neither energy nor charge with voltage nor power"
    return BatteryGauge(batteries)


def read(battery: Path, at_s: float) -> Reading:
    """All the files of one battery."""
    energy, charge, voltage, power, current = (sysfs.number(battery / f"{what}_now") for what in ("energy", "charge", "voltage", "power", "current"))
    volts = None if voltage is None else voltage / 1e6
    if power is not None:
        watts: float | None = abs(power) / 1e6
    else:  # the sign of a current is one driver's taste or another's
        watts = None if current is None or volts is None else abs(current) / 1e6 * volts
    return Reading(at_s, sysfs.text(battery / "status"), energy, charge, volts, watts)


def used_j(readings: Sequence[Reading]) -> float:
    """What left the battery between the first reading and the last.

    By its energy; else by its charge times the mean voltage, not by the difference of two products: the voltage falls
    under load, and a whole battery times that fall is more than any window uses; else by power over time.
    """
    first, last = readings[0], readings[-1]
    if first.energy_uwh is not None and last.energy_uwh is not None:
        return (first.energy_uwh - last.energy_uwh) * J_PER_UWH
    volts = [one.volts for one in readings if one.volts is not None]
    if first.charge_uah is not None and last.charge_uah is not None and volts:
        return (first.charge_uah - last.charge_uah) * C_PER_UAH * fmean(volts)
    known = [(one.at_s, one.watts) for one in readings if one.watts is not None]
    if len(known) < 2:
        raise UnsupportedError("the battery's gauge fell silent; measure again")
    return sum((later - sooner) * (one + other) / 2 for (sooner, one), (later, other) in pairwise(known))


def _is_enough(one: Reading) -> bool:
    return one.energy_uwh is not None or (one.charge_uah is not None and one.volts is not None) or one.watts is not None
