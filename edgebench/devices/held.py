"""A process of this machine -> the same, with fewer processors, less memory, or less of a priority; and which means was used.

What it does to a latency is not what a smaller device does: the records say that this machine was held back.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Any

from edgebench.bench import sysfs
from edgebench.devices.profile import Hold
from edgebench.errors import UnsupportedError

CGROUPS = Path("sys/fs/cgroup")


class Held:
    """Holds processes back. `close` removes the control group that it made, if any."""

    def __init__(self, hold: Hold, *, root: Path = Path("/")) -> None:
        if not hasattr(os, "sched_setaffinity"):
            raise UnsupportedError("hold needs Linux; leave it out of the profile")
        self.hold = hold
        self._cpus = set(sysfs.listed(hold.cpus)) if hold.cpus else None
        missing = sorted((self._cpus or set()) - os.sched_getaffinity(0))
        if missing:
            raise UnsupportedError(f"hold.cpus is {hold.cpus!r} and there is no processor {missing[0]} here; correct the profile")
        self._group = _group(root, hold.memory_bytes) if hold.memory_bytes else None

    def facts(self) -> dict[str, Any]:
        """For the record."""
        by = None if not self.hold.memory_bytes else "control group" if self._group else "rlimit (RLIMIT_DATA)"
        return {"cpus": self.hold.cpus, "memory_bytes": self.hold.memory_bytes, "memory_by": by, "nice": self.hold.nice}

    def apply(self, pid: int) -> None:
        """Hold the process, and whatever it starts, from now on."""
        import resource

        with contextlib.suppress(ProcessLookupError):  # it ended at once: its end says why
            if self._cpus:
                os.sched_setaffinity(pid, self._cpus)
            if self.hold.nice:
                try:
                    os.setpriority(os.PRIO_PROCESS, pid, self.hold.nice)
                except PermissionError as error:
                    raise UnsupportedError(f"hold.nice is {self.hold.nice}, and only root may go below 0; correct the profile") from error
            if self._group:
                (self._group / "cgroup.procs").write_text(str(pid))
            elif self.hold.memory_bytes:
                resource.prlimit(pid, resource.RLIMIT_DATA, (self.hold.memory_bytes, self.hold.memory_bytes))

    def close(self) -> None:
        if self._group:
            with contextlib.suppress(OSError):  # a process that is just being ended is still in it
                self._group.rmdir()


def _group(root: Path, limit: int) -> Path | None:
    """A group below this process's own with that much memory; None where none may be made, or it would not hold."""
    own = dict(line.split(":", 2)[1:] for line in (sysfs.text(root / "proc/self/cgroup") or "").splitlines() if line.count(":") >= 2)
    first = next((path for names, path in own.items() if "memory" in names.split(",")), None)
    ways = [(first, "memory", "memory.limit_in_bytes"), (own.get(""), "", "memory.max")]  # version 1, version 2
    for path, mount, file in ways:
        if path is None:
            continue
        folder = root / CGROUPS / mount / path.strip("/") / f"edgebench-{secrets.token_hex(4)}"
        try:
            folder.mkdir()
        except OSError:
            continue
        try:
            if (folder / file).exists():
                (folder / file).write_text(str(limit))
                return folder
        except OSError:
            pass
        with contextlib.suppress(OSError):
            folder.rmdir()
    return None
