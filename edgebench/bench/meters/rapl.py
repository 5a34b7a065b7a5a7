"""RAPL: what the processor packages of Intel and AMD count themselves (David et al., RAPL, ISLPED 2010), by Linux's powercap.

The counters are in steps of some microjoules, renewed about once a millisecond, and wrap around: at 65 kJ or more, which
no two looks are apart. They see the packages and nothing else of the machine: neither memory nor disk nor screen.
"""

from __future__ import annotations

from pathlib import Path

from edgebench.bench import sysfs
from edgebench.errors import UnsupportedError
from edgebench.record import Spec

ZONES = "sys/class/powercap"


class Rapl:
    """All packages together. The zones within a package, and "psys", which contains the packages, are left out."""

    name = "rapl"
    window_s = 2.0

    def __init__(self, packages: list[Path]) -> None:
        self.scope = " + ".join(sysfs.text(package / "name") or package.name for package in packages)
        self._packages = packages
        self._ranges_uj = [sysfs.number(package / "max_energy_range_uj") or 0 for package in packages]
        self._last_uj: list[int] = []
        self._total_uj = 0

    def begin(self) -> None:
        self._last_uj, self._total_uj = self._counters(), 0

    def look(self) -> None:
        now = self._counters()
        for last, here, whole in zip(self._last_uj, now, self._ranges_uj, strict=True):
            self._total_uj += here - last if here >= last else here - last + whole
        self._last_uj = now

    def end(self) -> float:
        self.look()
        return self._total_uj / 1e6

    def _counters(self) -> list[int]:
        found = [sysfs.number(package / "energy_uj") for package in self._packages]
        known = [one for one in found if one is not None]
        if len(known) < len(found):
            raise UnsupportedError(f"{self.scope}: a counter that could be read cannot be read any more; measure again")
        return known


def find(spec: Spec, root: Path) -> Rapl | str:
    """The packages of this machine."""
    packages = [zone for zone in sorted((root / ZONES).glob("intel-rapl:*")) if (sysfs.text(zone / "name") or "").startswith("package")]
    if not packages:
        return f"rapl: there is no processor package in /{ZONES}"
    if any(sysfs.number(package / "energy_uj") is None for package in packages):
        return f"rapl: only root may read the counters; allow it with: {ALLOW}"
    return Rapl(packages)


ALLOW = f"sudo chmod a+r /{ZONES}/intel-rapl:*/energy_uj"  # until the next start; closed to users since CVE-2020-8694
