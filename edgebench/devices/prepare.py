"""A device with Python and nothing else -> one that can measure; and back again.

    edgebench devices prepare desk-pi
    edgebench devices clean desk-pi

Looked at first, then given a virtual environment of its own in the folder where copied models lie, which is preferred to the profile's Python from
then on. The wheels come from here (`edgebench.devices.kit`); what the device has already is not copied again. A phone has no Python
that would do, and is brought one first (`edgebench.devices.runtime`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from edgebench.devices import kit
from edgebench.devices.kit import Far, Wheel
from edgebench.devices.line import ASK_S, SLOWEST_BYTES_PER_S, LineExecutor
from edgebench.devices.profile import Profile, check_machine
from edgebench.errors import DeviceError, UsageError
from edgebench.units import bytes_text

CHECK_S = 900.0  # the first imports, with their bytecode to be written on a slow card
ROOM = 1.2  # bytecode takes a fifth beside the files


class Prepared(msgspec.Struct, frozen=True):
    """What was done: the wheels that were copied, how many were there before, why engines are left out, and the versions that the far worker tells."""

    far: Far
    copied: list[Wheel]
    kept: int
    without: dict[str, str]
    packages: dict[str, str]


class Cleaned(msgspec.Struct, frozen=True):
    """The folder that there is no more; `size_bytes` is null where there was none."""

    folder: str
    size_bytes: int | None


def engines(profile: Profile, bits: int = 64) -> list[str]:
    """Those that the profile expects and that a kit can have, or ONNX Runtime; on a 32-bit system TFLite, which alone has a wheel."""
    usual = "tflite" if bits == 32 else "onnxruntime"
    return [one for one in profile.engines_expected if one in kit.ENGINES] or [usual]


def prepare(executor: LineExecutor, named: Sequence[str] = (), *, tell: Callable[[str], None]) -> Prepared:
    """Bring edgebench and the engines `named`, else the profile's, to the device; `tell` hears what goes on.

    UnsupportedError where it has no Python that will do, or no engine has a wheel for it; DeviceError where there is no room.
    """
    unknown = sorted(set(named) - set(kit.ENGINES))
    if unknown:
        raise UsageError(f"engine is {unknown[0]!r}; expected one that wheels are known for: {', '.join(kit.ENGINES)}")
    who = executor.who
    executor.bring_python(tell)
    with executor.bare() as ask:
        far = msgspec.convert(ask({"ask": "look"}), Far)
        tell(f"{who}: {far.about}; {bytes_text(far.free_bytes)} free")
        kit.check(far, who)
        check_machine(executor.profile, far.architecture)
        chosen = list(named) or engines(executor.profile, far.bits)
        wheels, without = kit.gathered(far, who, chosen, asked=bool(named))
        modules = kit.modules([one for one in chosen if one not in without], far)
        copied = [one for one in wheels if one.sha256 not in far.wheels]
        if copied or len(far.wheels) != len(wheels):
            _check_room(far, copied, who)
            tell(f"copying {len(copied)} wheels, {bytes_text(sum(one.size_bytes for one in copied))}")
            _make(ask, wheels, copied, modules)
        else:
            ask({"ask": "check", "modules": modules}, limit_s=CHECK_S)
    packages = {name: version for name, version in executor.facts()["packages"].items() if version}
    return Prepared(far, copied, len(wheels) - len(copied), without, packages)


def clean(executor: LineExecutor) -> Cleaned:
    """Remove everything that edgebench has on the device: what `prepare` made and brought, and the models that were copied."""
    gone = Cleaned("", None)
    if executor.has_python():
        with executor.bare() as ask:
            gone = msgspec.convert(ask({"ask": "clean"}), Cleaned)
    taken = executor.take_python()
    return Cleaned(taken[0], (taken[1] + (gone.size_bytes or 0)) or None) if taken else gone


def _check_room(far: Far, copied: Sequence[Wheel], who: str) -> None:
    needed = int(ROOM * sum(one.unpacked_bytes for one in copied)) + max((one.size_bytes for one in copied), default=0) + kit.SPARE_BYTES
    if needed > far.free_bytes:
        raise DeviceError(f"{who}: {bytes_text(needed)} are needed there and {bytes_text(far.free_bytes)} are free; make room, or take one engine (--engine)")


def _make(ask: Callable[..., Any], wheels: Sequence[Wheel], copied: Sequence[Wheel], modules: Sequence[str]) -> None:
    ordered = sorted(wheels, key=lambda one: one not in copied)  # those that follow come first, as `bare` reads them
    request = {"ask": "make", "wheels": [one.said() for one in ordered], "follow": [one.sha256 for one in copied], "modules": list(modules)}
    size = sum(one.size_bytes for one in copied)
    ask(request, [one.path for one in ordered if one in copied], limit_s=ASK_S + CHECK_S + size / SLOWEST_BYTES_PER_S)
