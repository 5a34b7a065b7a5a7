"""A profile (TOML) -> one device: how to reach it, what it has, and what to expect of it.

    edgebench devices show raspberry-pi-5
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from edgebench import toml
from edgebench.errors import CardError, UnsupportedError, UsageError

ADDRESS = re.compile(r"([A-Za-z0-9_][A-Za-z0-9._-]*@)?[A-Za-z0-9:][A-Za-z0-9._:%-]*")  # never an option: it does not begin with "-"
SAME = {"arm64": "aarch64", "AMD64": "x86_64"}  # other names of a machine, as macOS and Windows have them


class Hold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the measuring processes on this machine are held to. It makes no other device of it: a slow core is not a slowed one.

    `cpus` as the kernel lists them, e.g. "0-1"; `memory_bytes` by a control group where that is allowed, else as a limit of data
    (RLIMIT_DATA); `nice` from -20 to 19, what the kernel calls a priority.
    """

    cpus: str | None = None
    memory_bytes: int | None = None
    nice: int = 0


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One device, or one kind of device. What is null is not known, or is found on the device itself.

    `threads` are the counts a sweep takes unless told otherwise. `limits` are named numbers in base units, e.g.
    `throttle_temp_c`: where the device changes its behaviour. `cool_to_c` is how warm its hottest sensor may be when timing
    begins; where there is none it cannot be waited for. `budgets` are what its user can bear, as
    `edgebench.bench.budgets` reads them: `["p90 <= 50 ms", "peak <= 200 MB"]`.

    For `reach = "ssh"`: `address` is `user@host`, or a name from ssh_config; `port` is what that says unless it is given
    here; `python` is the interpreter there that has edgebench, absolute or below the user's folder; `ssh_config` is a file
    to read in place of the user's own.
    """

    schema: int
    name: str
    about: str
    reach: str  # a name in the group "devices": which executor gets there
    address: str | None = None
    port: int | None = None
    python: str = "python3"
    ssh_config: str | None = None
    threads: tuple[int, ...] = (1,)
    cores: int | None = None
    memory_bytes: tuple[int, ...] = ()  # the sizes it is sold with
    isa: str | None = None  # the machine as `uname -m` names it, a colon, and what else is known of its processor
    engines_expected: tuple[str, ...] = ()
    limits: dict[str, float] = {}
    cool_to_c: float | None = None
    budgets: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()  # where the facts come from
    hold: Hold | None = None  # of a profile called host-...: this machine with less of it


def check_machine(profile: Profile, machine: str) -> None:
    """UnsupportedError where this machine, as `platform.machine()` names it, is not of the profile's kind: its numbers would bear the device's name."""
    wanted = (profile.isa or "").partition(":")[0]
    if wanted and SAME.get(machine, machine) != wanted:
        do = "run edgebench on the device itself" if profile.reach == "local" else "correct the address or take another profile"
        which = "this machine" if profile.reach == "local" else f"the one at {profile.address}"
        raise UnsupportedError(f"profile {profile.name!r} is of a device with {wanted}, and {which} is {machine}; {do}")


def read(path: Path) -> Profile:
    """Parse and check a profile."""
    profile = toml.read(path, Profile)
    if profile.schema != 1:
        raise CardError(f"{path}: schema is {profile.schema}, this edgebench reads schema 1; update edgebench")
    if not profile.threads or min(profile.threads) < 1:
        raise CardError(f"{path}: threads is {list(profile.threads)}; expected counts of 1 or more")
    for text in profile.budgets:
        from edgebench.bench.budgets import Budget  # numpy comes with it, which the far end of a line need not wait for

        try:
            Budget.parse(text)
        except UsageError as error:
            raise CardError(f"{path}: {error}") from error
    if profile.port is not None and not 0 < profile.port < 65536:
        raise CardError(f"{path}: port is {profile.port}; expected 1 to 65535")
    if profile.address is not None:
        try:
            check_address(profile.address)
        except UsageError as error:
            raise CardError(f"{path}: {error}") from error
    if profile.hold:
        _check_hold(profile, path)
    if not profile.python or not profile.python.isprintable() or profile.python.startswith("-"):
        raise CardError(f"{path}: python is {profile.python!r}; expected an interpreter's name or path on the device")
    return profile


def _check_hold(profile: Profile, path: Path) -> None:
    """A machine that is held back must not pass for a device: its profile says so by its name, and claims nothing of another's."""
    assert profile.hold
    if profile.reach != "local" or not profile.name.startswith("host-") or profile.isa or profile.cores or profile.memory_bytes:
        raise CardError(f"{path}: hold is for this machine with less of it, and that is no other device; call the profile host-..., and leave out "
                        "isa, cores and memory_bytes")
    if profile.hold.cpus is not None and not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", profile.hold.cpus):
        raise CardError(f"{path}: hold.cpus is {profile.hold.cpus!r}; expected processors as in 0-1,3")
    if not -20 <= profile.hold.nice <= 19:
        raise CardError(f"{path}: hold.nice is {profile.hold.nice}; expected -20 to 19")


def check_address(address: str) -> None:
    """UsageError for what ssh might take for an option, or a shell for a command."""
    if not ADDRESS.fullmatch(address):
        raise UsageError(f"address is {address!r}; expected user@host, or a name from ssh_config")


def derived(name: str, like: Profile | None, **way: Any) -> Profile:
    """A profile that is reached in another way, `way` being fields of it; of the same kind of device as `like`."""
    about = like.name if like else "A device"
    profile = like or Profile(1, name, "", "ssh")
    return msgspec.structs.replace(profile, name=name, about=f"{about} at {way['address']}.", **way)


def found(profile: Profile, facts: dict[str, Any]) -> Profile:
    """With what the device itself says in place of what is true of its kind."""
    cores, memory = facts["usable_cores"], facts["memory_bytes"]
    isa = f"{facts['machine']}: {cores} x {facts['cpu']}" if facts["cpu"] else facts["machine"]
    threads = tuple(one for one in profile.threads if one <= cores) if profile.threads != (1,) else (1, cores) if cores > 1 else (1,)
    return msgspec.structs.replace(profile, cores=cores, memory_bytes=(memory,) if memory else (), isa=isa, threads=threads or (1,))


def text(profile: Profile) -> str:
    """The TOML file that `read` reads as this profile; what is as usual is left out."""
    usual = {one.name: one.default for one in msgspec.structs.fields(Profile)}
    said = {name: value for name in profile.__struct_fields__ if (value := getattr(profile, name)) != usual[name] and name != "limits"}
    limits = [f"{name} = {value!r}" for name, value in profile.limits.items()]
    return "\n".join([*(f"{name} = {_value(value)}" for name, value in said.items()), *(["", "[limits]", *limits] if limits else [])]) + "\n"


def _value(value: object) -> str:
    """A JSON text, number or list is a TOML one."""
    return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")
