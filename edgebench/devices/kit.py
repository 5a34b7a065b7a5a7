"""What a device says of itself -> the wheels that it needs for edgebench: edgebench's own, made here, and those that pip finds for its platform.

Nothing is compiled, and nothing needs to be installed or reachable there. Wheels are kept here by what was asked for, so that the second device of
a kind, and the second visit, need no network either.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

import edgebench
from edgebench import catalog
from edgebench.errors import DeviceError, FetchError, MissingError, UnsupportedError
from edgebench.models.artifact import digest_of

OLDEST = (3, 11)
SMALL = ("numpy>=1.26", "tokenizers>=0.21", "psutil>=5.9", "msgspec>=0.19")
# what each engine's wheel needs besides, listed since pip judges a dependency's conditions by this machine and not by the device
ENGINES = {
    "onnxruntime": ("onnxruntime>=1.20", "flatbuffers", "protobuf", "packaging"),
    "tflite": ("ai-edge-litert>=1.2", "flatbuffers", "typing-extensions", "backports.strenum", "tqdm"),
    "torchscript": ("torch>=2.10,<2.11", "filelock", "sympy", "networkx", "jinja2", "fsspec", "mpmath", "markupsafe", "typing-extensions"),
}
# a 32-bit system has one engine, whose wheels were made for numpy 1
SMALL_32 = ("numpy<2", *SMALL[1:])
ENGINES_32 = {"tflite": ("tflite-runtime>=2.14",)}
CUDA_TOO = "the package index's PyTorch for this processor is made for CUDA and loads nothing without it"
MODULES = {"onnxruntime": "onnxruntime", "tflite": "ai_edge_litert.interpreter", "torchscript": "torch"}
MODULES_32 = {"tflite": "tflite_runtime.interpreter"}
BASE_MODULES = ("numpy", "tokenizers", "psutil", "msgspec", "edgebench.bench.worker", "edgebench.devices.far")
NAMES = {"armv8l": "armv7l", "aarch64": "armv7l", "x86_64": "i686"}  # of a 32-bit system under a 64-bit kernel
SPARE_BYTES = 64 << 20  # for bytecode and for what a worker writes
EPOCH = (1980, 1, 1, 0, 0, 0)  # the same files make the same wheel


class Far(msgspec.Struct, frozen=True, kw_only=True):
    """What `edgebench.devices.bare` says when it looks: the interpreter there, its system, room, and the wheels (SHA-256) that it has already."""

    python: str
    version: tuple[int, int]
    implementation: str
    system: str
    machine: str
    bits: int
    libc: str | None
    venv: bool
    free_bytes: int
    store: str
    wheels: list[str]

    @property
    def architecture(self) -> str:
        """As wheels name it."""
        return NAMES.get(self.machine, self.machine) if self.bits == 32 else self.machine

    @property
    def about(self) -> str:
        """In a few words."""
        return f"Python {self.python}, {self.architecture}, {self.libc or 'another C library than glibc'}"


class Wheel(msgspec.Struct, frozen=True):
    """One file; `unpacked_bytes` is the room that its contents take."""

    path: Path
    sha256: str
    size_bytes: int
    unpacked_bytes: int

    def said(self) -> dict[str, Any]:
        """As `edgebench.devices.bare` is told of it."""
        return {"name": self.path.name, "sha256": self.sha256, "size_bytes": self.size_bytes}


def check(far: Far, who: str) -> None:
    """UnsupportedError where no wheel could be of use there."""
    if far.version < OLDEST or far.implementation != "CPython":
        what = f"{far.implementation} {far.python}" if far.implementation != "CPython" else f"Python {far.python}"
        raise UnsupportedError(f"{who}: it has {what}, and edgebench needs CPython 3.11 or later; install one there and name it in the profile's `python`")
    if far.system != "Linux" or not far.libc or not far.libc.startswith("glibc "):
        raise UnsupportedError(f"{who}: no engine has a wheel for {far.system} with {far.libc or 'another C library than glibc'}; "
                               "take a system with glibc (Raspberry Pi OS, Debian, Ubuntu, Fedora), or install edgebench there by hand")
    if not far.venv:
        raise UnsupportedError(f"{who}: its Python has no module venv; install the whole standard library there (Debian: sudo apt install python3)")


def platforms(far: Far) -> list[str]:
    """The tags of wheels that load there, the newest first (PEP 600): its glibc's and all older ones; the last are what a board's own index may use."""
    major, minor = map(int, str(far.libc).split()[1].split(".")[:2])
    old = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
    tags = []
    for one in range(minor, 4, -1):
        tags.append(f"manylinux_{major}_{one}_{far.architecture}")
        if one in old:
            tags.append(f"{old[one]}_{far.architecture}")
    return [*tags, f"linux_{far.architecture}"]


def gathered(far: Far, who: str, engines: Sequence[str], *, asked: bool) -> tuple[list[Wheel], dict[str, str]]:
    """The wheels for these engines, and why each one that is left out is.

    `asked`: they were named by the user, so that none may be left out; otherwise one of them is enough.
    """
    known = ENGINES_32 if far.bits == 32 else ENGINES
    files, without = [*fetched(SMALL_32 if far.bits == 32 else SMALL, far, who)], dict[str, str]()
    for engine in engines:
        try:
            if engine not in known:
                raise UnsupportedError(f"{who}: {engine} has no wheel for a 32-bit system; take {', '.join(known)}, or a 64-bit system")
            if engine == "torchscript" and far.architecture == "x86_64":
                raise UnsupportedError(f"{who}: {CUDA_TOO}; install PyTorch's build for processors there by hand, or take another engine")
            files += fetched(known[engine], far, who)
        except UnsupportedError as error:
            if asked or len(without) + 1 == len(engines):
                raise
            without[engine] = str(error)
    files.append(own(catalog.cache_folder() / "kits"))
    named = {one.name: one for one in files}  # what two engines need comes once
    return [_wheel(one) for _, one in sorted(named.items())], without


def modules(engines: Sequence[str], far: Far) -> list[str]:
    """What has to load there."""
    return [*BASE_MODULES, *((MODULES_32 if far.bits == 32 else MODULES)[one] for one in engines)]


def fetched(requirements: Sequence[str], far: Far, who: str) -> list[Path]:
    """Wheels of exactly these, for that platform. UnsupportedError where there is none; FetchError where the index cannot be asked."""
    wanted = "\n".join([*requirements, f"{far.version}", *platforms(far)])
    folder = catalog.cache_folder() / "kits" / hashlib.sha256(wanted.encode()).hexdigest()[:16]
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as name:
            done = subprocess.run([*pip(far), "-d", f"{name}/wheels", *requirements], stdin=subprocess.DEVNULL, capture_output=True, text=True)
            if done.returncode:
                raise _refusal(done.stderr, far, who)
            shutil.move(f"{name}/wheels", folder)
    return sorted(folder.glob("*.whl"))


def pip(far: Far) -> list[str]:
    """pip, told of the device instead of this machine. Which index it asks is what it is set up for here."""
    python = f"cp{far.version[0]}{far.version[1]}"
    tags = [word for one in platforms(far) for word in ("--platform", one)]
    return [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--only-binary=:all:",
        "--implementation", "cp", "--python-version", f"{far.version[0]}.{far.version[1]}", "--abi", python, "--abi", "abi3", "--abi", "none", *tags,
    ]


def _refusal(said: str, far: Far, who: str) -> UnsupportedError | FetchError:
    """What pip's words mean."""
    if "No module named pip" in said:
        return MissingError("pip, which finds the device's wheels, is not installed here; install it: python -m ensurepip")
    words = next((line for line in reversed(said.strip().splitlines()) if line.strip()), "it said nothing")
    if re.search(r"[Rr]etrying|ConnectionError|timed out|Temporary failure|Name or service not known", said):
        return FetchError(f"pip cannot ask the package index ({words[:200]}); see whether this machine is on the network")
    if found := re.search(r"No matching distribution found for ([\w.-]+)", said):
        return UnsupportedError(f"{who}: {found[1]} has no wheel for {far.about}, and nothing is compiled; see docs/devices.md for what has one")
    return FetchError(f"pip cannot fetch the device's wheels ({words[:200]})")


def own(folder: Path) -> Path:
    """A wheel of the edgebench that runs here, and its profiles. The bundled models are left out: what is measured is copied when it is."""
    name = f"edgebench-{edgebench.__version__}"
    path = folder / f"{name}-py3-none-any.whl"
    folder.mkdir(parents=True, exist_ok=True)
    about = {
        "METADATA": f"Metadata-Version: 2.1\nName: edgebench\nVersion: {edgebench.__version__}\n",
        "WHEEL": "Wheel-Version: 1.0\nGenerator: edgebench\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    contents = dict(_sources()) | {f"{name}.dist-info/{one}": text.encode() for one, text in about.items()}
    listed = [f"{one},sha256={_digest(body)},{len(body)}" for one, body in contents.items()]
    contents[f"{name}.dist-info/RECORD"] = "\n".join([*listed, f"{name}.dist-info/RECORD,,", ""]).encode()
    with tempfile.TemporaryDirectory(dir=folder) as part:
        with zipfile.ZipFile(Path(part) / path.name, "w", zipfile.ZIP_DEFLATED) as archive:
            for one, body in contents.items():
                archive.writestr(zipfile.ZipInfo(one, EPOCH), body, zipfile.ZIP_DEFLATED)
        (Path(part) / path.name).replace(path)
    return path


def _sources() -> Iterator[tuple[str, bytes]]:
    package, profiles = Path(edgebench.__file__).resolve().parent, catalog.shipped_folder("devices")
    for path in sorted(package.rglob("*")):
        inside = path.relative_to(package)
        if path.is_file() and "__pycache__" not in path.parts and inside.parts[0] != "data":
            yield f"edgebench/{inside.as_posix()}", path.read_bytes()
    for path in sorted(profiles.glob("*.toml")):
        yield f"edgebench/data/devices/{path.name}", path.read_bytes()


def _digest(body: bytes) -> str:
    import base64

    return base64.urlsafe_b64encode(hashlib.sha256(body).digest()).decode().rstrip("=")


def _wheel(path: Path) -> Wheel:
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(one.file_size for one in archive.infolist())
    except zipfile.BadZipFile as error:
        raise DeviceError(f"{path} is no wheel ({error}); delete it, and try again") from error
    return Wheel(path, digest_of(path), path.stat().st_size, unpacked)
