"""python -m edgebench.devices.far: requests on stdin -> their answers on stdout, one by one. What a device runs when it is reached from elsewhere.

A request is a line of JSON, then the bytes of the files that it brings. An answer is a line with its length and SHA-256,
then so many bytes of JSON: a shell may greet before it, and a cut line shows. The next request comes after the answer;
where stdin ends earlier the line is cut, and whatever the request began is ended.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import IO, Any

import msgspec

import edgebench
from edgebench import catalog
from edgebench.bench.job import Failure, Job, failure
from edgebench.devices.local import LocalExecutor
from edgebench.devices.profile import Profile
from edgebench.errors import DeviceError, EdgebenchError, IntegrityError
from edgebench.models.artifact import short, verify
from edgebench.units import bytes_text

CHUNK = 1 << 20
SPARE_BYTES = 16 << 20  # to be left on the disk, for what a worker writes
GONE_S = 10.0  # so long a process that was asked to end may take
HERE = Profile(1, "far", "the device itself", "local")


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file by its path below the device's store, and what its bytes must be."""

    path: str
    sha256: str
    size_bytes: int


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="facts"):
    """-> the device, as `edgebench.bench.host.facts` tells it."""


class Findings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="findings"):
    """-> what works on the device and what it senses."""


class Lacking(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="lacking"):
    """-> those of the items that are not in the store with the right bytes."""

    items: list[Item]


class Put(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="put"):
    """The items follow, end to end -> how many are in the store now."""

    items: list[Item]


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="run"):
    """-> the worker's answer. The paths of the job's model, and of the examples where `files` says so, are those of the store."""

    job: Job
    files: bool = False


class End(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="end"):
    """End the session's other processes -> how many there were; then this one ends."""


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`session` names those of one executor, which share a temporary folder here."""

    edgebench: str
    session: str
    ask: Facts | Findings | Lacking | Put | Run | End


class Reply(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was asked for, or why it cannot be had."""

    value: Any = None
    failure: Failure | None = None


class _Greeting(msgspec.Struct, frozen=True):
    """What every version's request has."""

    edgebench: str


def main() -> None:
    """Answer until stdin ends, or until asked to end."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints must not come into an answer
    os.environ["PYTHONSAFEPATH"] = "1"  # a folder called edgebench where ssh begins is not the package
    session = Session(sys.stdin.buffer)
    for one in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, session.told_to_end)
    with contextlib.suppress(BrokenPipeError):
        while not session.ending and (line := sys.stdin.buffer.readline()):
            out.write(framed(msgspec.json.encode(session.reply(line))))
            out.flush()
    session.close()
    os._exit(0)  # nothing more can be said, and nobody waits


def framed(body: bytes) -> bytes:
    """An answer as it is sent."""
    return b"\nedgebench-answer %d %s\n%s" % (len(body), hashlib.sha256(body).hexdigest().encode(), body)


def read_framed(source: IO[bytes]) -> bytes | None:
    """The next answer; None where it did not arrive whole."""
    while line := source.readline():
        if found := re.fullmatch(rb"edgebench-answer (\d+) ([0-9a-f]{64})\n", line):
            body = source.read(int(found[1]))
            return body if hashlib.sha256(body).hexdigest().encode() == found[2] else None
    return None


def store() -> Path:
    """What was copied to this device; deleting it loses nothing."""
    return catalog.cache_folder() / "far"


class Session:
    """What one process does for one executor. A file in the session's folder is locked as long as it runs."""

    def __init__(self, source: IO[bytes]) -> None:
        self.ending = False
        self._source = source
        self._executor = LocalExecutor(HERE)
        self._folder: Path | None = None
        self._busy = False

    def reply(self, line: bytes) -> Reply:
        """The answer to one request."""
        self._busy = True
        try:
            return Reply(value=self._answered(line))
        except EdgebenchError as error:
            return Reply(failure=failure(error))
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            return Reply(failure=failure(DeviceError(f"{where}{error.strerror or error}; make room there, or let the user write there")))
        finally:
            self._busy = False

    def close(self) -> None:
        """Leave nothing of the session, unless others of its processes still run."""
        self._executor.close()
        if self._folder:
            self._mine.unlink(missing_ok=True)
            self._lock.close()
            if not any(map(_lives, self._folder.glob("*.pid"))):
                shutil.rmtree(self._folder, ignore_errors=True)

    def told_to_end(self, *_: object) -> None:
        """End as soon as the answer that is due was given; what is measured now is cut short."""
        self.ending = True
        if not self._busy:
            self.close()
            os._exit(0)
        Thread(target=self._executor.close, daemon=True).start()  # not here: the thread that is interrupted may hold its lock

    def _answered(self, line: bytes) -> Any:
        request = _request(line)
        self._enter(store() / "sessions" / request.session)
        match request.ask:
            case End():
                self.ending = True
                return self._end()
            case Lacking(items):
                return [one for one in items if not has(one)]
            case Put(items):
                return put(items, self._source)
            case Run(job, files):
                with self._watched():
                    return self._executor.run(_placed(job, files))
            case Findings():
                with self._watched():
                    return self._executor.findings()
            case Facts():
                self._sweep_up()
                return self._executor.facts()

    def _enter(self, folder: Path) -> None:
        if self._folder:
            return
        folder.mkdir(parents=True, exist_ok=True)
        self._mine = folder / f"{os.getpid()}.pid"
        self._lock = self._mine.open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
        self._folder = folder

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        """Within it, end what runs as soon as stdin does: nothing else comes from there before the answer went."""
        reader, writer = os.pipe()

        def watch() -> None:
            if self._source.fileno() in select.select([self._source.fileno(), reader], [], [])[0]:
                self._executor.close()

        thread = Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            os.close(writer)
            thread.join()
            os.close(reader)

    def _end(self) -> int:
        """End the session's other processes; how many there were."""
        assert self._folder
        living = [one for one in self._folder.glob("*.pid") if one != self._mine and _lives(one)]
        for one in living:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(one.stem), signal.SIGTERM)
        deadline = time.monotonic() + GONE_S
        while any(map(_lives, living)):
            if time.monotonic() > deadline:
                raise DeviceError(f"process {living[0].stem} there does not end; end it by hand")
            time.sleep(0.02)
        return len(living)

    def _sweep_up(self) -> None:
        """Remove the folders of sessions that were cut off by force, once none of their processes runs."""
        for folder in (store() / "sessions").iterdir():
            if folder != self._folder and not any(map(_lives, folder.glob("*.pid"))):
                shutil.rmtree(folder, ignore_errors=True)


def _request(line: bytes) -> Request:
    try:
        version = msgspec.json.decode(line, type=_Greeting).edgebench
        if version != edgebench.__version__:
            raise DeviceError(f"edgebench there is {edgebench.__version__} and here {version}; "
                              f"install {version} there, or `edgebench devices prepare` it again")
        request = msgspec.json.decode(line, type=Request)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DeviceError(f"edgebench there does not understand the one here ({error}); install the same one on both") from error
    if not re.fullmatch(r"[0-9a-f]{32}", request.session):
        raise DeviceError(f"session {request.session!r} names no folder; expected 32 hexadecimal digits")
    return request


def _lives(mine: Path) -> bool:
    """Whether the process of this file still runs: a number alone may be another process's by now."""
    try:
        with mine.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        pass
    return False


# files


def place(item: str) -> Path:
    """Where an item's path is on this device; IntegrityError for one that leaves the store."""
    path = Path(item)
    if path.is_absolute() or ".." in path.parts or "\0" in item or path.parts[:1] not in (("models",), ("files",)):
        raise IntegrityError(f"path {item!r} leaves the store; expected one below models or files")
    return store() / path


def has(item: Item) -> bool:
    """Whether the store has it, with the right bytes."""
    try:
        verify(place(item.path), item.sha256, item.size_bytes)
    except IntegrityError:
        return False
    return True


def put(items: list[Item], source: IO[bytes]) -> int:
    """Each file in one step, so that one that is there is whole."""
    store().mkdir(parents=True, exist_ok=True)
    wanted, free = sum(one.size_bytes for one in items), shutil.disk_usage(store()).free
    if wanted + SPARE_BYTES > free:
        raise DeviceError(f"{bytes_text(wanted)} are to be copied there and {bytes_text(free)} are free at {store()}; delete what is not needed")
    for one in items:
        path = place(one.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(delete=False) as file:
            sha256 = _copy(source, file, one)
            file.flush()
            os.fsync(file.fileno())  # what the disk still has to write would disturb a timed loop
        if sha256 != one.sha256:
            raise IntegrityError(f"sha256 of {path.name} is {short(sha256)} on arrival, expected {short(one.sha256)}; it changed on the way, try again")
        os.replace(file.name, path)
    return len(items)


def _copy(source: IO[bytes], file: IO[bytes], item: Item) -> str:
    digest, left = hashlib.sha256(), item.size_bytes
    while left:
        chunk = source.read(min(CHUNK, left))
        if not chunk:
            raise DeviceError(f"the line ended {left} bytes before the end of {item.path}; try again")
        digest.update(chunk)
        file.write(chunk)
        left -= len(chunk)
    return digest.hexdigest()


def _placed(job: Job, files: bool) -> Job:
    spec = msgspec.structs.replace(job.spec, model=str(place(job.spec.model)))
    return msgspec.structs.replace(job, spec=spec, examples=[str(place(one)) for one in job.examples] if files else job.examples)


if __name__ == "__main__":
    main()
