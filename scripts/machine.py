"""A whole arm64 machine for qemu: Debian's kernel, a disk with Python and sshd, and keys of its own. Made without being root, and installed nowhere.

    python -m scripts.machine DEST           # make it
    python -m scripts.machine DEST --run     # and run it in this terminal, until Ctrl-A x

It is reached as `root@arm64-machine` by DEST/ssh_config, whose known_hosts holds the key that was made for it. Needs apt, dpkg, mke2fs and
qemu-system-aarch64 (Debian: qemu-system-arm).
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import stat
import subprocess
from collections.abc import Iterable
from pathlib import Path

from edgebench.devices import debian
from scripts import arm

HOST = "arm64-machine"
CPU = "cortex-a72"  # a Raspberry Pi 4's
CORES = 2
MEMORY_MB = 1500
DISK_MB = 2000
KERNEL = "linux-image-cloud-arm64"
PACKAGES = ("openssh-server", "busybox-static", "sed", "grep")
# drivers that Debian builds as modules, each after those that it needs
MODULES = (
    "virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk", "failover", "net_failover", "virtio_net",
    "virtio-rng",
)
# in the memory that the kernel begins with: load the drivers and go over to the disk
BEGIN = """\
#!/bin/busybox sh
for one in {modules}; do busybox insmod /$one.ko; done
busybox mount -t devtmpfs dev /dev
until [ -b /dev/vda ]; do busybox sleep 0.1; done
busybox mount -t ext4 /dev/vda /disk
busybox mount -o move /dev /disk/dev
exec busybox switch_root /disk /sbin/init
"""
# of the disk; busybox's init runs it once and then sshd, and begins that anew whenever it ends
START = """\
#!/bin/sh
mkdir -p /dev/pts /dev/shm
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devpts pts /dev/pts
mount -t tmpfs run /run
mount -t tmpfs shm /dev/shm
mkdir -m 755 /run/sshd
ip link set lo up
ip address add 10.0.2.15/24 dev eth0
ip link set eth0 up
"""
INITTAB = "::sysinit:/etc/start\n::respawn:/usr/sbin/sshd -D -e\n"
PASSWD = "root:x:0:0:root:/root:/bin/sh\nsshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n"
SSHD = "StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nHostKey /etc/ssh/host_key\n"
APPLETS = ("mount", "ip", "ps", "sync")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--run", action="store_true")
    said = parser.parse_args()
    folder = said.folder.resolve()
    if not (folder / "disk").exists():
        make(folder)
    if said.run:
        port = free_port()
        print(f"edgebench devices add NAME --address root@{HOST} --ssh-config {reached(folder, port)} --prepare")
        subprocess.run(command(folder, port))


def make(folder: Path) -> None:
    """Kernel, first files, keys and disk, in the folder; `disk` is there once all of it is."""
    folder.mkdir(parents=True, exist_ok=True)
    kernel = folder / "kernel"
    kernel.mkdir(exist_ok=True)
    for deb in debian.debs("aarch64", [KERNEL], folder / "kernel.apt", suite="bookworm"):
        if deb.name.startswith("linux-image-"):
            debian.unpack(deb, kernel)
    root = arm.root("arm64", folder / "root", PACKAGES)
    shutil.copyfile(next(kernel.glob("boot/vmlinuz-*")), folder / "vmlinuz")
    (folder / "initrd").write_bytes(first_files(root / "usr/bin/busybox", kernel))
    _settle(root, folder)
    part = folder / "disk.part"
    part.unlink(missing_ok=True)
    arm.quietly([str(mke2fs()), "-q", "-t", "ext4", "-d", str(root), str(part), f"{DISK_MB}M"])
    part.rename(folder / "disk")


def reached(folder: Path, port: int) -> Path:
    """ssh's settings for the machine behind this port."""
    settings = folder / "ssh_config"
    settings.write_text(f"Host {HOST}\nHostName 127.0.0.1\nPort {port}\nHostKeyAlias {HOST}\nIdentityFile \"{folder}/user_key\"\nIdentitiesOnly yes\n"
                        f"UserKnownHostsFile \"{folder}/known_hosts\"\nGlobalKnownHostsFile none\n")
    return settings


def command(folder: Path, port: int) -> list[str]:
    """qemu's arguments: every instruction is translated, also on an arm64 machine, so that it is the same everywhere."""
    return [
        "qemu-system-aarch64", "-M", "virt", "-cpu", CPU, "-smp", str(CORES), "-m", str(MEMORY_MB), "-accel", "tcg,thread=multi", "-nographic", "-no-reboot",
        "-kernel", f"{folder}/vmlinuz", "-initrd", f"{folder}/initrd", "-append", "console=ttyAMA0 quiet panic=-1",
        "-drive", f"if=virtio,format=raw,file={folder}/disk", "-device", "virtio-rng-pci",
        "-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22", "-device", "virtio-net-pci,netdev=net,romfile=",
    ]


def mke2fs() -> str | None:
    """The program, which is not always among those that an ordinary user finds; None where there is none."""
    return shutil.which("mke2fs", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def free_port() -> int:
    """One that nobody listens at now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def first_files(busybox: Path, kernel: Path) -> bytes:
    """The archive that the kernel unpacks into its memory: the "newc" form of cpio, which its Documentation/driver-api/early-userspace describes."""
    entries = [(name, stat.S_IFDIR | 0o755, b"", 0) for name in ("dev", "disk", "bin")]
    entries.append(("dev/console", stat.S_IFCHR | 0o600, b"", (5 << 8) + 1))
    entries.append(("bin/busybox", stat.S_IFREG | 0o755, busybox.read_bytes(), 0))
    entries.append(("init", stat.S_IFREG | 0o755, BEGIN.format(modules=" ".join(MODULES)).encode(), 0))
    for name in MODULES:
        entries.append((f"{name}.ko", stat.S_IFREG | 0o644, next(kernel.glob(f"lib/modules/*/kernel/**/{name}.ko")).read_bytes(), 0))
    return cpio(entries)


def cpio(entries: Iterable[tuple[str, int, bytes, int]]) -> bytes:
    """(path, mode, bytes, device as major * 256 + minor) -> the archive."""
    made = bytearray()
    for number, (name, mode, body, device) in enumerate([*entries, ("TRAILER!!!", 0, b"", 0)], 1):
        fields = (number, mode, 0, 0, 1, 0, len(body), 0, 0, device >> 8, device & 255, len(name) + 1, 0)
        for piece in (b"070701" + "".join(f"{one:08x}" for one in fields).encode() + name.encode() + b"\0", body):
            made += piece + bytes(-(len(made) + len(piece)) % 4)
    return bytes(made)


def _settle(root: Path, folder: Path) -> None:
    """What the packages' scripts would do, init's table, and the keys."""
    for name in ("host_key", "user_key"):
        (folder / name).unlink(missing_ok=True)
        arm.quietly(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(folder / name)])
    (folder / "known_hosts").write_text(f"{HOST} {(folder / 'host_key.pub').read_text()}")
    files = {"etc/start": START, "etc/inittab": INITTAB, "etc/passwd": PASSWD, "etc/group": "root:x:0:\nnogroup:x:65534:\n", "etc/hostname": HOST,
             "etc/ssh/sshd_config": SSHD, "etc/ssh/host_key": (folder / "host_key").read_text(),
             "root/.ssh/authorized_keys": (folder / "user_key.pub").read_text()}
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "etc/start").chmod(0o755)
    (root / "etc/ssh/host_key").chmod(0o600)
    (root / "run").mkdir(exist_ok=True)
    for name in ("sbin/init", *(f"usr/bin/{one}" for one in APPLETS)):
        if not os.path.lexists(root / name):
            (root / name).symlink_to("/usr/bin/busybox")


if __name__ == "__main__":
    main()
