"""Debian's packages for a processor -> their files in a folder. Nothing of them is run or installed: apt chooses and downloads, dpkg-deb unpacks.

Needs apt and dpkg, Debian's keys, and no right beyond those of an ordinary user.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from edgebench.errors import FetchError, MissingError

ARCHITECTURES = {"aarch64": "arm64", "armv7l": "armhf", "x86_64": "amd64"}  # as wheels and kernels name a processor -> as Debian does
KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
MIRROR = "http://deb.debian.org/debian"  # signed lists name each package's SHA-256, which apt checks
PROGRAMS = ("apt-get", "dpkg-deb", "tar")


def debs(machine: str, packages: Sequence[str], state: Path, *, suite: str) -> list[Path]:
    """The packages for the processor and all that they need, downloaded once into `state`.

    MissingError where this system has no apt; FetchError where the archive cannot be asked.
    """
    if lacking := [one for one in PROGRAMS if not shutil.which(one)] + ([] if KEYS.exists() else ["debian-archive-keyring"]):
        raise MissingError(f"{', '.join(lacking)} is not here, and Debian's packages are fetched with it; do this once on Debian or Ubuntu "
                           "(sudo apt install debian-archive-keyring)")
    for name in ("lists/partial", "cache/archives/partial", "parts"):
        (state / name).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    (state / "parts/debian.sources").write_text(f"Types: deb\nURIs: {mirror()}\nSuites: {suite}\nComponents: main\nSigned-By: {KEYS}\n")
    architecture = ARCHITECTURES[machine]
    options = {
        "APT::Architecture": architecture, "APT::Architectures": architecture, "APT::Install-Recommends": "0", "APT::Sandbox::User": "root",
        "Debug::NoLocking": "1", "Dir::State::Lists": f"{state}/lists", "Dir::State::status": f"{state}/status", "Dir::Cache": f"{state}/cache",
        "Dir::Etc::SourceList": "/dev/null", "Dir::Etc::SourceParts": f"{state}/parts",
    }
    apt = ["apt-get", *(f"-o{name}={value}" for name, value in options.items()), "-q", "-y"]
    _run([*apt, "update"])
    _run([*apt, "--download-only", "install", *packages])
    return sorted((state / "cache/archives").glob("*.deb"))


def mirror() -> str:
    """The one that this system uses where it is Debian, else Debian's own."""
    asked = ["apt-get", "indextargets", "--format", "$(SITE) $(ORIGIN)", "Created-By: Packages"]
    said = subprocess.run(asked, capture_output=True, text=True).stdout.splitlines()
    return next((site for site, _, origin in (line.partition(" ") for line in said) if origin == "Debian"), MIRROR)


def unpack(deb: Path, folder: Path) -> None:
    """The files of a package, below the folder."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE) as source:
        subprocess.run(["tar", "-x", "-C", str(folder), "--keep-directory-symlink", "--no-same-owner"], stdin=source.stdout, check=True)


def root(machine: str, packages: Sequence[str], folder: Path, state: Path, *, suite: str) -> Path:
    """A root file system of these packages; no maintainer script has run."""
    for name in ("usr/bin", "usr/sbin", "usr/lib", "tmp", "proc", "dev", "sys", "root", "etc", "mnt"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name in ("bin", "sbin", "lib"):
        if not (folder / name).exists():
            (folder / name).symlink_to(f"usr/{name}")
    for deb in debs(machine, packages, state, suite=suite):
        unpack(deb, folder)
    if (folder / "usr/lib64").exists() and not (folder / "lib64").exists():
        (folder / "lib64").symlink_to("usr/lib64")
    return folder


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        words = next((line for line in done.stderr.splitlines() if line.startswith("E: ")), done.stderr.strip())
        raise FetchError(f"apt cannot fetch Debian's packages ({words[:200]}); see whether this machine is on the network")
