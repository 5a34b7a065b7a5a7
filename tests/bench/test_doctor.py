"""Findings over recorded machines: what is said of each, and the command that helps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgebench.bench import doctor, energy, host
from edgebench.bench.doctor import Finding
from edgebench.bench.tryout import Engine, Extra, Folder, Model
from edgebench.record import Spec
from tests.machines import CPU, LAPTOP, PHONE, PI, VIRTUAL, tree

STEADY = [1000] * 60
SPEC = Spec(model="m", format="onnx", precision="int8", backend="onnxruntime")


def lines(findings: list[Finding]) -> dict[str, tuple[str, str, str]]:
    """By name: how it is, what is said, and what to do."""
    assert len({one.name for one in findings}) == len(findings)
    return {one.name: (one.state, one.said, one.do) for one in findings}


def noise(root: Path, *more: dict[str, str], samples: list[int] = STEADY, seconds: float = 1.0, **facts: Any) -> dict[str, tuple[str, str, str]]:
    """What makes the machine below `root` noisy, if `more` of its files changed within `seconds`."""
    before = host.now(root)
    found = host.facts(root) | {"cores": 2, "usable_cores": 2} | facts
    after = host.now(tree(root, *more), since=before)
    return lines(doctor.noise(found, before, after | {"monotonic_ns": before["monotonic_ns"] + int(1e9 * seconds)}, samples))


def sensors(root: Path, proportional: int | None = 1) -> dict[str, tuple[str, str, str]]:
    facts = host.facts(root) | {"clock_resolution_ns": 1.0}
    return lines(doctor.sensors(facts, host.now(root), energy.find(SPEC, root), proportional))


# what works here


@pytest.mark.parametrize(("engine", "line"), [
    (
        Engine("onnxruntime", "1.32.0", "bag int8", 302_000_000),
        ("ok", "1.32.0: opens bag int8 and answers, the first time after 302 ms", ""),
    ),
    (Engine("onnxruntime", "1.32.0"), ("ok", "1.32.0; no bundled model is in a format that it opens", "")),
    (
        Engine("tflite", error="backend 'tflite' needs ai-edge-litert, which is not installed; install edgebench[tflite]", missing=True, install="pip this"),
        ("missing", "backend 'tflite' needs ai-edge-litert, which is not installed", "pip this"),
    ),
    (
        Engine("other", error="backend 'other' needs x, which is not installed; install x", missing=True),
        ("missing", "backend 'other' needs x, which is not installed", "install x"),
    ),
    (
        Engine("tflite", error="the process was killed by SIGILL; its last words: a; the model file or the engine is broken here"),
        ("warn", "the process was killed by SIGILL; its last words: a", "the model file or the engine is broken here"),
    ),
    (Engine("tflite", error="no reason"), ("warn", "no reason", "")),
])
def test_an_engine(engine: Engine, line: tuple[str, str, str]) -> None:
    assert lines(doctor.works([engine], [], [], []))[engine.name] == line


def test_models_and_extras_and_folders(tmp_path: Path) -> None:
    found = doctor.works(
        [], [Model("good", 5), Model("bad", 0, "sha256 of bad.onnx is 8de7…, the card says 91ab…; delete the file or correct the card")],
        [Extra("train", {"torch": "2.9", "transformers": "5.3"}, "pip a"), Extra("ssh", {"one": "1", "two": None, "three": None}, "pip b")],
        [Folder(Path("a"), True), Folder(Path("b"), True)],
    )
    assert lines(found) == {
        "good": ("ok", "bundled, 5 files with the right digests", ""),
        "bad": ("warn", "sha256 of bad.onnx is 8de7…, the card says 91ab…", "delete the file or correct the card"),
        "extra train": ("ok", "torch 2.9, transformers 5.3", ""),
        "extra ssh": ("missing", "optional: two, three not installed", "pip b"),
        "folders": ("ok", "can be written: a, b", ""),
    }


def test_a_folder_that_cannot_be_written_is_named() -> None:
    found = doctor.works([], [], [], [Folder(Path("a"), True), Folder(Path("b"), False)])
    assert lines(found)["folders"] == ("warn", "b cannot be written", "work in a folder of your own, and set EDGEBENCH_HOME to one")


# sensors


def test_a_virtual_machine_hides_its_sensors(tmp_path: Path) -> None:
    found = sensors(tree(tmp_path, VIRTUAL))
    assert {name: found[name][:2] for name in ("temperature", "frequency", "throttling")} == {
        "temperature": ("missing", "no sensor: a virtual machine hides it"), "frequency": ("missing", "not told: a virtual machine hides it"),
        "throttling": ("missing", "not told: a virtual machine hides it"),
    }
    assert found["energy"][0] == "missing"
    assert (found["pressure"][0], found["shared memory"][0]) == ("ok", "ok")
    assert found["clock"] == ("ok", "kvm-clock, steps of 1.00 ns", "")


def test_a_laptop_has_every_sensor(tmp_path: Path) -> None:
    found = sensors(tree(tmp_path, LAPTOP))
    assert found["temperature"] == ("ok", "63.0 °C", "")
    assert found["frequency"] == ("ok", "3.10 GHz of 4.60 GHz", "")
    assert found["throttling"] == ("ok", "the processor's counters", "")
    assert found["energy"] == ("ok", "rapl: package-0", "")


def test_counters_that_only_root_may_read_come_with_the_command(tmp_path: Path) -> None:
    root = tree(tmp_path, LAPTOP)
    (root / "sys/class/powercap/intel-rapl:0/energy_uj").unlink()
    (root / "sys/class/power_supply/BAT0/type").unlink()
    assert sensors(root)["energy"] == (
        "missing", "rapl: only root may read the counters", "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj"
    )


def test_a_raspberry_pi_is_told_how_to_see_throttling_and_pressure(tmp_path: Path) -> None:
    found = sensors(tree(tmp_path, PI))
    assert found["throttling"] == ("missing", "not told", "sudo apt install raspi-utils; sudo usermod -aG video $USER")
    assert found["pressure"][0] == "missing"
    assert "psi=1" in found["pressure"][2]


def test_a_slow_clock_and_memory_that_is_not_told_apart(tmp_path: Path) -> None:
    found = sensors(tree(tmp_path, VIRTUAL, {"sys/devices/system/clocksource/clocksource0/current_clocksource": "hpet\n"}), proportional=None)
    assert found["clock"][:2] == ("warn", "hpet, steps of 1.00 ns: each look at it is slow")
    assert found["shared memory"] == ("missing", "the kernel does not tell it apart (PSS)", "")


# noise


def test_a_quiet_board_has_nothing_to_warn_of_but_its_governor(tmp_path: Path) -> None:
    found = noise(tree(tmp_path, PI))
    assert found["governor"] == (
        "warn", "ondemand: the clock follows the load", "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
    )
    assert {name: state for name, (state, _, _) in found.items() if name != "governor"} == {
        "steadiness": "ok", "other work": "ok", "heat": "ok", "swap": "ok", "huge pages": "ok",
    }


def test_the_performance_governor_is_well(tmp_path: Path) -> None:
    assert noise(tree(tmp_path, {f"{CPU}/cpu0/cpufreq/scaling_governor": "performance\n"}))["governor"] == ("ok", "performance", "")


@pytest.mark.parametrize(("samples", "state", "said"), [
    ([1000] * 100, "ok", "100 times SHA-256 of 2 MiB: median 1.00 µs, p90 0.0 % above it"),
    ([1000] * 80 + [1100] * 20, "warn", "p90 10.0 % above it"),
    ([1000] * 50 + [1060] * 50, "warn", "it became 6.0 % slower meanwhile"),
    ([1060] * 67 + [1000] * 33, "warn", "it became 5.7 % faster meanwhile"),
])
def test_steadiness_is_spread_and_drift(tmp_path: Path, samples: list[int], state: str, said: str) -> None:
    found = noise(tmp_path, samples=samples)["steadiness"]
    assert found[0] == state
    assert said in found[1]


def test_a_slow_boards_few_samples_say_nothing_of_a_drift(tmp_path: Path) -> None:
    assert noise(tmp_path, samples=[70_000_000] * 21)["steadiness"] == ("ok", "21 times SHA-256 of 2 MiB: median 70.0 ms, p90 0.0 % above it", "")


@pytest.mark.parametrize(("load", "total", "state", "said"), [
    ("0.10", 123_456, "ok", "load average 0.10, some process waited 0.0 % of the time"),
    ("1.80", 123_456, "warn", "load average 1.80, some process waited 0.0 % of the time"),
    ("0.10", 223_456, "warn", "load average 0.10, some process waited 10.0 % of the time"),
])
def test_other_work_shows_in_the_load_or_in_waiting(tmp_path: Path, load: str, total: int, state: str, said: str) -> None:
    root = tree(tmp_path, VIRTUAL, {"proc/loadavg": f"{load} 0 0 1/2 3\n"})
    found = noise(root, {"proc/pressure/cpu": f"some avg10=0.00 avg60=0.00 avg300=0.00 total={total}\n"})["other work"]
    assert found[:2] == (state, said)
    assert ("top" in found[2]) == (state == "warn")


def test_time_that_went_to_other_machines(tmp_path: Path) -> None:
    found = noise(tree(tmp_path, VIRTUAL), {"proc/stat": "cpu  100 2 30 4000 5 0 6 97 0 0\n"}, seconds=2.0)  # 20 of 400 ticks
    assert found["steal"] == ("warn", "5.0 % of the time went to other machines", "measure at another hour, or longer: --full")
    assert found["virtual machine"][0] == "warn"


@pytest.mark.parametrize(("driver", "do"), [
    ("intel_pstate", "echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo"),
    ("acpi-cpufreq", "echo 0 | sudo tee /sys/devices/system/cpu/cpufreq/boost"),
])
def test_turbo_is_switched_off_by_the_driver_that_is_there(tmp_path: Path, driver: str, do: str) -> None:
    found = noise(tree(tmp_path, LAPTOP, {f"{CPU}/cpu0/cpufreq/scaling_driver": f"{driver}\n"}))
    assert (found["turbo"][0], found["turbo"][2]) == ("warn", do)
    assert noise(tree(tmp_path, {f"{CPU}/intel_pstate/no_turbo": "1\n"}))["turbo"] == ("ok", "off", "")


def test_cores_of_several_kinds_come_with_the_command_for_the_fastest(tmp_path: Path) -> None:
    assert noise(tree(tmp_path, PHONE))["cores"] == (
        "warn", "3 kinds, and a thread may run on any: 0-3 Cortex-A55 to 1.80 GHz, 4-6 Cortex-A78 to 2.40 GHz, 7 Cortex-X1 to 2.85 GHz",
        "taskset -c 7 edgebench bench",
    )


def test_a_process_that_keeps_to_one_kind_of_core_is_well(tmp_path: Path) -> None:
    assert "cores" not in noise(tree(tmp_path, PHONE, {"proc/self/status": "Cpus_allowed_list:\t4-6\n"}))


@pytest.mark.parametrize(("usable", "state", "said", "do"), [
    (2, "warn", "at most 1.5 processors' worth of time and at most 8.39 MB of memory, less than its 2 cores: what runs on all of them is stopped for part "
     "of every tenth of a second", "ask for no more than 1 thread with --threads, or give the container more"),
    (1, "ok", "at most 1.5 processors' worth of time and at most 8.39 MB of memory", ""),
])
def test_a_containers_limits(tmp_path: Path, usable: int, state: str, said: str, do: str) -> None:
    assert noise(tree(tmp_path, VIRTUAL), usable_cores=usable)["limits"] == (state, said, do)


def test_a_laptop_on_its_battery_is_to_be_plugged_in(tmp_path: Path) -> None:
    assert noise(tree(tmp_path, LAPTOP))["power"][0] == "warn"
    assert noise(tree(tmp_path, {"sys/class/power_supply/AC/online": "1\n"}))["power"] == ("ok", "mains", "")


@pytest.mark.parametrize(("temp", "state"), [(70_000, "ok"), (70_100, "warn")])
def test_a_hot_machine_is_to_cool(tmp_path: Path, temp: int, state: str) -> None:
    assert noise(tree(tmp_path, {"sys/class/thermal/thermal_zone0/temp": f"{temp}\n"}))["heat"][0] == state


@pytest.mark.parametrize(("firmware", "throttled", "line"), [
    ({"now": [], "since_boot": []}, False, ("ok", "not now", "")),
    ({"now": ["under-voltage"], "since_boot": ["under-voltage"]}, True,
     ("warn", "it holds itself back now: under-voltage", "use the supply and the cable that the board asks for")),
    ({"now": [], "since_boot": ["throttled"]}, False, ("warn", "not now, but since it was started: throttled", "let it cool, or give it a fan")),
    (None, True, ("warn", "it holds itself back now", "let it cool, or give it a fan")),
])
def test_throttling_is_told_with_its_cause(tmp_path: Path, firmware: Any, throttled: bool, line: tuple[str, str, str]) -> None:
    now = host.now(tmp_path)
    found = doctor.noise(host.facts(tmp_path), now, now | {"firmware": firmware, "throttled": throttled}, STEADY)
    assert lines(found)["throttling"] == line


@pytest.mark.parametrize(("free", "line"), [("0", ("warn", "105 MB in use")), ("101376", ("ok", "1.05 MB in use"))])
def test_memory_that_was_swapped_out(tmp_path: Path, free: str, line: tuple[str, str]) -> None:
    found = noise(tree(tmp_path, {"proc/meminfo": f"SwapTotal: 102400 kB\nSwapFree: {free} kB\n"}))["swap"]
    assert found[:2] == line
    assert ("sudo swapoff -a" in found[2]) == (line[0] == "warn")


def test_huge_pages_that_come_by_themselves(tmp_path: Path) -> None:
    assert noise(tree(tmp_path, VIRTUAL))["huge pages"] == (
        "warn", "always: how much memory a model takes depends on what the kernel joins", "echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled"
    )


def test_of_a_machine_that_says_nothing_only_its_steadiness_is_told(tmp_path: Path) -> None:
    assert list(noise(tmp_path)) == ["steadiness"]
