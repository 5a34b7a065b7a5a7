"""What a device that has no edgebench is sent as `python3 -c`: it looks about, takes wheels in, and clears up. The standard library alone.

Requests and answers are those of `edgebench.devices.far`: a line of JSON, then the bytes of files; a line with a length and a SHA-256, then so much
JSON. All that it writes is below one folder, the one whose files `far` keeps there too. It is written for Python 3.7, so that one that is
too old can still say how old it is.
"""

from __future__ import annotations

import fcntl
import glob
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
from typing import IO, Any

CHUNK = 1 << 20


class Refused(Exception):
    """What was asked for cannot be done here, in a sentence."""


def main() -> None:
    """Answer until stdin ends."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints must not come into an answer
    for line in iter(sys.stdin.buffer.readline, b""):
        try:
            reply = {"value": answered(json.loads(line.decode()), sys.stdin.buffer)}
        except Refused as refusal:
            reply = {"failure": str(refusal)}
        except OSError as error:
            reply = {"failure": f"{error.filename or 'the system there'}: {error.strerror or error}"}
        body = json.dumps(reply).encode()
        out.write(b"\nedgebench-answer %d %s\n%s" % (len(body), hashlib.sha256(body).hexdigest().encode(), body))
        out.flush()


def answered(request: dict[str, Any], source: IO[bytes]) -> Any:
    """`look`; `make` with `wheels`, `modules` and which of them `follow`; `check` with `modules`; `clean`."""
    asks = {
        "look": look,
        "make": lambda: make(request["wheels"], request["follow"], request["modules"], source),
        "check": lambda: check(kit(), request["modules"]),
        "clean": clean,
    }
    return asks[request["ask"]]()


# looking


def store() -> str:
    """The one folder: `edgebench.catalog.cache_folder() / "far"`."""
    home = os.environ.get("EDGEBENCH_HOME")
    cache = os.path.join(home, "cache") if home else os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "edgebench")
    return os.path.join(cache, "far")


def kit() -> str:
    """A virtual environment that holds edgebench and what it needs."""
    return os.path.join(store(), "kit")


def look() -> dict[str, Any]:
    """What decides which wheels fit, how much room there is, and which wheels are there."""
    there = kept()
    return {
        "python": platform.python_version(),
        "version": list(sys.version_info[:2]),
        "implementation": platform.python_implementation(),
        "system": platform.system(),
        "machine": platform.machine(),
        "bits": 8 * struct.calcsize("P"),  # of this interpreter: a 64-bit kernel may carry a 32-bit system
        "libc": libc(),
        "venv": importlib.util.find_spec("venv") is not None,
        "free_bytes": shutil.disk_usage(nearest(store())).free,
        "store": store(),
        "wheels": sorted(there["wheels"]) if there["version"] == list(sys.version_info[:2]) else [],
    }


def libc() -> str | None:
    """As in "glibc 2.36"; None for another one."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION")
    except (ValueError, OSError):
        return None


def nearest(path: str) -> str:
    """The folder itself, or the one above that is there."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def kept() -> dict[str, Any]:
    """What the kit was made of: its wheels' files by their SHA-256, and the Python it is for."""
    try:
        with open(os.path.join(kit(), "wheels.json")) as file:
            found: dict[str, Any] = json.load(file)
            return found
    except (OSError, ValueError):
        return {"wheels": {}, "version": None}


def running() -> list[str]:
    """Processes of edgebench that some line to this device still has here: their files are locked as long as they run."""
    found = []
    for path in glob.glob(os.path.join(store(), "sessions", "*", "*.pid")):
        try:
            with open(path) as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            found.append(os.path.basename(path)[: -len(".pid")])
    return found


def quiet() -> None:
    """Refuse to change anything beside a measurement."""
    if running():
        raise Refused(f"edgebench measures there just now (process {running()[0]}); try again when it has ended")


# making


def make(wheels: list[dict[str, Any]], follow: list[str], modules: list[str], source: IO[bytes]) -> dict[str, str]:
    """A kit of these wheels in place of the one there was. Those in `follow` come from `source`, the others from the old kit."""
    quiet()
    made_parents(store())
    new, old = kit() + ".new", kit()
    shutil.rmtree(new, ignore_errors=True)
    try:
        import venv

        venv.create(new, symlinks=True, with_pip=False)
        packages = site(new)
        there = kept()
        files = {}
        for one in wheels:
            if one["sha256"] in follow:
                files[one["sha256"]] = arrived(one, source, packages)
            else:
                files[one["sha256"]] = linked(there["wheels"][one["sha256"]], site(old), packages)
        found = check(new, modules)
        with open(os.path.join(new, "wheels.json"), "w") as file:
            json.dump({"wheels": files, "version": list(sys.version_info[:2])}, file)
        os.sync()  # where the power is cut after the kit took its place, its files would be there and empty
        if os.path.isdir(old):
            os.rename(old, old + ".gone")
        os.rename(new, old)
        os.sync()  # who is told that it is there finds it, too
        return found
    finally:
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old + ".gone", ignore_errors=True)


def made_parents(folder: str) -> None:
    """Make the folder, and note which of those above it were made for it."""
    made, above = [], folder
    while not os.path.isdir(above):
        made.append(above)
        above = os.path.dirname(above)
    os.makedirs(folder, exist_ok=True)
    if made:
        with open(os.path.join(folder, "made.json"), "w") as file:
            json.dump(made[1:], file)


def site(environment: str) -> str:
    """Where a virtual environment's packages lie."""
    return os.path.join(environment, "lib", f"python{sys.version_info[0]}.{sys.version_info[1]}", "site-packages")


def arrived(wheel: dict[str, Any], source: IO[bytes], into: str) -> list[str]:
    """Take a wheel's bytes from the line and unpack them; the paths of its files."""
    digest, left = hashlib.sha256(), wheel["size_bytes"]
    with tempfile.TemporaryFile(dir=into) as file:
        while left:
            chunk = source.read(min(CHUNK, left))
            if not chunk:
                raise Refused(f"the line ended {left} bytes before the end of {wheel['name']}; try again")
            digest.update(chunk)
            file.write(chunk)
            left -= len(chunk)
        if digest.hexdigest() != wheel["sha256"]:
            raise Refused(f"{wheel['name']} changed on the way; try again")
        with zipfile.ZipFile(file) as archive:
            return [unpacked(archive, one, into) for one in archive.infolist() if placed(one.filename)]


def unpacked(archive: zipfile.ZipFile, one: zipfile.ZipInfo, into: str) -> str:
    """Write one file of a wheel; its path below `into`."""
    path = placed(one.filename)
    assert path
    os.makedirs(os.path.dirname(os.path.join(into, path)), exist_ok=True)
    with archive.open(one) as source, open(os.path.join(into, path), "wb") as file:
        shutil.copyfileobj(source, file, CHUNK)
    return path


def placed(name: str) -> str | None:
    """Where a wheel's file goes among the packages (PEP 427); None for folders, and for what is no package: scripts, headers."""
    parts = name.split("/")
    if parts[-1] == "":
        return None
    if name.startswith("/") or ".." in parts or "\\" in name or "\0" in name:
        raise Refused(f"a wheel's file {name!r} leaves its folder")
    if parts[0].endswith(".data"):
        return "/".join(parts[2:]) if parts[1] in ("purelib", "platlib") else None
    return name


def linked(files: list[str], source: str, into: str) -> list[str]:
    """The same files in another kit, without taking room a second time where links are allowed."""
    for one in files:
        os.makedirs(os.path.dirname(os.path.join(into, one)), exist_ok=True)
        try:
            os.link(os.path.join(source, one), os.path.join(into, one))
        except OSError:
            shutil.copy2(os.path.join(source, one), os.path.join(into, one))
    return files


def check(environment: str, modules: list[str]) -> dict[str, str]:
    """Import each in a process of its own -> its version. Writes their bytecode, for which no measurement then waits."""
    found = {}
    for one in modules:
        code = "import importlib, sys; found = importlib.import_module(sys.argv[1]); print(getattr(found, '__version__', ''))"
        python = os.path.join(environment, "bin", "python")
        environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        environ["ORT_DISABLE_TELEMETRY"] = "1"  # it would leave a file of its own in the user's cache
        done = subprocess.Popen([python, "-P", "-c", code, one], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environ)
        words = done.communicate()[0].decode(errors="replace").strip().split("\n")
        if done.returncode:
            why = f"signal {-done.returncode}" if done.returncode < 0 else words[-1]
            raise Refused(f"{one} does not load there ({why}); take another engine, or tell its makers")
        found[one] = words[-1]
    return found


# clearing up


def clean() -> dict[str, Any]:
    """Remove the one folder, and those above it that were made for it and hold nothing else."""
    folder = store()
    if not os.path.isdir(folder):
        return {"folder": folder, "size_bytes": None}
    quiet()
    size = sum(os.lstat(os.path.join(where, name)).st_size for where, _, names in os.walk(folder) for name in names)
    try:
        with open(os.path.join(folder, "made.json")) as file:
            made = json.load(file)
    except (OSError, ValueError):
        made = []
    shutil.rmtree(folder)
    for above in made or [os.path.dirname(folder)]:
        try:
            os.rmdir(above)
        except OSError:  # others use it
            break
    return {"folder": folder, "size_bytes": size}


if __name__ == "__main__":
    main()
