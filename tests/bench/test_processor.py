"""The processors of recorded machines: names, kinds of cores, clocks, and what may change them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgebench.bench import processor
from tests.machines import CPU, LAPTOP, PHONE, PI, VIRTUAL, clock, tree


def clusters(root: Path) -> list[tuple[Any, ...]]:
    return [(one["cpus"], one["cores"], one["kind"], one["freq_max_hz"], one["governor"]) for one in processor.facts(root)["clusters"]]


def test_a_raspberry_pi_has_four_cores_of_one_kind(tmp_path: Path) -> None:
    assert clusters(tree(tmp_path, PI)) == [("0-3", 4, "Cortex-A76", 2_400_000_000, "ondemand")]
    assert processor.facts(tmp_path)["cpu"] == "4x Cortex-A76"
    assert processor.facts(tmp_path)["cpu_flags"] == ["asimd", "asimddp", "asimdhp", "fphp"]


def test_a_phones_kinds_of_cores_are_told_apart_slowest_first(tmp_path: Path) -> None:
    assert clusters(tree(tmp_path, PHONE)) == [
        ("0-3", 4, "Cortex-A55", 1_800_000_000, "schedutil"), ("4-6", 3, "Cortex-A78", 2_400_000_000, "schedutil"),
        ("7", 1, "Cortex-X1", 2_850_000_000, "schedutil"),
    ]
    found = processor.facts(tmp_path)
    assert (found["cpu"], found["freq_max_hz"]) == ("4x Cortex-A55 + 3x Cortex-A78 + 1x Cortex-X1", 2_850_000_000)


def test_cores_that_differ_only_in_capacity_are_two_kinds(tmp_path: Path) -> None:
    root = tree(tmp_path, {f"{CPU}/cpu0/cpu_capacity": "1024\n", f"{CPU}/cpu1/cpu_capacity": "446\n"})
    assert [(one["cpus"], one["capacity"]) for one in processor.facts(root)["clusters"]] == [("1", 446), ("0", 1024)]


def test_a_core_that_does_not_say_its_kind_does_not_take_the_next_ones(tmp_path: Path) -> None:
    cpuinfo = "processor\t: 0\nBogoMIPS\t: 50\n\nprocessor\t: 1\nBogoMIPS\t: 50\nCPU part\t: 0xd0b\n"
    root = tree(tmp_path, {"proc/cpuinfo": cpuinfo, f"{CPU}/cpu0/online": "1\n", f"{CPU}/cpu1/online": "1\n"})
    assert [(cpus, kind) for cpus, _, kind, _, _ in clusters(root)] == [("0", None), ("1", "Cortex-A76")]


def test_a_laptop_says_what_may_change_its_clock(tmp_path: Path) -> None:
    found = processor.facts(tree(tmp_path, LAPTOP))
    expected = {
        "cpu": "Intel(R) Core(TM) i7-1165G7 @ 2.80GHz", "freq_max_hz": 4_600_000_000, "governor": "powersave", "turbo": True, "smt": True,
        "frequency_driver": "intel_pstate", "energy_preference": "balance_performance",
    }
    assert {name: found[name] for name in expected} == expected


def test_a_virtual_machine_has_cores_and_tells_nothing_of_their_clocks(tmp_path: Path) -> None:
    found = processor.facts(tree(tmp_path, VIRTUAL))
    assert clusters(tmp_path) == [("0-1", 2, None, None, None)]
    assert (found["cpus_allowed"], found["freq_max_hz"], found["governor"], found["turbo"], found["smt"]) == ("0-1", None, None, None, None)


def test_governors_that_differ_are_both_named(tmp_path: Path) -> None:
    root = tree(tmp_path, clock(range(2), low=1, high=2, now=1, governor="schedutil"), clock(range(2, 3), low=1, high=2, now=1, governor="performance"))
    assert processor.facts(root)["governor"] == "performance + schedutil"


@pytest.mark.parametrize(("file", "text", "turbo"), [
    ("intel_pstate/no_turbo", "1\n", False), ("cpufreq/boost", "1\n", True), ("cpufreq/boost", "0\n", False), ("cpufreq/boost", "2\n", None),
])
def test_turbo_is_read_where_either_driver_says_it(tmp_path: Path, file: str, text: str, turbo: bool | None) -> None:
    assert processor.facts(tree(tmp_path, {f"{CPU}/{file}": text}))["turbo"] is turbo


def test_cores_of_two_kinds_are_counted_apart(tmp_path: Path) -> None:
    cores = "".join(f"CPU part\t: {part}\n" for part in ["0xd05"] * 4 + ["0xd41"] * 2 + ["0xfff"])
    assert processor.facts(tree(tmp_path, {"proc/cpuinfo": cores}))["cpu"] == "4x Cortex-A55 + 2x Cortex-A78 + 1x ARM part 0xfff"


def test_this_machines_processor_is_not_taken_for_a_recorded_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.processor", lambda: "x86_64")  # as on Ubuntu and Fedora
    assert processor.facts(tmp_path)["cpu"] is None


@pytest.mark.parametrize(
    ("file", "text", "name"),
    [
        (f"{CPU}/cpu0/cpufreq/cpuinfo_max_freq", "<unknown>\n", "freq_max_hz"),
        (f"{CPU}/cpu0/cpufreq/cpuinfo_max_freq", "0\n", "freq_max_hz"),
        (f"{CPU}/cpu0/cpufreq/scaling_governor", "\n", "governor"),
        ("proc/cpuinfo", "processor\t: 0\n", "cpu_flags"),
    ],
)
def test_an_odd_value_is_nothing_known(tmp_path: Path, file: str, text: str, name: str) -> None:
    assert processor.facts(tree(tmp_path, {file: text}))[name] is None


def test_of_an_empty_tree_nothing_is_known(tmp_path: Path) -> None:
    assert set(processor.facts(tmp_path).values()) == {None}


def test_arm_code_on_an_x86_processor_is_emulated_and_elsewhere_nothing_is_claimed(tmp_path: Path) -> None:
    (tmp_path / "x86/proc").mkdir(parents=True)
    (tmp_path / "arm/proc").mkdir(parents=True)
    (tmp_path / "x86/proc/cpuinfo").write_text("processor\t: 0\nvendor_id\t: GenuineIntel\n")
    (tmp_path / "arm/proc/cpuinfo").write_text("processor\t: 0\nCPU part\t: 0xd0b\n")
    assert processor.emulated(tmp_path / "x86", "aarch64") is True
    assert processor.emulated(tmp_path / "x86", "x86_64") is None
    assert processor.emulated(tmp_path / "arm", "aarch64") is None
    assert processor.emulated(tmp_path / "nowhere", "aarch64") is None


QEMU = "processor\t: 0\nBogoMIPS\t: {}\nFeatures\t: fp asimd evtstrm\nCPU implementer\t: {}\nCPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: {}\n\n"


@pytest.mark.parametrize(("said", "virtual", "emulated"), [
    (("125.00", "0x41", "0xd08"), True, True),  # -cpu cortex-a72
    (("2000.00", "0x00", "0x051"), True, True),  # -cpu max
    (("108.00", "0x41", "0xd08"), True, None),  # a virtual machine on a Raspberry Pi 4
    (("125.00", "0x41", "0xd08"), None, None),  # no qemu's
])
def test_a_whole_machine_is_emulated_where_it_shows_what_qemu_made_up(tmp_path: Path, said: tuple[str, str, str], virtual: bool, emulated: bool) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(2 * QEMU.format(*said))
    assert processor.emulated(tmp_path, "aarch64", virtual=virtual) is emulated
