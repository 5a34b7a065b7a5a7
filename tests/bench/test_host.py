"""Recorded /proc and /sys trees of other machines, made in a folder: what they say is read, what they do not say is null."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgebench import __version__
from edgebench.bench import host

X86 = {
    "proc/cpuinfo": "processor\t: 0\nmodel name\t: Intel(R) Xeon(R) CPU @ 2.20GHz\nflags\t\t: fpu sse2 avx avx2 fma hypervisor avx512f avx512_vnni\n\n" * 2,
    "proc/meminfo": "MemTotal:       16384 kB\nMemFree:         1024 kB\nMemAvailable:    8192 kB\nSwapTotal:           0 kB\n",
    "proc/loadavg": "0.52 0.58 0.59 1/467 12345\n",
    "proc/pressure/cpu": "some avg10=1.50 avg60=0.80 avg300=0.30 total=123456\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
    "proc/stat": "cpu  100 2 30 4000 5 0 6 77 0 0\ncpu0 50 1 15 2000 2 0 3 38 0 0\n",
    "sys/fs/cgroup/memory.max": "8388608\n",
    "sys/fs/cgroup/cpu.max": "150000 100000\n",
    "etc/os-release": 'NAME="Debian GNU/Linux"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\n',
}
PI = {
    "proc/cpuinfo": "".join(
        f"processor\t: {core}\nFeatures\t: fp asimd evtstrm aes crc32 atomics fphp asimdhp asimddp\nCPU part\t: 0xd0b\n\n" for core in range(4)
    ) + "Revision\t: d04171\nModel\t\t: Raspberry Pi 5 Model B Rev 1.1\n",
    "proc/meminfo": "MemTotal:        8245696 kB\nMemAvailable:    7340032 kB\nSwapTotal:        524272 kB\n",
    "proc/loadavg": "0.00 0.01 0.00 1/200 999\n",
    "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.1\0",
    "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "2400000\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1500000\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
    "sys/class/thermal/thermal_zone0/temp": "48850\n",
    "sys/class/thermal/thermal_zone1/temp": "51300\n",
    "sys/class/thermal/thermal_zone2/temp": "0\n",
    "sys/fs/cgroup/memory.max": "max\n",
    "sys/fs/cgroup/cpu.max": "max 100000\n",
}
OF_THIS_PYTHON = {"machine", "cores", "usable_cores", "os", "kernel", "python", "packages", "clock_resolution_ns"}  # not read below root


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def chosen(found: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in expected}


def test_an_x86_machine_in_a_container(tmp_path: Path) -> None:
    expected = {
        "cpu": "Intel(R) Xeon(R) CPU @ 2.20GHz", "cpu_flags": ["avx", "avx2", "fma", "avx512f", "avx512_vnni"], "virtual": True, "board": None,
        "memory_bytes": 16 << 20, "memory_limit_bytes": 8 << 20, "cpu_limit_cores": 1.5, "os": "Debian GNU/Linux 12 (bookworm)",
        "freq_max_hz": None, "governor": None, "power_source": None,
    }
    assert chosen(host.facts(tree(tmp_path, X86)), expected) == expected


def test_a_raspberry_pi(tmp_path: Path) -> None:
    expected = {
        "cpu": "4x Cortex-A76", "cpu_flags": ["asimd", "asimddp", "asimdhp", "fphp"], "virtual": None, "board": "Raspberry Pi 5 Model B Rev 1.1",
        "memory_bytes": 8245696 << 10, "swap_bytes": 524272 << 10, "memory_limit_bytes": None, "cpu_limit_cores": None,
        "freq_max_hz": 2_400_000_000, "governor": "ondemand",
    }
    assert chosen(host.facts(tree(tmp_path, PI)), expected) == expected


def test_what_changes_on_an_x86_machine(tmp_path: Path) -> None:
    expected = {
        "load_average": 0.52, "cpu_stall_us": 123456, "steal_ticks": 77, "memory_available_bytes": 8 << 20, "freq_hz": None, "temp_c": None,
    }
    assert chosen(host.now(tree(tmp_path, X86)), expected) == expected


def test_what_changes_on_a_raspberry_pi(tmp_path: Path) -> None:
    expected = {"load_average": 0.0, "freq_hz": 1_500_000_000, "temp_c": 51.3, "cpu_stall_us": None, "steal_ticks": None}
    assert chosen(host.now(tree(tmp_path, PI)), expected) == expected


def test_of_an_empty_tree_nothing_is_known(tmp_path: Path) -> None:
    found = host.facts(tmp_path)
    assert {name for name, value in found.items() if value is not None} == OF_THIS_PYTHON


def test_of_an_empty_tree_only_the_time_is_known(tmp_path: Path) -> None:
    assert {name for name, value in host.now(tmp_path).items() if value is not None} == {"monotonic_ns"}


def test_this_machines_processor_is_not_taken_for_a_recorded_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.processor", lambda: "x86_64")  # as on Ubuntu and Fedora
    assert host.facts(tmp_path)["cpu"] is None


def test_no_swap_is_a_zero_that_was_read(tmp_path: Path) -> None:
    assert host.facts(tree(tmp_path, X86))["swap_bytes"] == 0


@pytest.mark.parametrize(
    ("file", "text", "name"),
    [
        ("sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "<unknown>\n", "freq_max_hz"),
        ("sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "0\n", "freq_max_hz"),
        ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "\n", "governor"),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n", "memory_limit_bytes"),
        ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n", "cpu_limit_cores"),
        ("proc/cpuinfo", "processor\t: 0\n", "cpu_flags"),
    ],
)
def test_an_odd_value_is_nothing_known(tmp_path: Path, file: str, text: str, name: str) -> None:
    assert host.facts(tree(tmp_path, {file: text}))[name] is None


@pytest.mark.parametrize(("file", "text", "name"), [
    ("sys/class/thermal/thermal_zone0/temp", "-40000\n", "temp_c"), ("proc/stat", "cpu  1 2 3 4\n", "steal_ticks"),
    ("proc/pressure/cpu", "full avg10=0.00 total=5\n", "cpu_stall_us"),
])
def test_an_odd_reading_is_nothing_known(tmp_path: Path, file: str, text: str, name: str) -> None:
    assert host.now(tree(tmp_path, {file: text}))[name] is None


def test_the_older_cgroups_limits_are_read(tmp_path: Path) -> None:
    v1 = {"memory/memory.limit_in_bytes": "1048576\n", "cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}
    found = host.facts(tree(tmp_path, {f"sys/fs/cgroup/{name}": text for name, text in v1.items()}))
    assert (found["memory_limit_bytes"], found["cpu_limit_cores"]) == (1 << 20, 2.0)


def test_cores_of_two_kinds_are_counted_apart(tmp_path: Path) -> None:
    cores = "".join(f"CPU part\t: {part}\n" for part in ["0xd05"] * 4 + ["0xd41"] * 2 + ["0xfff"])
    assert host.facts(tree(tmp_path, {"proc/cpuinfo": cores}))["cpu"] == "4x Cortex-A55 + 2x Cortex-A78 + 1x ARM part 0xfff"


@pytest.mark.parametrize(
    ("supplies", "source"),
    [
        ({"AC/type": "Mains", "AC/online": "1", "BAT0/type": "Battery", "BAT0/status": "Charging"}, "mains"),
        ({"AC/type": "Mains", "AC/online": "0", "BAT0/type": "Battery", "BAT0/status": "Discharging"}, "battery"),
        ({"AC/type": "Mains", "AC/online": "0"}, None),
    ],
)
def test_the_power_source(tmp_path: Path, supplies: dict[str, str], source: str | None) -> None:
    files = {f"sys/class/power_supply/{name}": f"{text}\n" for name, text in supplies.items()}
    assert host.facts(tree(tmp_path, files))["power_source"] == source


def test_a_package_that_is_not_installed_has_no_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "PACKAGES", ("numpy", "no-such-package"))
    found = host.facts(tmp_path)["packages"]
    assert (found["edgebench"], found["no-such-package"]) == (__version__, None)
    assert found["numpy"] is not None
