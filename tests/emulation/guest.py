"""Another processor's Debian on this machine: qemu's user emulation, registered in a user namespace of its own, so that nothing of the machine changes.

Each request goes the way that it goes to a board: to `edgebench.devices.far`, which starts a worker as a fresh process there.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from edgebench.devices import debian
from edgebench.devices.line import Cut, LineExecutor
from edgebench.devices.profile import Profile
from edgebench.errors import DeviceError
from scripts import arm
from tests import phone

# ELF headers of each machine, and which of their bits count (qemu's own binfmt.d files)
MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
ELF = {
    "arm64": r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00",
    "armhf": r"\x7fELF\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x28\x00",
}
QEMU = {"arm64": "qemu-aarch64", "armhf": "qemu-arm"}
CPU = {"arm64": "cortex-a72", "armhf": "cortex-a15"}  # the first is a Raspberry Pi 4's
PI_5 = "cortex-a76"
REGISTER = """\
set -e
mount -t binfmt_misc none "$1/mnt"
printf '%s' ":$2:M::$3:$4:$5:FPC" > "$1/mnt/register"
"""
ENTER = REGISTER + """\
mount --rbind /proc "$1/proc"
mount --rbind /dev "$1/dev"
root=$1
shift 5
exec chroot "$root" "$@"
"""


class Guest(LineExecutor):
    """See `edgebench.devices.base.Executor`. `paths` are folders of Python packages in the root; `cpu` is one that qemu knows."""

    def __init__(self, architecture: str, root: Path, emulator: Path, paths: Sequence[str], *, cpu: str | None = None) -> None:
        super().__init__(Profile(1, "guest", "an emulated machine", "ssh"), pauses_s=())
        self._architecture, self._root, self._emulator, self._paths = architecture, root, emulator, paths
        self._cpu = cpu or CPU[architecture]
        self._open = False

    @property
    def who(self) -> str:
        return "the guest"

    def command(self, *arguments: str) -> list[str]:
        """The guest's Python with these arguments."""
        variables = [f"QEMU_CPU={self._cpu}", f"PYTHONPATH={':'.join(self._paths)}", "HOME=/root", "PATH=/usr/bin", "OPENBLAS_NUM_THREADS=1"]
        inside = ["/usr/bin/env", *variables, "/usr/bin/python3.11", *arguments]
        enter = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", ENTER, "sh", str(self._root)]
        return [*enter, QEMU[self._architecture], ELF[self._architecture], MASK, str(self._emulator), *inside]

    def _is_connected(self) -> bool:
        return self._open

    def _begin(self) -> None:
        self._open = True

    def _hang_up(self) -> None:
        self._open = False

    def _command(self) -> list[str]:
        return self.command("-P", "-m", "edgebench.devices.far")

    def _explained(self, status: int, said: str) -> Cut | DeviceError:
        return DeviceError(f"{self.who}: status {status}: {said[-2000:]}")


def possible() -> None:
    """Skip where no emulated machine can be entered."""
    if not all(map(shutil.which, ("apt-get", "dpkg-deb", "unshare", "chroot"))):
        pytest.skip("emulation needs apt, dpkg and unshare")
    tried = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "binfmt_misc", "none", "/mnt"], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"binfmt_misc cannot be mounted in a user namespace here (Linux 6.7 or later can): {tried.stderr.strip()}")


def registration(architecture: str, root: Path) -> str:
    """Lines of shell that let this kernel run the architecture's programs, within a user namespace."""
    words = [str(root), QEMU[architecture], ELF[architecture], MASK, str(emulators() / QEMU[architecture])]
    return f"set -- {shlex.join(words)}\n{REGISTER}set +e"


def folder() -> Path:
    """Where roots and wheels are kept from one run to the next."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("EDGEBENCH_EMULATION") or Path(cache) / "edgebench-emulation")


def emulators() -> Path:
    """Debian 13's static qemu-user, unpacked: Debian 12's shows a guest this machine's /proc/cpuinfo, on which engines crash."""
    made = folder() / "qemu"
    if not (made / "usr/bin/qemu-aarch64").exists():
        for deb in phone.debs(platform.machine(), ["qemu-user"], folder() / "qemu.apt", suite="trixie"):
            if deb.name.startswith("qemu-user_"):
                made.mkdir(parents=True, exist_ok=True)
                debian.unpack(deb, made)
    return made / "usr/bin"


def root(architecture: str, packages: Sequence[str] = ()) -> Path:
    """Made once."""
    made = folder() / architecture
    if not (made / "done").exists():
        arm.root(architecture, made, packages)
        (made / "done").touch()
    application = made / "opt/app"
    shutil.rmtree(application, ignore_errors=True)
    arm.application(application)
    return made


def wheels(architecture: str, name: str, packages: Sequence[str]) -> str:
    """The path in the root of a folder with these packages, downloaded once."""
    into = folder() / architecture / "opt" / name
    if not into.exists():
        part = into.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        arm.wheels(architecture, packages, part)
        part.rename(into)
    return f"/opt/{name}"
