"""A Python that needs nothing of the device but its kernel: glibc's loader and libraries, and the interpreter with its standard library.

For an Android phone, whose own C library no wheel is made for. It lies in one folder that may be put anywhere. `bin/python` in it is a
program of the phone's shell, which starts glibc's loader with the interpreter; to everything above it is a Python like another:
virtual environments are made with it, and `sys.executable` starts children.
"""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import tempfile
from pathlib import Path

from edgebench import catalog
from edgebench.devices import debian
from edgebench.errors import UnsupportedError

SUITE = "bookworm"
PYTHON = "3.11"  # the suite's
PACKAGES = (f"python{PYTHON}-minimal", f"libpython{PYTHON}-stdlib", "libstdc++6", "libgomp1", "libatomic1")
LOADERS = {"aarch64": "ld-linux-aarch64.so.1", "x86_64": "ld-linux-x86-64.so.2"}
LEFT_OUT = shutil.ignore_patterns("__pycache__", "test", "lib2to3", "idlelib", "tkinter", "pydoc_data", "config-*")
# --argv0: Python finds what lies around it by the name that it was started with, which may be a link in a virtual environment
LAUNCHER = """\
#!/system/bin/sh
me=$(readlink -f "$0")
top=${me%%/bin/python}
[ -n "$TMPDIR" ] || export TMPDIR="$top/tmp"
LD_LIBRARY_PATH= exec "$top/lib/%(loader)s" --argv0 "$0" --library-path "$top/lib" "$top/bin/python%(python)s" "$@"
"""
UNVERIFIED = "this runtime is not verified on a phone: whether its kernel and SELinux let the shell run it is seen by trying"


def version(machine: str) -> str:
    """What tells one runtime from another."""
    return hashlib.sha256("\n".join([machine, SUITE, *PACKAGES, LAUNCHER]).encode()).hexdigest()[:16]


def archive(machine: str) -> Path:
    """A tar file of the runtime, made once and kept here. UnsupportedError where no engine has wheels for the processor."""
    if machine not in LOADERS:
        raise UnsupportedError(f"its kernel is {machine}, and a runtime can be made for {' or '.join(LOADERS)}; no engine has wheels for another")
    kept = catalog.cache_folder() / "kits" / f"runtime-{machine}-{version(machine)}.tar"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as name:
            made = _folder(machine, Path(name))
            with tarfile.open(f"{name}/part", "w") as file:
                file.add(made, arcname=".", filter=_nobodys)
            Path(f"{name}/part").replace(kept)
    return kept


def _folder(machine: str, work: Path) -> Path:
    system = debian.root(machine, PACKAGES, work / "root", work / "apt", suite=SUITE)
    made = work / "runtime"
    for name in ("bin", "lib", "tmp"):
        (made / name).mkdir(parents=True)
    for library in sorted(system.glob("usr/lib/*-linux-gnu*/*.so*")):
        if library.resolve().is_file():
            shutil.copy(library, made / "lib" / library.name)  # links become files
    shutil.copy(system / f"usr/bin/python{PYTHON}", made / "bin")
    shutil.copytree(system / f"usr/lib/python{PYTHON}", made / f"lib/python{PYTHON}", ignore=LEFT_OUT, ignore_dangling_symlinks=True)
    (made / "bin/python").write_text(LAUNCHER % {"loader": LOADERS[machine], "python": PYTHON})
    (made / "bin/python").chmod(0o755)
    return made


def _nobodys(one: tarfile.TarInfo) -> tarfile.TarInfo:
    one.uid = one.gid = 0
    one.uname = one.gname = ""
    return one
