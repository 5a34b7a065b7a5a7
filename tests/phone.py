"""Two that are to adb what a phone is, and are no Android: not its kernel, and not its SELinux.

`empty`: a root with nothing in it but a busybox without libraries, as `/system/bin/sh`, and a program called adb that leads there. No libc, no
Python, no /usr, no /etc and no /tmp: what runs there brought all that it needs. `genuine`: Android's own adbd and adb, as Debian 13 packages
them, in namespaces of their own, since that adbd asks nobody who he is.
"""

from __future__ import annotations

import contextlib
import platform
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from edgebench.devices import debian
from edgebench.errors import FetchError, MissingError

APPLETS = "sh cat chmod cut df dirname du echo env id ls mkdir mv readlink rm rmdir sha256sum tail tar uname test sleep"
ADB = """\
#!/bin/sh
printf '%s\\n' "$1 $2 $3 $4" >> "$0.said"
if [ "$1" = devices ]; then printf 'List of devices attached\\nR58M12\\tdevice model:empty\\n'; exit 0; fi
[ "$1 $2 $3 $4" = "-s R58M12 shell -T" ] || exit 64
export WORDS="$5"
exec unshare --user --map-root-user --mount sh "$0.enter"
"""
ENTER = """\
mount --bind {root} {root} && cd {root} || exit 1  # so that df finds what the root is on
{emulator}
mount --rbind /proc proc && mount --rbind /dev dev || exit 1
exec env -i {variables} PATH=/system/bin {chroot} {root} /system/bin/sh -c "$WORDS"
"""
PATHS = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"


def possible() -> None:
    """Skip where no such root can be entered."""
    needed = [one for one in ("unshare", "chroot", *debian.PROGRAMS) if not shutil.which(one, path=PATHS)]
    if needed or not debian.KEYS.exists():
        pytest.skip(f"an empty root needs {', '.join(needed) or 'debian-archive-keyring'}")
    tried = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "true"], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"no user namespace can be made here: {tried.stderr.strip()}")


def debs(machine: str, packages: Sequence[str], state: Path, *, suite: str) -> list[Path]:
    """As `edgebench.devices.debian.debs`; skips where they cannot be had."""
    try:
        return debian.debs(machine, packages, state, suite=suite)
    except (FetchError, MissingError) as error:
        pytest.skip(str(error))


def empty(folder: Path, machine: str = platform.machine(), emulator: str = "", variables: str = "") -> Path:
    """The root, and beside it the program `adb`; `emulator` are lines of shell that let this kernel run the machine's programs."""
    root = folder / "phone"
    for name in ("system/bin", "data/local/tmp", "proc", "dev", "mnt"):
        (root / name).mkdir(parents=True)
    for deb in debs(machine, ["busybox-static"], folder / "busybox.apt", suite="bookworm"):
        (folder / "busybox").mkdir(exist_ok=True)
        debian.unpack(deb, folder / "busybox")
    shutil.copy(next(folder.glob("busybox/**/bin/busybox")), root / "system/bin/busybox")
    for name in APPLETS.split():
        (root / "system/bin" / name).symlink_to("busybox")
    adb = folder / "adb"
    adb.write_text(ADB)
    adb.with_name("adb.enter").write_text(ENTER.format(root=root, chroot=shutil.which("chroot", path=PATHS), emulator=emulator, variables=variables))
    adb.chmod(0o700)
    return root


SERIAL = "127.0.0.1:5599"
BEGIN = """\
ip link set lo up && cd {root} && mount --rbind /proc proc && mount --rbind /dev dev || exit 1
exec env -i PATH=/usr/bin ADBD_PORT=5599 HOME=/root {chroot} {root} /usr/lib/android-sdk/platform-tools/adbd
"""
WITHIN = """\
#!/bin/sh
exec nsenter --target {pid} --user --net --mount --pid --preserve-credentials {chroot} {root} /usr/lib/android-sdk/platform-tools/adb "$@"
"""


@contextlib.contextmanager
def genuine(folder: Path) -> Iterator[Path]:
    """The root of a running adbd, and beside it the program `adb` that knows it by `SERIAL`."""
    root, chroot = folder / "phone", shutil.which("chroot", path=PATHS)
    packages = ["adb", "adbd", "dash", "coreutils", "tar"]
    debs("x86_64", packages, folder / "adbd.apt", suite="trixie")
    debian.root("x86_64", packages, root, folder / "adbd.apt", suite="trixie")
    for name in ("system/bin", "data/local/tmp"):
        (root / name).mkdir(parents=True)
    (root / "system/bin/sh").symlink_to("/usr/bin/dash")
    if not (root / "usr/bin/sh").exists():
        (root / "usr/bin/sh").symlink_to("dash")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    apart = ["unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c"]
    begin = BEGIN.format(root=root, chroot=chroot)
    with (folder / "adbd.log").open("wb") as log, subprocess.Popen([*apart, begin], stdout=log, stderr=log) as process:
        try:
            while process.poll() is None and not (inside := psutil.Process(process.pid).children()):
                time.sleep(0.02)
            adb = folder / "adb"
            adb.write_text(WITHIN.format(pid=inside[0].pid, chroot=chroot, root=root))
            adb.chmod(0o700)
            for _ in range(50):
                if "connected" in subprocess.run([str(adb), "connect", SERIAL], stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout.split():
                    break
                time.sleep(0.2)
            else:
                pytest.skip(f"adbd does not start here: {(folder / 'adbd.log').read_text()[-300:]}")
            yield root
        finally:
            process.kill()
