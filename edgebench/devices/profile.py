"""A profile (TOML) -> one device: how to reach it, what it has, and what to expect of it.

    edgebench devices show raspberry-pi-5
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgebench import toml
from edgebench.bench.budgets import Budget
from edgebench.errors import CardError, UnsupportedError, UsageError

SAME = {"arm64": "aarch64", "AMD64": "x86_64"}  # other names of a machine, as macOS and Windows have them


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One device, or one kind of device. What is null is not known, or is found on the device itself.

    `threads` are the counts a sweep takes unless told otherwise. `limits` are named numbers in base units, e.g.
    `throttle_temp_c`: where the device changes its behaviour. `cool_to_c` is how warm its hottest sensor may be when timing
    begins; where there is none it cannot be waited for. `budgets` are what its user can bear, as
    `edgebench.bench.budgets` reads them: `["p90 <= 50 ms", "peak <= 200 MB"]`.
    """

    schema: int
    name: str
    about: str
    reach: str  # a name in the group "devices": which executor gets there
    threads: tuple[int, ...] = (1,)
    cores: int | None = None
    memory_bytes: tuple[int, ...] = ()  # the sizes it is sold with
    isa: str | None = None  # the machine as `uname -m` names it, a colon, and what else is known of its processor
    engines_expected: tuple[str, ...] = ()
    limits: dict[str, float] = {}
    cool_to_c: float | None = None
    budgets: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()  # where the facts come from


def check_machine(profile: Profile, machine: str) -> None:
    """UnsupportedError where this machine, as `platform.machine()` names it, is not of the profile's kind: its numbers would bear the device's name."""
    wanted = (profile.isa or "").partition(":")[0]
    if wanted and SAME.get(machine, machine) != wanted:
        raise UnsupportedError(f"profile {profile.name!r} is of a device with {wanted}, and this machine is {machine}; run edgebench on the device itself")


def read(path: Path) -> Profile:
    """Parse and check a profile."""
    profile = toml.read(path, Profile)
    if profile.schema != 1:
        raise CardError(f"{path}: schema is {profile.schema}, this edgebench reads schema 1; update edgebench")
    if not profile.threads or min(profile.threads) < 1:
        raise CardError(f"{path}: threads is {list(profile.threads)}; expected counts of 1 or more")
    for text in profile.budgets:
        try:
            Budget.parse(text)
        except UsageError as error:
            raise CardError(f"{path}: {error}") from error
    return profile
