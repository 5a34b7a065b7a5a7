"""A root file system of Debian for ARM with edgebench's packages: what the tests of emulated machines run in.

    python scripts/arm.py arm64 DEST --packages python3

Nothing foreign is run: apt chooses and downloads for the other architecture, dpkg-deb unpacks, pip downloads wheels for its platform. Needs
apt, dpkg and pip, and no right beyond those of an ordinary user.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from edgebench.devices import debian

HERE = Path(__file__).resolve().parent.parent
PYTHON = ("python3-minimal", "python3", "libpython3-stdlib", "libgomp1", "libstdc++6", "libatomic1", "zlib1g", "dash", "coreutils", "libc-bin")
PLATFORMS = {
    "arm64": [f"manylinux_2_{minor}_aarch64" for minor in (34, 28, 27, 26, 17)] + ["manylinux2014_aarch64"],
    "armhf": [f"manylinux_2_{minor}_armv7l" for minor in (34, 31, 28, 17)] + ["manylinux2014_armv7l"],
}
# what a device needs; torch from 2.11 on brings CUDA also on aarch64
SMALL = ("numpy", "tokenizers", "psutil", "msgspec")
ENGINES = {
    "onnxruntime": ("onnxruntime", "flatbuffers", "protobuf", "packaging"),
    "tflite": ("ai-edge-litert", "flatbuffers", "typing-extensions", "backports.strenum", "tqdm"),
    "torchscript": ("torch<2.11", "filelock", "sympy", "networkx", "jinja2", "fsspec", "mpmath", "markupsafe", "typing-extensions"),
}
CROSS = "arm-linux-gnueabihf-gcc"
MACHINES = {architecture: machine for machine, architecture in debian.ARCHITECTURES.items()}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("architecture", choices=PLATFORMS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--packages", nargs="*", default=[])
    said = parser.parse_args()
    root(said.architecture, said.folder, said.packages)


def root(architecture: str, folder: Path, packages: Sequence[str] = (), *, suite: str = "bookworm") -> Path:
    """Debian for the architecture with Python and `packages`, unpacked below `folder`; no maintainer script has run."""
    debian.root(MACHINES[architecture], (*PYTHON, *packages), folder, folder.with_name(f"{folder.name}.apt"), suite=suite)
    if not (folder / "usr/bin/sh").exists():
        (folder / "usr/bin/sh").symlink_to("dash")
    (folder / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    for kind in ("blas", "lapack"):  # what update-alternatives would do
        for library in folder.glob(f"usr/lib/*/{kind}/lib{kind}.so.3"):
            link = library.parent.parent / library.name
            if not link.is_symlink():
                link.symlink_to(f"{kind}/{library.name}")
    return folder


def wheels(architecture: str, names: Sequence[str], into: Path, *, python: str = "3.11") -> None:
    """Wheels of these packages for the architecture, unpacked into a folder; nothing is compiled."""
    abi = f"cp{python.replace('.', '')}"
    options = ["--only-binary=:all:", "--no-deps", "--python-version", python, "--implementation", "cp", "--abi", abi, "--abi", "abi3", "--abi", "none"]
    platforms = [word for one in PLATFORMS[architecture] for word in ("--platform", one)]
    with tempfile.TemporaryDirectory() as folder:
        quietly([sys.executable, "-m", "pip", "download", "-q", *options, *platforms, "-d", folder, *dict.fromkeys(names)])
        for wheel in Path(folder).glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(into)


def msgspec(into: Path, work: Path) -> None:
    """msgspec for 32-bit ARM, for which the package index has no wheel: compiled here, by Debian's cross compiler, against that architecture's headers."""
    headers = work / "headers"
    headers.mkdir(parents=True, exist_ok=True)
    for deb in debian.debs("armv7l", ["libpython3.11-dev", "libc6-dev"], work / "headers.apt", suite="bookworm"):
        if "-dev_" in deb.name:
            debian.unpack(deb, headers)
    quietly([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", "msgspec", "-d", str(work), "msgspec"])
    with tarfile.open(next(work.glob("msgspec-*.tar.gz"))) as archive:
        archive.extractall(work, filter="data")
    source = next(work.glob("msgspec-*/src/msgspec"))
    shutil.copytree(source, into / "msgspec", ignore=shutil.ignore_patterns("*.c", "*.h", "*.pyi"))
    found = [f"-I{headers}/usr/include/python3.11", f"-isystem{headers}/usr/include/arm-linux-gnueabihf", f"-isystem{headers}/usr/include"]
    module = into / "msgspec/_core.cpython-311-arm-linux-gnueabihf.so"
    quietly([CROSS, "-O1", "-w", "-shared", "-fPIC", "-nostdlib", *found, str(source / "_core.c"), "-lgcc", "-o", str(module)])


def application(into: Path) -> None:
    """edgebench itself with its models and profiles."""
    for name in ("edgebench", "models", "devices"):
        shutil.copytree(HERE / name, into / name, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))


def quietly(command: Sequence[str]) -> None:
    """Run it; what it says is told where it fails, and the program ends."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command[:4])} ...: {done.stderr[-2000:]}")


if __name__ == "__main__":
    main()
