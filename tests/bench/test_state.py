"""What recorded machines say of a moment: load, clocks, heat, and whether they hold themselves back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgebench.bench import state
from tests.machines import CPU, LAPTOP, PHONE, PI, VIRTUAL, tree


def chosen(found: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in expected}


def with_firmware(root: Path, *parts: dict[str, str], says: str) -> Path:
    """The tree with a vcgencmd in it that runs `says`."""
    tool = tree(root, *parts, {"usr/bin/vcgencmd": f"#!/bin/sh\n{says}\n"}) / "usr/bin/vcgencmd"
    tool.chmod(0o755)
    return root


def test_a_virtual_machine_tells_load_pressure_and_steal_and_nothing_of_heat(tmp_path: Path) -> None:
    expected = {
        "load_average": 0.52, "cpu_stall_us": 123456, "memory_stall_us": 789, "cpu_limit_stall_us": 4321, "steal_ticks": 77,
        "memory_available_bytes": 8 << 20, "swap_used_bytes": 0, "freq_hz": None, "temp_c": None, "throttled": None,
    }
    assert chosen(state.now(tree(tmp_path, VIRTUAL)), expected) == expected


def test_a_raspberry_pi_tells_clock_heat_and_swap(tmp_path: Path) -> None:
    expected = {"load_average": 0.0, "freq_hz": 1_500_000_000, "temp_c": 51.3, "swap_used_bytes": 272 << 10, "cpu_stall_us": None, "steal_ticks": None}
    assert chosen(state.now(tree(tmp_path, PI)), expected) == expected


def test_the_clock_is_that_of_the_fastest_core(tmp_path: Path) -> None:
    assert state.freq_hz(tree(tmp_path, PHONE)) == 2_400_000_000


def test_heat_is_read_from_the_processors_own_sensor_and_not_from_a_disk(tmp_path: Path) -> None:
    assert state.temp_c(tree(tmp_path, LAPTOP)) == 63.0


# throttling


@pytest.mark.parametrize(("bits", "now", "since", "throttled"), [
    ("0x0", [], [], False),
    ("0x50000", [], ["under-voltage", "throttled"], False),
    ("0x50005", ["under-voltage", "throttled"], ["under-voltage", "throttled"], True),
    ("0x80008", ["soft temperature limit"], ["soft temperature limit"], True),
    ("0x2", ["frequency capped"], [], True),
])
def test_a_raspberry_pis_flags_are_named(tmp_path: Path, bits: str, now: list[str], since: list[str], throttled: bool) -> None:
    found = state.now(with_firmware(tmp_path, PI, says=f'test "$*" = get_throttled && echo throttled={bits}'))
    assert (found["firmware"], found["throttled"]) == ({"now": now, "since_boot": since}, throttled)


@pytest.mark.parametrize("says", ["echo VCHI initialization failed; exit 255", "echo throttled=", "exit 1"])
def test_firmware_that_will_not_say_is_nothing_known(tmp_path: Path, says: str) -> None:
    found = state.now(with_firmware(tmp_path, says=says))
    assert (found["firmware"], found["throttled"]) == (None, None)


def test_a_tool_that_cannot_be_run_is_nothing_known(tmp_path: Path) -> None:
    assert state.now(tree(tmp_path, {"usr/bin/vcgencmd": "no program"}))["firmware"] is None


def test_firmware_that_never_answers_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "FIRMWARE_S", 0.05)
    assert state.now(with_firmware(tmp_path, says="exec sleep 600"))["firmware"] is None


def test_a_kernel_that_has_lowered_a_clock_against_heat_throttles(tmp_path: Path) -> None:
    found = state.now(tree(tmp_path, PHONE))
    assert (found["cooling_steps"], found["throttled"]) == (3, True)


def test_a_kernel_that_could_lower_a_clock_and_has_not_does_not_throttle(tmp_path: Path) -> None:
    found = state.now(tree(tmp_path, PHONE, {"sys/class/thermal/cooling_device1/cur_state": "0\n"}))
    assert (found["cooling_steps"], found["throttled"]) == (0, False)


def test_a_fan_that_turns_is_no_throttling(tmp_path: Path) -> None:
    found = state.now(tree(tmp_path, PI))
    assert (found["cooling_steps"], found["throttled"]) == (None, None)


def test_counters_tell_of_throttling_only_beside_an_earlier_reading(tmp_path: Path) -> None:
    first = state.now(tree(tmp_path, LAPTOP))
    assert (first["throttle_events"], first["throttled"]) == (17, None)
    assert state.now(tmp_path, since=first)["throttled"] is False
    tree(tmp_path, {f"{CPU}/cpu1/thermal_throttle/core_throttle_count": "5\n"})
    assert state.now(tmp_path, since=first)["throttled"] is True


# odd readings


@pytest.mark.parametrize(("file", "text", "name"), [
    ("sys/class/thermal/thermal_zone0/temp", "-40000\n", "temp_c"),
    ("sys/class/thermal/thermal_zone0/temp", "2147483647\n", "temp_c"),
    ("proc/stat", "cpu  1 2 3 4\n", "steal_ticks"),
    ("proc/pressure/cpu", "full avg10=0.00 total=5\n", "cpu_stall_us"),
    ("proc/meminfo", "SwapTotal:  16 kB\n", "swap_used_bytes"),
    (f"{CPU}/cpufreq/policy0/scaling_cur_freq", "<unknown>\n", "freq_hz"),
    (f"{CPU}/cpu0/thermal_throttle/core_throttle_count", "many\n", "throttle_events"),
])
def test_an_odd_reading_is_nothing_known(tmp_path: Path, file: str, text: str, name: str) -> None:
    assert state.now(tree(tmp_path, {file: text}))[name] is None


def test_of_an_empty_tree_only_the_time_is_known(tmp_path: Path) -> None:
    assert {name for name, value in state.now(tmp_path).items() if value is not None} == {"monotonic_ns"}
