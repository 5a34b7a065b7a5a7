"""A root file system of Debian for ARM with edgebench's packages, and a bundle of it that needs nothing of the phone that it is pushed to.

    python scripts/arm.py root arm64 DEST --packages python3
    python scripts/arm.py bundle DEST.tar.gz                # arm64: interpreter, libc, wheels and edgebench

Nothing foreign is run: apt chooses and downloads for the other architecture, dpkg-deb unpacks, pip downloads wheels for its platform. Needs
apt, dpkg and pip, and no right beyond those of an ordinary user.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

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
LAUNCHER = """\
#!/system/bin/sh
# glibc's own loader, so that nothing of the phone's libc is needed; --argv0 lets Python find this file again for its children
here=${0%/*}
export PYTHONHOME="$here/usr" PYTHONPATH="$here/app:$here/site" EDGEBENCH_HOME="$here/home" TMPDIR="$here/tmp" LD_LIBRARY_PATH=
exec "$here/lib/ld-linux-aarch64.so.1" --argv0 "$0" --library-path "$here/lib" "$here/usr/bin/python3.11" "$@"
"""


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("root")
    one.add_argument("architecture", choices=PLATFORMS)
    one.add_argument("folder", type=Path)
    one.add_argument("--packages", nargs="*", default=[])
    other = commands.add_parser("bundle")
    other.add_argument("archive", type=Path)
    other.add_argument("--engines", nargs="*", default=["onnxruntime", "tflite"], choices=ENGINES)
    said = parser.parse_args()
    if said.command == "root":
        root(said.architecture, said.folder, said.packages)
        return
    with tempfile.TemporaryDirectory() as folder:
        made = bundle(Path(folder), said.engines)
        with tarfile.open(said.archive, "w:gz") as archive:
            archive.add(made, arcname="edgebench")
    print(f"{said.archive}: {said.archive.stat().st_size / 1e6:.0f} MB")


def root(architecture: str, folder: Path, packages: Sequence[str] = (), *, suite: str = "bookworm") -> Path:
    """Debian for the architecture with Python and `packages`, unpacked below `folder`; no maintainer script has run."""
    for name in ("usr/bin", "usr/sbin", "usr/lib", "tmp", "proc", "dev", "sys", "root", "etc", "mnt"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name in ("bin", "sbin", "lib"):
        if not (folder / name).exists():
            (folder / name).symlink_to(f"usr/{name}")
    for deb in debs(architecture, (*PYTHON, *packages), folder.with_name(f"{folder.name}.apt"), suite=suite):
        unpack(deb, folder)
    if not (folder / "usr/bin/sh").exists():
        (folder / "usr/bin/sh").symlink_to("dash")
    (folder / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    for kind in ("blas", "lapack"):  # what update-alternatives would do
        for library in folder.glob(f"usr/lib/*/{kind}/lib{kind}.so.3"):
            link = library.parent.parent / library.name
            if not link.is_symlink():
                link.symlink_to(f"{kind}/{library.name}")
    return folder


def debs(architecture: str, packages: Sequence[str], state: Path, *, suite: str) -> list[Path]:
    """The packages and all that they need, downloaded from the mirror that this system uses."""
    for name in ("lists/partial", "cache/archives/partial", "parts"):
        (state / name).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    asked = ["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"]
    mirror = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()[0]
    (state / "parts/debian.sources").write_text(
        f"Types: deb\nURIs: {mirror}\nSuites: {suite}\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
    )
    options = {
        "APT::Architecture": architecture, "APT::Architectures": architecture, "APT::Install-Recommends": "0", "APT::Sandbox::User": "root",
        "Debug::NoLocking": "1", "Dir::State::Lists": f"{state}/lists", "Dir::State::status": f"{state}/status", "Dir::Cache": f"{state}/cache",
        "Dir::Etc::SourceList": "/dev/null", "Dir::Etc::SourceParts": f"{state}/parts",
    }
    apt = ["apt-get", *(f"-o{name}={value}" for name, value in options.items()), "-q", "-y"]
    _quietly([*apt, "update"])
    _quietly([*apt, "--download-only", "install", *packages])
    return sorted((state / "cache/archives").glob("*.deb"))


def unpack(deb: Path, folder: Path) -> None:
    """The files of a package."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE) as source:
        subprocess.run(["tar", "-x", "-C", str(folder), "--keep-directory-symlink", "--no-same-owner"], stdin=source.stdout, check=True)


def wheels(architecture: str, names: Sequence[str], into: Path, *, python: str = "3.11") -> None:
    """Wheels of these packages for the architecture, unpacked into a folder; nothing is compiled."""
    abi = f"cp{python.replace('.', '')}"
    options = ["--only-binary=:all:", "--no-deps", "--python-version", python, "--implementation", "cp", "--abi", abi, "--abi", "abi3", "--abi", "none"]
    platforms = [word for one in PLATFORMS[architecture] for word in ("--platform", one)]
    with tempfile.TemporaryDirectory() as folder:
        _quietly([sys.executable, "-m", "pip", "download", "-q", *options, *platforms, "-d", folder, *dict.fromkeys(names)])
        for wheel in Path(folder).glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(into)


def application(into: Path) -> None:
    """edgebench itself with its models and profiles."""
    for name in ("edgebench", "models", "devices"):
        shutil.copytree(HERE / name, into / name, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))


def bundle(folder: Path, engines: Sequence[str]) -> Path:
    """A folder that can be put anywhere: `python` in it starts the interpreter with everything that edgebench needs."""
    made = folder / "edgebench"
    system = root("arm64", folder / "root")
    for name in ("lib", "usr/bin", "usr/lib", "home", "tmp", "site", "app"):
        (made / name).mkdir(parents=True, exist_ok=True)
    for library in system.glob("usr/lib/aarch64-linux-gnu/*.so*"):
        shutil.copy(library, made / "lib" / library.name)  # links become files: not every file system has them
    shutil.copy(system / "usr/bin/python3.11", made / "usr/bin/python3.11")
    ignored = shutil.ignore_patterns("__pycache__", "test")
    shutil.copytree(system / "usr/lib/python3.11", made / "usr/lib/python3.11", ignore=ignored, ignore_dangling_symlinks=True)
    wheels("arm64", [*SMALL, *(name for engine in engines for name in ENGINES[engine])], made / "site")
    application(made / "app")
    (made / "python").write_text(LAUNCHER)
    os.chmod(made / "python", 0o755)
    return made


def _quietly(command: Sequence[str]) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command[:4])} ...: {done.stderr[-2000:]}")


if __name__ == "__main__":
    main()
