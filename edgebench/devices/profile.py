"""A profile (TOML) -> one device: how to reach it, what it has, and what to expect of it.

    edgebench devices show raspberry-pi-5
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgebench import toml
from edgebench.bench.budgets import Budget
from edgebench.errors import CardError, UsageError


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One device, or one kind of device. What is null is not known, or is found on the device itself.

    `threads` are the counts a sweep takes unless told otherwise. `limits` are named numbers in base units, e.g.
    `throttle_temp_c`: where the device changes its behaviour. `budgets` are what its user can bear, as
    `edgebench.bench.budgets` reads them: `["p90 <= 50 ms", "peak <= 200 MB"]`.
    """

    schema: int
    name: str
    about: str
    reach: str  # a name in the group "devices": which executor gets there
    threads: tuple[int, ...] = (1,)
    cores: int | None = None
    memory_bytes: tuple[int, ...] = ()  # the sizes it is sold with
    isa: str | None = None
    engines_expected: tuple[str, ...] = ()
    limits: dict[str, float] = {}
    budgets: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()  # where the facts come from


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
