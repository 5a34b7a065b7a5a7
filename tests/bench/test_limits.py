"""Limits of both versions of control groups, in this group and in those around it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebench.bench import limits
from tests.machines import tree

V2 = {
    "proc/self/cgroup": "0::/system.slice/docker-ab.scope\n",
    "sys/fs/cgroup/system.slice/memory.max": "4096000\n",
    "sys/fs/cgroup/system.slice/cpu.max": "max 100000\n",
    "sys/fs/cgroup/system.slice/docker-ab.scope/memory.max": "max\n",
    "sys/fs/cgroup/system.slice/docker-ab.scope/cpu.max": "250000 100000\n",
    "sys/fs/cgroup/system.slice/docker-ab.scope/cpu.stat": "usage_usec 1\nthrottled_usec 55\n",
}
V1 = {
    "proc/self/cgroup": "4:memory:/job/step\n1:cpu,cpuacct:/job\n0::/\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
    "sys/fs/cgroup/memory/job/memory.limit_in_bytes": "2097152\n",
    "sys/fs/cgroup/memory/job/step/memory.limit_in_bytes": "1048576\n",
    "sys/fs/cgroup/cpu/job/cpu.cfs_quota_us": "200000\n",
    "sys/fs/cgroup/cpu/job/cpu.cfs_period_us": "100000\n",
    "sys/fs/cgroup/cpu/job/cpu.stat": "nr_periods 3\nthrottled_time 77000\n",
}


def found(root: Path) -> tuple[int | None, float | None, int | None]:
    return limits.memory_bytes(root), limits.cpu_cores(root), limits.held_back_us(root)


def test_version_2_limits_hold_from_the_process_up_to_the_mount(tmp_path: Path) -> None:
    assert found(tree(tmp_path, V2)) == (4_096_000, 2.5, 55)


def test_the_smallest_limit_of_version_1_holds(tmp_path: Path) -> None:
    assert found(tree(tmp_path, V1)) == (1 << 20, 2.0, 77)


def test_in_a_container_whose_group_lies_outside_it_the_mount_is_read(tmp_path: Path) -> None:
    outside = {"proc/self/cgroup": "4:memory:/docker/ab12\n0::/docker/ab12\n"}
    mounts = {"sys/fs/cgroup/memory/memory.limit_in_bytes": "1048576\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}
    assert found(tree(tmp_path, outside, mounts)) == (1 << 20, 1.5, None)


@pytest.mark.parametrize(("name", "text"), [
    ("memory.max", "max\n"), ("memory/memory.limit_in_bytes", "9223372036854771712\n"), ("cpu.max", "max 100000\n"),
    ("cpu.max", "150000 0\n"), ("cpu.max", "150000\n"), ("cpu/cpu.cfs_quota_us", "-1\n"),
])
def test_no_limit_is_none(tmp_path: Path, name: str, text: str) -> None:
    period = {"sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}
    assert found(tree(tmp_path, {f"sys/fs/cgroup/{name}": text}, period)) == (None, None, None)
