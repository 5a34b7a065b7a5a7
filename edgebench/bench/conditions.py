"""The machine before and after each timing process -> what of it may have moved the time, as sentences; what only it could know is a fault.

Counters are read as shares of the time between two states (`edgebench.bench.state`), the greatest of all processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgebench.record import Cooling, Spec
from edgebench.units import bytes_text, celsius_text

Facts = dict[str, Any]
States = Sequence[tuple[Facts, Facts]]  # of each timing process, before and after

STALLED = 0.20  # of the time some process waited for a processor
STOLEN = 0.05  # of the processors' time went to other machines
HELD = 0.05  # of the time the container's limit held processes back
SWAPPED_BYTES = 16_000_000
TICKS_PER_S = 100


def unseen(states: States) -> list[str]:
    """Why a page's time is not to be relied on: browsers slow down what is hidden, and a processor may play the GPU."""
    hidden = sum(bool(after.get("hidden")) for _, after in states)
    software = any(after.get("software_gpu") for _, after in states)
    return [
        *([f"hidden: in {hidden} of {len(states)} processes the page was hidden while it was timed; keep it in front and the screen on"] if hidden else []),
        *(["the GPU is one that a processor plays: the time is none of a GPU; take a browser that has a real one"] if software else []),
    ]


def held_back(states: States) -> list[str]:
    """Why the time is not to be relied on: the machine says that it lowered its clocks against heat or a weak supply."""
    hot = [after for _, after in states if after.get("throttled")]
    if not hot:
        return []
    flags = sorted({flag for one in hot for flag in (one.get("firmware") or {}).get("now", [])})
    temps = [one["temp_c"] for one in hot if one.get("temp_c") is not None]
    seen = [", ".join(flags), f"up to {celsius_text(max(temps))}" if temps else ""]
    said = f" ({'; '.join(filter(None, seen))})" if any(seen) else ""
    return [
        f"throttled: in {len(hot)} of {len(states)} processes the device held itself back{said}; let it cool with --cool-to, give it a fan, or a better supply"
    ]


def remarks(spec: Spec, states: States, host: Facts, cooling: Sequence[Cooling]) -> list[str]:
    """What a reader should know of the machine that is no reason against the cell."""
    found = []
    if held := host.get("held"):
        parts = [f"processors {held['cpus']}" if held["cpus"] else "", f"nice {held['nice']}" if held["nice"] else ""]
        parts.append(f"{bytes_text(held['memory_bytes'])} of memory by {held['memory_by']}" if held["memory_bytes"] else "")
        found.append(f"this machine was held to {', '.join(filter(None, parts)) or 'nothing'}: that is no other device, and its times are not one's")
    if (stalled := _share(states, "cpu_stall_us", 1e6)) > STALLED:
        found.append(f"other work ran beside the timing: for {stalled:.0%} of it some process waited for a processor")
    if (stolen := _share(states, "steal_ticks", TICKS_PER_S * (host.get("cores") or 1))) > STOLEN:
        found.append(f"other machines on the same processor took {stolen:.0%} of its time while this was timed")
    if (held := _share(states, "cpu_limit_stall_us", 1e6)) > HELD:
        found.append(f"the container's processor limit held processes back for {held:.0%} of the timing; ask for fewer threads, or give it more")
    swapped = max((after["swap_used_bytes"] - before["swap_used_bytes"] for before, after in states if _both(before, after, "swap_used_bytes")), default=0)
    if swapped > SWAPPED_BYTES:
        found.append(f"{bytes_text(swapped)} went to swap while this was timed; close other programs")
    if host.get("power_source") == "battery":
        found.append("on battery: clocks may be held down")
    if host.get("governor") == "powersave" and not (host.get("frequency_driver") or "").startswith("intel_pstate"):  # there it is the usual one
        found.append("governor powersave: the clock stays at its lowest")
    if spec.cool_to_c is not None and states and not cooling:
        found.append("no sensor says how warm this device is, so that cooling was not waited for")
    warm = [one for one in cooling if not one.reached]
    if warm:
        waited, most = max(one.waited_s for one in warm), max(one.to_c for one in warm)
        found.append(f"{len(warm)} of {len(cooling)} processes began at up to {celsius_text(most)}, warmer than asked, after {waited:.0f} s of waiting")
    return found


def _share(states: States, name: str, per_s: float) -> float:
    """The greatest share of its process's time by which a counter of `per_s` steps a second moved; 0 where nothing counts."""
    return max(
        (
            (after[name] - before[name]) / per_s / ((after["monotonic_ns"] - before["monotonic_ns"]) / 1e9)
            for before, after in states if _both(before, after, name)
        ),
        default=0.0,
    )


def _both(before: Facts, after: Facts, name: str) -> bool:
    return before.get(name) is not None and after.get(name) is not None
