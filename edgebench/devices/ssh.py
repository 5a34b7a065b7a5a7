"""A device at the other end of a line: the system's own OpenSSH client carries requests to `edgebench.devices.far` there.

One connection is kept and shared (ControlMaster). A line that is cut is made anew, a few times with growing pauses; what
it interrupted is ended on the device first, and asked for again. Host keys are never accepted, passwords never asked for.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
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
from edgebench.errors import DeviceError, UnsupportedError, UsageError, WorkerError

CONNECT_S = 15.0
SILENCE_S = 5  # after three times so long without a word the line counts as cut
IDLE_S = 120  # so long the shared connection outlives an edgebench that was killed
ASK_S = 300.0  # for what is no measuring
ENDING_S = 5.0  # so long an ssh whose line is gone may take to say why
GRACE_S = 60.0  # after a worker's own limit the device is to have said that it was reached
SLOWEST_BYTES_PER_S = 50_000  # of copying
PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # a board that restarts is back within a minute

T = TypeVar("T")


class Cut(Exception):
    """No whole answer came, and trying again may help; `why` is half a sentence."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class SshExecutor:
    """See `edgebench.devices.base.Executor`. `pauses_s` are those before each further try to reach a device that was reached once."""

    def __init__(self, profile: Profile, *, pauses_s: Sequence[float] = PAUSES_S) -> None:
        if profile.address is None:
            do = f"edgebench devices add NAME --address user@host --like {profile.name}"
            raise UsageError(f"profile {profile.name!r} has no address, so ssh cannot reach it; add a profile of your own: {do}")
        if not shutil.which("ssh"):
            raise UnsupportedError("there is no program ssh; install the OpenSSH client (Debian: sudo apt install openssh-client)")
        self.profile = profile
        self._pauses_s = tuple(pauses_s)
        self._session = secrets.token_hex(16)
        self._folder = Path(tempfile.mkdtemp(prefix="edgebench-ssh-"))  # readable by its owner only
        self._talks: set[Talk] = set()
        self._idle: list[Talk] = []  # those of them that nobody uses now
        self._there: dict[str, str] = {}  # files that the device has, by their path here: their path there
        self._lock, self._line, self._copying, self._closed = Lock(), Lock(), Lock(), Event()
        self._reached = False
        self._left_over = self._began = False  # whether a line that was cut may have left something running; whether anything was asked

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

    def close(self) -> None:
        """End what runs there and here; the device keeps the copied files and nothing else."""
        self._closed.set()
        with self._lock:
            for talk in self._talks - set(self._idle):
                talk.kill()
        with self._line:
            if self._began and self._is_connected():
                with contextlib.suppress(Cut, DeviceError):
                    self._once(far.End(), int, (), CONNECT_S)
            for talk in self._idle:
                talk.kill()
                talk.end()
            if self._is_connected():
                self._ssh([*self._options(), "-O", "exit", "--", str(self.profile.address)])
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
                    raise DeviceError(f"{self.profile.name} at {self.profile.address}: {cut.why}") from None
                self._closed.wait(pause)
        raise AssertionError("the last try returns or raises")

    def _connect(self) -> None:
        """Begin the shared connection where there is none; what an earlier one left running is ended."""
        with self._line:
            if self._closed.is_set():
                raise WorkerError("this executor is closed; open another")
            if not self._is_connected():
                status, said = self._ssh([*self._options(), "-M", "-N", "-f", "-o", f"ControlPersist={IDLE_S}", "--", str(self.profile.address)])
                if status:
                    raise _explained(status, said, self.profile)
                self._left_over = self._began
            if self._left_over:
                self._once(far.End(), int, (), ASK_S)
                self._left_over = False
            self._reached = True

    def _is_connected(self) -> bool:
        return self._socket.exists()

    @property
    def _socket(self) -> Path:
        return self._folder / "line"

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
            raise talk.slow or _explained(status, said, self.profile)
        return _value(body, kind)

    def _taken(self) -> Talk:
        """One that is idle, or a new one: several are needed where passes run together."""
        with self._lock:
            self._began = True
            talk = self._idle.pop() if self._idle else Talk(command(self.profile, self._socket))
            self._talks.add(talk)
            return talk

    def _options(self) -> list[str]:
        return options(self.profile, self._socket)

    def _ssh(self, arguments: list[str]) -> tuple[int, str]:
        """A call of ssh that carries nothing: its status, and what it said."""
        with tempfile.TemporaryFile() as words:
            try:
                done = subprocess.run(
                    ["ssh", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=words, start_new_session=True, timeout=4 * CONNECT_S,
                )
            except subprocess.TimeoutExpired:
                return 255, "Connection timed out"
            words.seek(0)
            return done.returncode, words.read().decode(errors="replace")


class Talk:
    """A process of ssh, and at its other end one of `edgebench.devices.far`. One request at a time."""

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


def options(profile: Profile, socket: Path) -> list[str]:
    """What every call of ssh is told, so that it asks nobody anything, trusts no new host, forwards nothing and notices silence."""
    says = {
        "BatchMode": "yes", "StrictHostKeyChecking": "yes", "UpdateHostKeys": "no", "ConnectTimeout": f"{CONNECT_S:.0f}",
        "ServerAliveInterval": f"{SILENCE_S}", "ServerAliveCountMax": "3", "ControlPath": str(socket).replace("%", "%%"),
        "ClearAllForwardings": "yes", "ForwardAgent": "no", "ForwardX11": "no", "PermitLocalCommand": "no", "RemoteCommand": "none", "RequestTTY": "no",
        "LogLevel": "ERROR",
    }
    chosen = [*(["-F", profile.ssh_config] if profile.ssh_config else []), *(["-p", str(profile.port)] if profile.port else [])]
    return [*chosen, *(word for name, value in says.items() for word in ("-o", f"{name}={value}"))]


def command(profile: Profile, socket: Path) -> list[str]:
    """ssh's arguments for one request. The last is what the shell on the device reads; of it the profile supplies one quoted word."""
    python = profile.python.removeprefix("~/")  # ssh begins in the user's folder, and a quoted ~ is none
    only_shared = ["-o", "ProxyCommand=false"]  # where the shared connection is gone, ssh must not make another unasked
    return ["ssh", *options(profile, socket), *only_shared, "--", str(profile.address), shlex.join(["exec", python, "-P", "-m", "edgebench.devices.far"])]


def _value(body: bytes, kind: type[T]) -> T:
    try:
        reply = msgspec.json.decode(body, type=far.Reply)
        if reply.failure is not None:
            raise raised(reply.failure)
        return msgspec.convert(reply.value, kind)
    except msgspec.ValidationError as error:
        raise DeviceError(f"edgebench there answered what is no answer here ({error}); install the same one on both") from error


# what went wrong, by what ssh, the shell or Python there said

INSTALL = "Install it: `{python} -m pip install edgebench=={version}`, best in a virtual environment that the profile's `python` names"
LOST = {  # in what ssh says -> half a sentence; trying again may help
    r"Could not resolve hostname": "its name is not known; correct the address, or see whether it is switched on",
    r"Connection refused": "it refuses connections; start sshd there (Raspberry Pi: sudo raspi-config, Interface Options, SSH), or correct the port",
    r"timed out|No route to host|Network is unreachable|Host is down": "it does not answer; see whether it is switched on and on this network",
}
REFUSED = {  # trying again would not
    r"REMOTE HOST IDENTIFICATION HAS CHANGED": "its host key is not the one that was accepted: another device has its address, it was installed anew, "
    "or somebody listens. If you know why, forget the old key with `ssh-keygen -R {host}` and accept the new one by hand: {by_hand}",
    r"Host key verification failed|host key is known": "its host key is not known here. Accept it once by hand: {by_hand}, and compare the fingerprint "
    "that it shows with what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` says on the device",
    r"Permission denied|Too many authentication failures": "it refuses every key offered. Let it know yours: `ssh-copy-id {to}`; a key with a "
    "passphrase has to be in the agent (ssh-add)",
    r"Bad configuration option|Can't open user config file|no argument after keyword|Bad port": "ssh cannot be started: {said}",
}
THERE = {  # in what the shell or Python there says
    r"No module named '?edgebench'?$|Error while finding module specification for '?edgebench": "{python} there has no edgebench. " + INSTALL,
    r"No module named '?edgebench\.": "edgebench there is another version than the one here. " + INSTALL,
    r"[Uu]nknown option:? -P": "{python} there is older than 3.11. Install Python 3.11 or later and name it in the profile's `python`",
    r"No module named": "edgebench there is incomplete ({said}). " + INSTALL,
    r"No space left on device": "its disk is full ({said}); make room there",
}


def _explained(status: int, said: str, profile: Profile) -> Cut | DeviceError:
    """Why no answer came. Only ssh itself ends with 255, or a program there that a signal ended."""
    port = ["-p", str(profile.port)] if profile.port else []
    config = ["-F", profile.ssh_config] if profile.ssh_config else []
    host = str(profile.address).rpartition("@")[2]
    words = {
        "python": profile.python, "version": edgebench.__version__, "said": _last(said),
        "host": shlex.quote(f"[{host}]:{profile.port}") if port else host, "to": shlex.join([*port, str(profile.address)]),
        "by_hand": f"`{shlex.join(['ssh', *config, *port, str(profile.address)])}`",
    }
    who = f"{profile.name} at {profile.address}: "
    if status == 255:
        for pattern, why in REFUSED.items():
            if re.search(pattern, said):
                return DeviceError(who + why.format(**words))
        why = next((why for pattern, why in LOST.items() if re.search(pattern, said)), "the line was cut{what}; see whether it still runs")
        return Cut(why.replace("{what}", f" ({words['said']})" if words["said"] else ""))
    if status in (126, 127):
        return DeviceError(who + "there is no {python}. Install Python 3.11 or later there, or correct the profile's `python`".format(**words))
    for pattern, why in THERE.items():
        if re.search(pattern, said.strip(), re.MULTILINE):
            return DeviceError(who + why.format(**words))
    if status <= 0:
        return Cut(f"the line was cut{' (' + words['said'] + ')' if words['said'] else ''}; see whether it still runs")
    said = words["said"] or "it said nothing"
    return DeviceError(f"{who}edgebench there ended with status {status} and gave no answer ({said}); run `edgebench doctor` there")


def _last(said: str) -> str:
    """The last lines that say something, as text that a terminal can bear."""
    lines = [one.strip() for one in said.splitlines() if one.strip()]
    return re.sub(r"[^\x20-\x7e\u00a0-\uffff]", " ", " | ".join(lines[-3:]))[-300:]
