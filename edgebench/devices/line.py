"""A device at the other end of a line: a program here carries requests to `edgebench.devices.far` there, and its answers back.

What kind of line it is, how it is begun and what its program's words mean is for `edgebench.devices.ssh` and `edgebench.devices.adb`
to say. A line that is cut is made anew, a few times with growing pauses; what it interrupted is ended on the device first,
and asked for again.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
import subprocess
import tempfile
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Event, Lock, Timer
from typing import Any, TypeVar

import msgspec

import edgebench
from edgebench import catalog
from edgebench.bench.doctor import Finding
from edgebench.bench.job import Answer, Job, raised
from edgebench.devices import far, parcel
from edgebench.devices.far import Item
from edgebench.devices.profile import Profile, check_machine
from edgebench.errors import DeviceError, UnsupportedError, WorkerError

ASK_S = 300.0  # for what is no measuring
ENDING_S = 5.0  # so long a program whose line is gone may take to say why
GRACE_S = 60.0  # after a worker's own limit the device is to have said that it was reached
END_S = 15.0
SLOWEST_BYTES_PER_S = 50_000  # of copying
PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # a board that restarts is back within a minute

# what the device's shell is told to run: what `edgebench devices prepare` put there (`bare.kit()`), else the Python of its first argument
FAR = (
    "h=${EDGEBENCH_HOME:+$EDGEBENCH_HOME/cache}; p=${h:-${XDG_CACHE_HOME:-$HOME/.cache}/edgebench}/far/kit/bin/python; "
    '[ -x "$p" ] || p=$1; exec "$p" -P -m edgebench.devices.far'
)

T = TypeVar("T")


class Cut(Exception):
    """No whole answer came, and trying again may help; `why` is half a sentence."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class LineExecutor:
    """See `edgebench.devices.base.Executor`. `pauses_s` are those before each further try to reach a device that was reached once."""

    def __init__(self, profile: Profile, *, pauses_s: Sequence[float] = PAUSES_S) -> None:
        self.profile = profile
        self._pauses_s = tuple(pauses_s)
        self._session = secrets.token_hex(16)
        self._folder = Path(tempfile.mkdtemp(prefix="edgebench-line-"))  # readable by its owner only
        self._talks: set[Talk] = set()
        self._idle: list[Talk] = []  # those of them that nobody uses now
        self._there: dict[str, str] = {}  # files that the device has, by their path here: their path there
        self._lock, self._line, self._copying, self._closed = Lock(), Lock(), Lock(), Event()
        self._reached = False
        self._left_over = self._began = False  # whether a line that was cut may have left something running; whether anything was asked

    # what a kind of line has to say

    @property
    @abstractmethod
    def who(self) -> str:
        """The device and where it is, as messages name it."""

    @abstractmethod
    def _is_connected(self) -> bool:
        """Whether requests can be carried without beginning the line anew."""

    @abstractmethod
    def _begin(self) -> None:
        """Begin the line; Cut where trying again may help, DeviceError where it would not."""

    @abstractmethod
    def _hang_up(self) -> None:
        """End the line, if it is there."""

    @abstractmethod
    def _command(self) -> list[str]:
        """The program here, and its arguments, that runs `edgebench.devices.far` there."""

    @abstractmethod
    def _bare_command(self) -> list[str]:
        """The program here, and its arguments, that runs `edgebench.devices.bare` there."""

    @abstractmethod
    def _explained(self, status: int, said: str) -> Cut | DeviceError:
        """Why no answer came, by how the program ended and what was said."""

    def has_python(self) -> bool:
        """Whether there is a Python there, as far as this kind of line can tell without asking it."""
        return True

    def bring_python(self, tell: Callable[[str], None]) -> None:
        """Put one there, where this kind of line leads to devices without; `tell` hears what goes on."""

    def take_python(self) -> tuple[str, int] | None:
        """Take away what `bring_python` brings: its folder, and how many bytes were there; None for a line that brings none."""
        return None

    # the contract

    def facts(self) -> dict[str, Any]:
        found = self._ask(far.Facts(), dict[str, Any])
        check_machine(self.profile, found["machine"])
        return found

    def findings(self) -> list[Finding]:
        return self._ask(far.Findings(), list[Finding], limit_s=3 * ASK_S)

    def run(self, job: Job) -> Answer:
        if job.part == "energy" and job.spec.meter:
            raise UnsupportedError("the file of an external meter is read where the work is done; run edgebench on the device itself for --meter")
        there, files = self._prepared(job)
        return self._ask(far.Run(there, files), Answer, limit_s=job.spec.timeout_s + GRACE_S)

    @contextlib.contextmanager
    def bare(self) -> Iterator[Callable[..., Any]]:
        """Within it, `ask(request, files, limit_s=...)` -> what the device's own Python answers, with no edgebench there: `edgebench.devices.bare`.

        DeviceError where it cannot, or refuses; there is no second try, since what it does is done again by asking again.
        """
        self._connect_once()
        talk, ended = Talk(self._bare_command()), list[bool]()

        def ask(request: dict[str, Any], files: Sequence[Path] = (), *, limit_s: float = ASK_S) -> Any:
            body = talk.answer(msgspec.json.encode(request) + b"\n", files, limit_s)
            if body is None:
                ended.append(True)
                why = self._explained(*talk.end())
                why = talk.slow or why
                raise DeviceError(f"{self.who}: {why.why}") if isinstance(why, Cut) else why
            reply = msgspec.json.decode(body)
            if "failure" in reply:
                raise DeviceError(f"{self.who}: {reply['failure']}")
            return reply["value"]

        try:
            yield ask
        finally:
            if not ended:
                talk.kill()
                talk.end()

    def close(self) -> None:
        """End what runs there and here; the device keeps the copied files and nothing else."""
        self._closed.set()
        with self._lock:
            for talk in self._talks - set(self._idle):
                talk.kill()
        with self._line:
            if self._began and self._is_connected():
                with contextlib.suppress(Cut, DeviceError):
                    self._once(far.End(), int, (), END_S)
            for talk in self._idle:
                talk.kill()
                talk.end()
            self._hang_up()
            shutil.rmtree(self._folder, ignore_errors=True)

    # files

    def _prepared(self, job: Job) -> tuple[Job, bool]:
        """The job in the device's words, once the device has every file that it needs; whether its examples are files."""
        path = catalog.find("models", job.spec.model)
        wanted = parcel.files(path, job.spec, counted=job.part == "work")
        pictures = parcel.pictures(job.examples)
        with self._copying:
            self._send({one: item for one, item in wanted.items() if str(one) not in self._there})
            new = [one for one in pictures if one not in self._there]
            self._send({Path(one): parcel.picture(Path(one)) for one in new})
            _, point = catalog.split(job.spec.model)
            model = self._there[str(path)] + (f"@{point}" if point else "")
            examples = [self._there[one] for one in pictures] or job.examples
        spec = msgspec.structs.replace(job.spec, model=model, allow_code=job.spec.allow_code or parcel.is_bundled(path))
        return msgspec.structs.replace(job, spec=spec, examples=examples), bool(pictures)

    def _send(self, files: dict[Path, Item]) -> None:
        if not files:
            return
        lacking = {one.path for one in self._ask(far.Lacking(list(files.values())), list[Item])}
        to_send = {item.path: (path, item) for path, item in files.items() if item.path in lacking}
        if to_send:
            paths, items = [path for path, _ in to_send.values()], [item for _, item in to_send.values()]
            size = sum(item.size_bytes for item in items)
            self._ask(far.Put(items), int, files=paths, limit_s=ASK_S + size / SLOWEST_BYTES_PER_S)
        self._there |= {str(path): item.path for path, item in files.items()}

    # the line

    def _ask(self, ask: Any, kind: type[T], *, files: Sequence[Path] = (), limit_s: float = ASK_S) -> T:
        """The device's answer, by as many lines as it takes."""
        for pause in (*(self._pauses_s if self._reached else ()), None):
            try:
                self._connect()
                return self._once(ask, kind, files, limit_s)
            except Cut as cut:
                self._reached = self._reached and pause is not None  # once given up, it is not waited for again
                if pause is None:
                    raise DeviceError(f"{self.who}: {cut.why}") from None
                self._closed.wait(pause)
        raise AssertionError("the last try returns or raises")

    def _connect(self) -> None:
        """Begin the shared connection where there is none; what an earlier one left running is ended."""
        with self._line:
            if self._closed.is_set():
                raise WorkerError("this executor is closed; open another")
            if not self._is_connected():
                self._begin()
                self._left_over = self._began
            if self._left_over:
                self._once(far.End(), int, (), ASK_S)
                self._left_over = False
            self._reached = True

    def _connect_once(self) -> None:
        """The same for what is not tried again."""
        try:
            self._connect()
        except Cut as cut:
            raise DeviceError(f"{self.who}: {cut.why}") from None

    def _once(self, ask: Any, kind: type[T], files: Sequence[Path], limit_s: float) -> T:
        """One request and its answer."""
        ending = isinstance(ask, far.End)
        talk = self._taken()
        body = talk.answer(msgspec.json.encode(far.Request(edgebench.__version__, self._session, ask)) + b"\n", files, limit_s)
        if body is not None and not ending:
            with self._lock:
                self._idle.append(talk)
            return _value(body, kind)
        with self._lock:
            self._talks.discard(talk)
        status, said = talk.end()
        if self._closed.is_set() and not ending:
            raise WorkerError("the process was ended because the sweep was; measure again")
        if body is None:
            raise talk.slow or self._explained(status, said)
        return _value(body, kind)

    def _taken(self) -> Talk:
        """One that is idle, or a new one: several are needed where passes run together."""
        with self._lock:
            self._began = True
            talk = self._idle.pop() if self._idle else Talk(self._command())
            self._talks.add(talk)
            return talk


class Talk:
    """A process of the line's program, and at its other end one of `edgebench.devices.far`. One request at a time."""

    def __init__(self, arguments: list[str]) -> None:
        self.slow: Cut | None = None
        self._words = tempfile.TemporaryFile()  # noqa: SIM115  # what is said besides answers; `end` closes it
        self._process = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._words,
            start_new_session=True,  # Ctrl-C is for us: what runs there is ended in order
        )

    def answer(self, head: bytes, files: Sequence[Path], limit_s: float) -> bytes | None:
        """What came whole within the time; None where nothing did."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        timer = Timer(limit_s, self._too_slow, [limit_s])
        timer.daemon = True
        timer.start()
        try:
            with contextlib.suppress(BrokenPipeError):  # it answered before it had read all, or the line is cut
                self._process.stdin.write(head)
                for file in files:
                    with file.open("rb") as source:
                        shutil.copyfileobj(source, self._process.stdin, far.CHUNK)
                self._process.stdin.flush()
            return far.read_framed(self._process.stdout)
        finally:
            timer.cancel()

    def kill(self) -> None:
        """Whoever waits for an answer gets none."""
        self._process.kill()

    def end(self) -> tuple[int, str]:
        """How it ended, and what was said. One that is ending by itself may say so."""
        try:
            self._process.wait(ENDING_S)
        except subprocess.TimeoutExpired:
            self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()  # type: ignore[union-attr]
        with self._words as words:
            words.seek(0)
            return self._process.wait(), words.read().decode(errors="replace")

    def _too_slow(self, limit_s: float) -> None:
        self.slow = Cut(f"no answer in {limit_s:.0f} s; see whether it still runs")
        self.kill()


def _value(body: bytes, kind: type[T]) -> T:
    try:
        reply = msgspec.json.decode(body, type=far.Reply)
        if reply.failure is not None:
            raise raised(reply.failure)
        return msgspec.convert(reply.value, kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:  # RecursionError: brackets in brackets
        raise DeviceError(f"edgebench there answered what is no answer here ({error}); install the same one on both") from error


def last_words(said: str) -> str:
    """The last lines that say something, as text that a terminal can bear."""
    lines = [one.strip() for one in said.splitlines() if one.strip()]
    return re.sub(r"[^\x20-\x7e\u00a0-\uffff]", " ", " | ".join(lines[-3:]))[-300:]
