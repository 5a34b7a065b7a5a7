"""What the machine's state before and after says, and when it is worth a word."""

from __future__ import annotations

from typing import Any

import pytest

from edgebench.bench import conditions
from edgebench.record import Cooling, Spec

SPEC = Spec(model="bag", format="onnx", precision="int8", backend="onnxruntime")


def states(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Of one process that was timed for ten seconds."""
    return [({"monotonic_ns": 0} | before, {"monotonic_ns": 10_000_000_000} | after)]


def test_nothing_known_is_nothing_to_say() -> None:
    assert conditions.remarks(SPEC, [], {}, []) == []
    assert conditions.remarks(SPEC, states({}, {}), {"power_source": None, "governor": None}, []) == []
    assert conditions.held_back(states({}, {"throttled": None})) == []


def test_a_device_that_does_not_hold_itself_back_is_no_fault() -> None:
    assert conditions.held_back(states({}, {"throttled": False, "temp_c": 90.0})) == []


def test_a_device_that_holds_itself_back_is_told_with_its_heat_and_flags() -> None:
    two = states({}, {"throttled": False}) + states({}, {"throttled": True, "temp_c": 84.25, "firmware": {"now": ["throttled"], "since_boot": []}})
    assert conditions.held_back(two) == [
        "throttled: in 1 of 2 processes the device held itself back (throttled; up to 84.2 °C); let it cool with --cool-to, give it a fan, or a better supply"
    ]


@pytest.mark.parametrize(
    ("before", "after", "host", "said"),
    [
        ({"cpu_stall_us": 0}, {"cpu_stall_us": 2_100_000}, {}, "other work ran beside the timing: for 21% of it some process waited for a processor"),
        ({"steal_ticks": 5}, {"steal_ticks": 205}, {"cores": 2}, "other machines on the same processor took 10% of its time while this was timed"),
        (
            {"cpu_limit_stall_us": 0}, {"cpu_limit_stall_us": 1_000_000}, {},
            "the container's processor limit held processes back for 10% of the timing; ask for fewer threads, or give it more",
        ),
        ({"swap_used_bytes": 0}, {"swap_used_bytes": 20_000_000}, {}, "20.0 MB went to swap while this was timed; close other programs"),
        ({}, {}, {"power_source": "battery"}, "on battery: clocks may be held down"),
        ({}, {}, {"governor": "powersave", "frequency_driver": "acpi-cpufreq"}, "governor powersave: the clock stays at its lowest"),
    ],
)
def test_what_may_move_a_time_is_remarked(before: dict[str, Any], after: dict[str, Any], host: dict[str, Any], said: str) -> None:
    assert conditions.remarks(SPEC, states(before, after), host, []) == [said]


@pytest.mark.parametrize(
    ("before", "after", "host"),
    [
        ({"cpu_stall_us": 0}, {"cpu_stall_us": 2_000_000}, {}),
        ({"steal_ticks": 5}, {"steal_ticks": 105}, {"cores": 2}),
        ({"cpu_limit_stall_us": None}, {"cpu_limit_stall_us": 9_000_000}, {}),
        ({"swap_used_bytes": 90_000_000}, {"swap_used_bytes": 20_000_000}, {}),
        ({}, {}, {"power_source": "mains"}),
        ({}, {}, {"governor": "powersave", "frequency_driver": "intel_pstate"}),
    ],
)
def test_what_is_usual_is_not(before: dict[str, Any], after: dict[str, Any], host: dict[str, Any]) -> None:
    assert conditions.remarks(SPEC, states(before, after), host, []) == []


def test_the_worst_process_is_told() -> None:
    two = states({"cpu_stall_us": 0}, {"cpu_stall_us": 9_000_000}) + states({"cpu_stall_us": 0}, {"cpu_stall_us": 0})
    assert "90%" in conditions.remarks(SPEC, two, {}, [])[0]


def test_a_process_that_began_warm_is_told() -> None:
    cooled = Cooling(from_c=70, to_c=50, waited_s=30, reached=True)
    warm = Cooling(from_c=80, to_c=66.5, waited_s=120, reached=False)
    assert conditions.remarks(SPEC, [], {}, [cooled]) == []
    assert conditions.remarks(SPEC, [], {}, [cooled, warm]) == ["1 of 2 processes began at up to 66.5 °C, warmer than asked, after 120 s of waiting"]


def test_who_asks_for_cooling_is_told_where_no_sensor_knows() -> None:
    asked = Spec(model="bag", format="onnx", precision="int8", backend="onnxruntime", cool_to_c=50)
    assert conditions.remarks(asked, states({}, {}), {}, []) == ["no sensor says how warm this device is, so that cooling was not waited for"]
    assert conditions.remarks(asked, states({}, {}), {}, [Cooling(from_c=50, to_c=50, waited_s=0, reached=True)]) == []
