"""Facts of recorded machines: what they say is read, what they do not say is null."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from edgebench import __version__
from edgebench.bench import host, state
from tests.machines import LAPTOP, PHONE, PI, VIRTUAL, tree

# not read below root
OF_THIS_PYTHON = {"machine", "cores", "usable_cores", "os", "kernel", "libc", "python", "packages", "commit", "clock_resolution_ns"}


def chosen(found: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in expected}


def test_a_virtual_machine_with_a_container_in_it(tmp_path: Path) -> None:
    expected = {
        "cpu": "Intel(R) Xeon(R) CPU @ 2.20GHz", "cpu_flags": ["avx", "avx2", "fma", "avx512f", "avx512_vnni"], "virtual": True, "container": "docker",
        "board": "QEMU Standard PC (Q35 + ICH9, 2009)", "memory_bytes": 16 << 20, "memory_limit_bytes": 8 << 20, "cpu_limit_cores": 1.5,
        "os": "Debian GNU/Linux 12 (bookworm)", "huge_pages": "always", "clock_source": "kvm-clock", "power_source": None,
    }
    assert chosen(host.facts(tree(tmp_path, VIRTUAL)), expected) == expected


def test_a_raspberry_pi(tmp_path: Path) -> None:
    expected = {
        "cpu": "4x Cortex-A76", "governor": "ondemand", "virtual": None, "container": None, "board": "Raspberry Pi 5 Model B Rev 1.1",
        "memory_bytes": 8245696 << 10, "swap_bytes": 524272 << 10, "memory_limit_bytes": None, "cpu_limit_cores": None, "huge_pages": "madvise",
    }
    assert chosen(host.facts(tree(tmp_path, PI)), expected) == expected


def test_a_phone(tmp_path: Path) -> None:
    expected = {"cpu": "4x Cortex-A55 + 3x Cortex-A78 + 1x Cortex-X1", "cpus_allowed": "0-7", "power_source": "battery", "board": None, "huge_pages": None}
    assert chosen(host.facts(tree(tmp_path, PHONE)), expected) == expected


def test_a_laptop(tmp_path: Path) -> None:
    expected = {"board": "LENOVO 20XW004AGE", "virtual": None, "power_source": "battery", "turbo": True, "governor": "powersave"}
    assert chosen(host.facts(tree(tmp_path, LAPTOP)), expected) == expected


def test_of_an_empty_tree_nothing_is_known(tmp_path: Path) -> None:
    found = host.facts(tmp_path)
    assert {name for name, value in found.items() if value is not None} <= OF_THIS_PYTHON


def test_no_swap_is_a_zero_that_was_read(tmp_path: Path) -> None:
    assert host.facts(tree(tmp_path, VIRTUAL))["swap_bytes"] == 0


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


@pytest.mark.parametrize(("file", "text", "container"), [
    ("run/.containerenv", "", "podman"), ("run/systemd/container", "systemd-nspawn\n", "systemd-nspawn"),
    ("proc/self/cgroup", "4:memory:/kubepods/besteffort/pod1\n", "kubernetes"), ("proc/self/cgroup", "0::/user.slice\n", None),
])
def test_the_container(tmp_path: Path, file: str, text: str, container: str | None) -> None:
    assert host.facts(tree(tmp_path, {file: text}))["container"] == container


@pytest.mark.parametrize(("file", "board", "virtual"), [
    ("sys/class/dmi/id/sys_vendor", "Amazon EC2\n", True), ("sys/class/dmi/id/sys_vendor", "LENOVO\n", None),
    ("proc/device-tree/model", "linux,dummy-virt\0", True), ("proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0", None),
])
def test_an_arm_machine_is_virtual_where_its_board_is_one_of_a_hypervisor(tmp_path: Path, file: str, board: str, virtual: bool | None) -> None:
    assert host.facts(tree(tmp_path, {file: board}))["virtual"] is virtual


def test_a_whole_machine_that_qemu_translates_is_emulated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    said = {"proc/device-tree/model": "linux,dummy-virt\0", "proc/cpuinfo": "processor\t: 0\nBogoMIPS\t: 125.00\n"}
    assert host.facts(tree(tmp_path, said))["emulated"] is True


def test_a_package_that_is_not_installed_has_no_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "PACKAGES", ("numpy", "no-such-package"))
    found = host.facts(tmp_path)["packages"]
    assert (found["edgebench"], found["no-such-package"]) == (__version__, None)
    assert found["numpy"] is not None


def test_now_is_the_states() -> None:
    assert host.now is state.now


# the commit


def git(folder: Path, *words: str) -> str:
    alone = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "PATH": "/usr/bin:/bin:/usr/local/bin"}
    named = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    return subprocess.run(["git", *named, *words], cwd=folder, env=alone, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "main").mkdir()
    git(tmp_path / "main", "init", "-q")
    git(tmp_path / "main", "commit", "-q", "--allow-empty", "-m", "one")
    return tmp_path / "main"


def test_the_commit_is_gits(checkout: Path) -> None:
    assert host.commit(checkout) == git(checkout, "rev-parse", "HEAD")


def test_the_commit_is_found_among_packed_names_and_without_a_branch(checkout: Path) -> None:
    head = git(checkout, "rev-parse", "HEAD")
    git(checkout, "pack-refs", "--all")
    assert host.commit(checkout) == head
    git(checkout, "checkout", "-q", "--detach")
    assert host.commit(checkout) == head


def test_a_second_working_tree_has_a_commit_of_its_own(checkout: Path) -> None:
    git(checkout, "worktree", "add", "-q", "../second")
    git(checkout.parent / "second", "commit", "-q", "--allow-empty", "-m", "two")
    assert host.commit(checkout.parent / "second") == git(checkout.parent / "second", "rev-parse", "HEAD") != host.commit(checkout)


def test_what_is_no_checkout_has_no_commit(tmp_path: Path) -> None:
    assert host.commit(tmp_path) is None
