"""The control groups this process is in -> how much memory and processor time they allow it.

Both versions are read, each from the process's own group up to the mount: every level may set a limit, and the smallest
holds. In a container the group's path is often one outside it, of which only the mount itself is there.
"""

from __future__ import annotations

from pathlib import Path

from edgebench.bench import sysfs

NO_LIMIT = 1 << 60  # version 1 writes a number near 2**63 for "none"


def memory_bytes(root: Path) -> int | None:
    """The least memory limit; None where none is set."""
    files = [folder / "memory.max" for folder in _folders(root, "")] + [folder / "memory.limit_in_bytes" for folder in _folders(root, "memory")]
    found = [limit for limit in map(sysfs.number, files) if limit is not None and limit < NO_LIMIT]
    return min(found, default=None)


def cpu_cores(root: Path) -> float | None:
    """Processors' worth of time that may be used, e.g. 1.5; None where no limit is set."""
    quotas = [(sysfs.text(folder / "cpu.max") or "").partition(" ")[::2] for folder in _folders(root, "")]
    quotas += [(sysfs.text(folder / "cpu.cfs_quota_us") or "", sysfs.text(folder / "cpu.cfs_period_us") or "") for folder in _folders(root, "cpu")]
    found = [int(quota) / int(period) for quota, period in quotas if quota.isdigit() and period.isdigit() and int(period)]
    return min(found, default=None)


def held_back_us(root: Path) -> int | None:
    """How long processes of this group had to wait, so far, because its processor time was used up."""
    for folder in _folders(root, ""):
        waited = sysfs.field(folder / "cpu.stat", r"^throttled_usec (\d+)$")
        if waited is not None:
            return waited
    for folder in _folders(root, "cpu"):
        waited = sysfs.field(folder / "cpu.stat", r"^throttled_time (\d+)$")  # ns in version 1
        if waited is not None:
            return waited // 1000
    return None


def _folders(root: Path, controller: str) -> list[Path]:
    """This process's group and those around it, the innermost first. `controller` "" is version 2's one hierarchy."""
    mount = root / "sys/fs/cgroup" / controller
    path = ""
    for line in (sysfs.text(root / "proc/self/cgroup") or "").splitlines():
        _, controllers, group = (*line.split(":", 2), "", "")[:3]
        if controller in controllers.split(","):
            path = group.strip("/")
    inner = mount / path
    return [inner, *(folder for folder in inner.parents if folder.is_relative_to(mount))]
