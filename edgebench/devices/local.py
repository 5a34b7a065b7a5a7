"""This machine as a device: every job in a process and a process group of its own.

What the child prints is read away, and its end kept for the sentence when something goes wrong. Success is an answer
that arrived whole, never an exit status. The child begins in `confine.py`: no network, no more memory than the machine
has, temporary files in a folder that goes with it. What lies in the current folder is no package to it.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

import msgspec

from edgebench.bench import host, limits, sysfs
from edgebench.bench.job import Answer, Job, raised
from edgebench.devices.profile import Profile, check_machine
from edgebench.errors import CrashError, DeviceError, EdgebenchError, OutOfMemoryError, OvertimeError, WorkerError
from edgebench.units import duration_text

if TYPE_CHECKING:
    from edgebench.bench.doctor import Finding

KEPT_BYTES = 2048  # of what a child printed
WORKER = ("-m", "edgebench.bench.worker")
CONFINE = Path(__file__).with_name("confine.py")
PACKAGES = Path(__file__).resolve().parents[2]  # the folder that edgebench was imported from
ALLOWED = 0.9  # of the memory there is, for one process


class LocalExecutor:
    """See `edgebench.devices.base.Executor`. `worker` is what the interpreter is told to run, `memory_bytes` what it may
    take: without a word 90 % of what the machine, or the container, has."""

    def __init__(self, profile: Profile, *, worker: tuple[str, ...] = WORKER, memory_bytes: int | None = None) -> None:
        check_machine(profile, platform.machine())
        self.profile = profile
        self._worker = worker
        self._held = None
        if profile.hold:
            from edgebench.devices.held import Held

            self._held = Held(profile.hold)
        self._memory_bytes = _allowed(Path("/")) if memory_bytes is None else memory_bytes
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = Lock()
        self._closed = False

    def facts(self) -> dict[str, Any]:
        return host.facts() | ({"held": self._held.facts()} if self._held else {})

    def findings(self) -> list[Finding]:
        from edgebench.bench import doctor, probes, tryout  # a run need not wait for what judges

        return [
            *doctor.works(tryout.engines(self.run), tryout.models(), [], tryout.folders()),
            *doctor.sensors(self.facts(), host.now(), tryout.meter(), probes.proportional_bytes()),
        ]

    def run(self, job: Job) -> Answer:
        try:
            return self._run(job)
        except OSError as error:
            where = error.filename or tempfile.gettempdir()
            raise DeviceError(f"no process could be started here: {where}: {error.strerror or error}; make room there, or end other work") from error

    def _run(self, job: Job) -> Answer:
        with tempfile.TemporaryDirectory(prefix="edgebench-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            (folder / "job.json").write_bytes(msgspec.json.encode(job))
            kills = _out_of_memory_kills()
            process = self._start(folder)
            tail = _Tail(process)
            try:
                hung = not _ended(process, job.spec.timeout_s)
            finally:
                self._end(process)
            words = tail.words()
            if self._closed:
                raise WorkerError("the process was ended because the sweep was; measure again")
            if hung and not (folder / "answer.json").exists():  # an engine's threads may keep a process that has answered
                limit = duration_text(job.spec.timeout_s * 1e9)
                raise OvertimeError(f"no answer in {limit}, so the process was killed{words}; allow more with --timeout, or leave this cell out")
            return _answer(folder / "answer.json", process.returncode, _out_of_memory_kills() > kills, words)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for process in self._running:
                _kill_group(process)
        if self._held:
            self._held.close()

    def _start(self, folder: Path) -> subprocess.Popen[bytes]:
        with self._lock, (folder / "job.json").open("rb") as job:
            if self._closed:
                raise WorkerError("this executor is closed; open another")
            (folder / "scratch").mkdir()
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(CONFINE), str(self._memory_bytes), sys.executable, "-P", *self._worker, str(folder / "answer.json")],
                stdin=job, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True, env=_environment(folder / "scratch"),
            )
            self._running.add(process)
            if self._held:
                self._held.apply(process.pid)
            return process

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """Leave nothing of it, also where only its children are left."""
        with self._lock:
            _kill_group(process)
            process.wait()
            self._running.discard(process)


def _allowed(root: Path) -> int:
    """Bytes of memory for one process; 0: nobody knows how many there are."""
    known = [one for one in (sysfs.meminfo(root, "MemTotal"), limits.memory_bytes(root)) if one]
    return int(ALLOWED * min(known, default=0))


def _environment(scratch: Path) -> dict[str, str]:
    """Temporary files go to `scratch`. Where edgebench is not installed but runs from its folder, the child finds it there."""
    found = [os.environ.get("PYTHONPATH", ""), "" if PACKAGES.name in ("site-packages", "dist-packages") else str(PACKAGES)]
    quiet = {"ORT_DISABLE_TELEMETRY": "1"}  # ONNX Runtime would number the user's machine in a file of its own, and count for its makers beside a timed loop
    return {**os.environ, **quiet, "TMPDIR": str(scratch), "PYTHONPATH": os.pathsep.join(filter(None, found))}


def _ended(process: subprocess.Popen[bytes], timeout_s: float) -> bool:
    """Whether the process ends within the time. Asleep until it does: `Popen.wait` with a limit looks twenty times a second."""
    if not hasattr(os, "pidfd_open"):  # before Linux 5.3, and elsewhere
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout_s)
        return process.poll() is not None
    watched = os.pidfd_open(process.pid)
    try:
        return bool(select.select([watched], [], [], timeout_s)[0])
    finally:
        os.close(watched)


class _Tail(Thread):
    """Reads what a child prints, so that it never waits for us, and keeps the end."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__(daemon=True)
        self._pipe = process.stdout
        self._kept = b""
        self.start()

    def run(self) -> None:
        assert self._pipe is not None
        with self._pipe as pipe:
            while chunk := os.read(pipe.fileno(), 1 << 16):
                self._kept = (self._kept + chunk)[-KEPT_BYTES:]

    def words(self) -> str:
        """`; its last words: ...`, the last lines that say something, or nothing."""
        self.join(1)  # not longer: a grandchild in a session of its own may hold the pipe
        lines = [line.strip() for line in self._kept.decode(errors="replace").splitlines() if line.strip()]
        said = re.sub(r"[^\x20-\x7e\u00a0-\uffff]", " ", " | ".join(lines[-3:]))
        return f"; its last words: {said[-400:]}" if said else ""


def _answer(path: Path, status: int, out_of_memory: bool, words: str) -> Answer:
    """The answer in the file, or the error that explains its absence."""
    try:
        answer = msgspec.json.decode(path.read_bytes(), type=Answer)
    except FileNotFoundError:
        raise _what_happened(status, out_of_memory, words) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WorkerError(f"the process answered with something that is no answer ({error}){words}; reinstall edgebench there") from error
    if answer.failure is not None:
        raise raised(answer.failure)
    return answer


def _what_happened(status: int, out_of_memory: bool, words: str) -> EdgebenchError:
    if status == -signal.SIGKILL and out_of_memory:
        return OutOfMemoryError(
            f"the process was killed for lack of memory (SIGKILL, and the kernel counted an out-of-memory kill){words}; take a smaller model or free memory"
        )
    if status < 0:
        name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
        return CrashError(f"the process was killed by {name}{words}; the model file or the engine is broken here")
    if status == 0:
        return CrashError(f"the process ended with status 0 but gave no answer{words}; the engine may have called exit")
    return CrashError(f"the process ended with status {status}{words}")


def _out_of_memory_kills() -> int:
    """How often the kernel has killed a process for memory since it started; 0 where it does not say."""
    try:
        found = re.search(r"^oom_kill (\d+)$", Path("/proc/vmstat").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) if found else 0


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # PermissionError: only zombies are left, on macOS
        os.killpg(process.pid, signal.SIGKILL)
