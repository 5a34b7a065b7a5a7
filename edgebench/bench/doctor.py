"""What was found on this machine -> findings: what works here, what can be sensed, what makes it noisy, and what to do about it.

Pure: `tryout` finds, this judges, and `edgebench doctor` prints. A finding that would say nothing is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec

from edgebench.bench import sysfs
from edgebench.bench.meters import rapl
from edgebench.bench.meters.base import Meter
from edgebench.bench.stats import percentile
from edgebench.bench.trend import drift
from edgebench.bench.tryout import Engine, Extra, Folder, Model
from edgebench.units import bytes_text, celsius_text, duration_text, hertz_text, percent_text

Facts = dict[str, Any]

BUSY = 0.5  # load average
WAITED = 0.05  # share of the time in which some process waited for a processor
STOLEN = 0.01  # share of the time that went to another virtual machine
SPREAD = 0.05  # nine tenths of the runs of a fixed calculation beyond its median, or its drift from the first to the last
SWAPPED_BYTES = 64 << 20
WARM_C = 70.0
SLOW_CLOCKS = ("hpet", "acpi_pm", "jiffies")  # a microsecond or more for each look
CPUS = "/sys/devices/system/cpu"


class Finding(msgspec.Struct, frozen=True):
    """One line. `do` is the command, or the sentence, that helps; empty where nothing needs to be done or can be."""

    group: Literal["works here", "sensors", "noise"]
    name: str
    state: Literal["ok", "warn", "missing"]
    said: str
    do: str = ""


# what works here


def works(engines: Iterable[Engine], models: Iterable[Model], extras: Iterable[Extra], folders: Iterable[Folder]) -> list[Finding]:
    """One finding for each engine, model and extra, and one for the folders."""
    return [*map(_engine, engines), *map(_model, models), *map(_extra, extras), _folders(list(folders))]


def _engine(one: Engine) -> Finding:
    if one.error:
        said, do = _halves(one.error)
        return Finding("works here", one.name, "missing" if one.missing else "warn", said, one.install or do)
    if one.first_answer_ns is None:
        return Finding("works here", one.name, "ok", f"{one.version}; no bundled model is in a format that it opens")
    took = duration_text(one.first_answer_ns)
    return Finding("works here", one.name, "ok", f"{one.version}: opens {one.model} and answers, the first time after {took}")


def _halves(error: str) -> tuple[str, str]:
    """What is wrong, and what to do, of a message of ours."""
    said, _, do = error.rpartition("; ")
    return (said, do) if said else (do, "")


def _model(one: Model) -> Finding:
    if one.error:
        return Finding("works here", one.name, "warn", *_halves(one.error))
    return Finding("works here", one.name, "ok", f"bundled, {one.files} file{'s' if one.files != 1 else ''} with the right digests")


def _extra(one: Extra) -> Finding:
    missing = [name for name, version in one.packages.items() if version is None]
    if missing:
        return Finding("works here", f"extra {one.name}", "missing", f"optional: {', '.join(missing)} not installed", one.install)
    return Finding("works here", f"extra {one.name}", "ok", ", ".join(f"{name} {version}" for name, version in one.packages.items()))


def _folders(folders: list[Folder]) -> Finding:
    closed = [str(one.path) for one in folders if not one.writable]
    if closed:
        do = "work in a folder of your own, and set EDGEBENCH_HOME to one"
        return Finding("works here", "folders", "warn", f"{' and '.join(closed)} cannot be written", do)
    return Finding("works here", "folders", "ok", f"can be written: {', '.join(str(one.path) for one in folders)}")


# sensors


def sensors(facts: Facts, now: Facts, meter: Meter | str, proportional_bytes: int | None) -> list[Finding]:
    """What a record from this machine can tell besides time. `meter` is the one there is, or why there is none."""
    return [
        _temperature_sensor(facts, now), _frequency_sensor(facts, now), _throttle_sensor(facts, now), _energy_sensor(meter),
        _sensed("shared memory", proportional_bytes is not None, "told apart, as proportional set size", "the kernel does not tell it apart (PSS)", ""),
        _sensed(
            "pressure", now["cpu_stall_us"] is not None, "the kernel counts how long processes wait", "the kernel does not count how long processes wait",
            "boot with psi=1 (Raspberry Pi: add it to the line in /boot/firmware/cmdline.txt, as root)",
        ),
        _clock(facts),
    ]


def _sensed(name: str, there: bool, said: str, lacking: str, do: str) -> Finding:
    return Finding("sensors", name, "ok", said) if there else Finding("sensors", name, "missing", lacking, do)


def _hidden(facts: Facts) -> str:
    return ": a virtual machine hides it" if facts["virtual"] else ""


def _temperature_sensor(facts: Facts, now: Facts) -> Finding:
    temp = now["temp_c"]
    do = "" if facts["virtual"] else "sudo modprobe coretemp   (AMD: k10temp)" if facts["machine"] == "x86_64" else ""
    return _sensed("temperature", temp is not None, celsius_text(temp or 0), f"no sensor{_hidden(facts)}", do)


def _frequency_sensor(facts: Facts, now: Facts) -> Finding:
    freq, top = now["freq_hz"], facts["freq_max_hz"]
    of = f" of {hertz_text(top)}" if top else ""
    return _sensed("frequency", freq is not None, f"{hertz_text(freq or 0)}{of}", f"not told{_hidden(facts)}", "")


def _throttle_sensor(facts: Facts, now: Facts) -> Finding:
    means = {"firmware": "the firmware's flags", "cooling_steps": "the kernel's cooling devices", "throttle_events": "the processor's counters"}
    there = [name for key, name in means.items() if now[key] is not None]
    do = "sudo apt install raspi-utils; sudo usermod -aG video $USER" if "Raspberry Pi" in (facts["board"] or "") else ""
    return _sensed("throttling", bool(there), " and ".join(there), f"not told{_hidden(facts)}", do)


def _energy_sensor(meter: Meter | str) -> Finding:
    if not isinstance(meter, str):
        return Finding("sensors", "energy", "ok", f"{meter.name}: {meter.scope}")
    if rapl.ALLOW in meter:
        return Finding("sensors", "energy", "missing", "rapl: only root may read the counters", rapl.ALLOW)
    return Finding("sensors", "energy", "missing", meter, "let an external meter write a CSV file of time_s,power_w, and name it with --meter")


def _clock(facts: Facts) -> Finding:
    source, step = facts["clock_source"], f"steps of {duration_text(facts['clock_resolution_ns'])}"
    if source in SLOW_CLOCKS:
        do = f"echo tsc | sudo tee /sys/devices/system/clocksource/clocksource0/current_clocksource   (if {source} is not there for a reason)"
        return Finding("sensors", "clock", "warn", f"{source}, {step}: each look at it is slow", do)
    return Finding("sensors", "clock", "ok", f"{source}, {step}" if source else step)


# noise


def noise(facts: Facts, before: Facts, after: Facts, samples_ns: Sequence[int]) -> list[Finding]:
    """What may move a time. `samples_ns` are of a fixed calculation, `before` and `after` the machine's state around them."""
    found = [
        _steadiness(samples_ns), _others(before, after), _stolen(facts, before, after), _governor(facts), _turbo(facts), _kinds(facts), _limits(facts),
        _virtual(facts), _power(facts), _heat(after), _throttled(after), _swap(after), _huge_pages(facts),
    ]
    return [one for one in found if one]


def _noise(name: str, said: str, do: str | None = None) -> Finding:
    """`do` None: nothing is wrong."""
    return Finding("noise", name, "ok" if do is None else "warn", said, do or "")


def _steadiness(samples_ns: Sequence[int]) -> Finding:
    middle = percentile(samples_ns, 0.5)
    spread, found = percentile(samples_ns, 0.9) / middle - 1, drift(samples_ns)
    drifted = found.change if found and found.is_real else 0.0
    said = f"{len(samples_ns)} times SHA-256 of 2 MiB: median {duration_text(middle)}, p90 {percent_text(spread)} above it"
    if drifted:
        said += f"; it became {percent_text(abs(drifted))} {'slower' if drifted > 0 else 'faster'} meanwhile"
    do = "close other programs, let the machine settle, and look at the lines below"
    return _noise("steadiness", said, do if max(spread, abs(drifted)) > SPREAD else None)


def _others(before: Facts, after: Facts) -> Finding | None:
    load, waited = before["load_average"], _share(before, after, "cpu_stall_us", 1e6)
    if load is None:
        return None
    said = f"load average {load:.2f}" + (f", some process waited {percent_text(waited)} of the time" if waited is not None else "")
    return _noise("other work", said, "close other programs; this shows them: top -o %CPU" if load > BUSY or (waited or 0) > WAITED else None)


def _stolen(facts: Facts, before: Facts, after: Facts) -> Finding | None:
    share = _share(before, after, "steal_ticks", 100 * (facts["cores"] or 1))
    if not facts["virtual"] or share is None:
        return None
    do = "measure at another hour, or longer: --full"
    return _noise("steal", f"{percent_text(share)} of the time went to other machines", do if share > STOLEN else None)


def _share(before: Facts, after: Facts, name: str, per_s: float) -> float | None:
    """How much of the time between two states a counter of `per_s` steps a second moved."""
    if before[name] is None or after[name] is None:
        return None
    seconds = (after["monotonic_ns"] - before["monotonic_ns"]) / 1e9
    return float((after[name] - before[name]) / per_s / seconds)


def _governor(facts: Facts) -> Finding | None:
    governor = facts["governor"]
    if governor is None:
        return None
    do = f"echo performance | sudo tee {CPUS}/cpu*/cpufreq/scaling_governor"
    return _noise("governor", governor, None) if governor == "performance" else _noise("governor", f"{governor}: the clock follows the load", do)


def _turbo(facts: Facts) -> Finding | None:
    if facts["turbo"] is None:
        return None
    intel = (facts["frequency_driver"] or "").startswith(("intel_pstate", "intel_cpufreq"))
    do = f"echo 1 | sudo tee {CPUS}/intel_pstate/no_turbo" if intel else f"echo 0 | sudo tee {CPUS}/cpufreq/boost"
    return _noise("turbo", "on: the clock depends on heat and on what the other cores do", do) if facts["turbo"] else _noise("turbo", "off")


def _kinds(facts: Facts) -> Finding | None:
    """Cores that are not alike, of those this process may run on."""
    usable = set(sysfs.listed(facts["cpus_allowed"])) if facts["cpus_allowed"] else None
    clusters = [one for one in facts["clusters"] or [] if usable is None or usable & set(sysfs.listed(one["cpus"]))]
    kinds = {(one["kind"], one["freq_max_hz"], one["capacity"]) for one in clusters}
    if len(kinds) < 2:
        return None
    named = ", ".join(f"{one['cpus']} {_kind(one)}" for one in clusters)
    return _noise("cores", f"{len(kinds)} kinds, and a thread may run on any: {named}", f"taskset -c {clusters[-1]['cpus']} edgebench bench")


def _kind(cluster: Facts) -> str:
    parts = [cluster["kind"], f"to {hertz_text(cluster['freq_max_hz'])}" if cluster["freq_max_hz"] else None]
    return " ".join(filter(None, parts)) or f"of capacity {cluster['capacity']}"


def _limits(facts: Facts) -> Finding | None:
    cores, usable, memory = facts["cpu_limit_cores"], facts["usable_cores"], facts["memory_limit_bytes"]
    said = [f"at most {cores:g} processors' worth of time" if cores else "", f"at most {bytes_text(memory)} of memory" if memory else ""]
    if not any(said):
        return None
    stopped = cores is not None and cores < usable
    held = ", less than its {usable} cores: what runs on all of them is stopped for part of every tenth of a second" if stopped else ""
    do = f"ask for no more than {max(1, int(cores))} thread{'s' if cores >= 2 else ''} with --threads, or give the container more" if stopped else None
    return _noise("limits", " and ".join(filter(None, said)) + held.format(usable=usable), do)


def _virtual(facts: Facts) -> Finding | None:
    if not facts["virtual"]:
        return None
    return _noise("virtual machine", "others share its processor, and it cannot see them", "measure longer (--full), or on a machine of your own")


def _power(facts: Facts) -> Finding | None:
    if facts["power_source"] == "battery":
        return _noise("power", "battery: clocks may be held down", "plug it in, except to measure energy by its gauge")
    return _noise("power", facts["power_source"]) if facts["power_source"] else None


def _heat(after: Facts) -> Finding | None:
    temp = after["temp_c"]
    if temp is None:
        return None
    return _noise("heat", celsius_text(temp), "let it cool, or give it a fan" if temp > WARM_C else None)


def _throttled(after: Facts) -> Finding | None:
    flags = after["firmware"] or {"now": [], "since_boot": []}
    if after["throttled"] is None:
        return None
    do = "use the supply and the cable that the board asks for" if "under-voltage" in flags["now"] + flags["since_boot"] else "let it cool, or give it a fan"
    if after["throttled"]:
        return _noise("throttling", f"it holds itself back now{': ' + ', '.join(flags['now']) if flags['now'] else ''}", do)
    if flags["since_boot"]:
        return _noise("throttling", f"not now, but since it was started: {', '.join(flags['since_boot'])}", do)
    return _noise("throttling", "not now")


def _swap(after: Facts) -> Finding | None:
    used = after["swap_used_bytes"]
    if not used:
        return None
    return _noise("swap", f"{bytes_text(used)} in use", "close other programs, or, where memory is enough: sudo swapoff -a" if used > SWAPPED_BYTES else None)


def _huge_pages(facts: Facts) -> Finding | None:
    if facts["huge_pages"] is None:
        return None
    do = "echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled"
    always = "always: how much memory a model takes depends on what the kernel joins"
    return _noise("huge pages", always, do) if facts["huge_pages"] == "always" else _noise("huge pages", facts["huge_pages"])
