"""What may befall a device at the end of a line, and what it may send: one error with what to do, no pass lost or counted twice.

The hostile posts to the page's server are tried in its own tests; a lost dask worker in those of the fleet.
"""

from __future__ import annotations

import hashlib
import io
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import pytest

import edgebench
from edgebench.bench.job import Answer, Job, raised
from edgebench.bench.journal import Journal
from edgebench.bench.plan import Model, Plan
from edgebench.bench.run import Sweep
from edgebench.devices import far
from edgebench.devices.far import Facts, Item, Put, Request, Session
from edgebench.devices.line import _value
from edgebench.devices.ssh import SshExecutor
from edgebench.models import card as cards
from edgebench.record import Record
from tests.devices.test_ssh import LABELLED, PI, SSH, bag, ended, job
from tests.faults.conftest import Try
from tests.faults.test_machine_faults import fill, mounted
from tests.sshd import Sshd, started

TOKEN = "0123456789abcdef" * 2
DATA = b"a model"

# a program called ssh that says it

LINE = {
    "its name is not known": ("ssh: Could not resolve hostname pi.local: Name or service not known", "its name is not known"),
    "it refuses connections": ("ssh: connect to host pi.local port 22: Connection refused", "it refuses connections"),
    "it does not answer": ("ssh: connect to host pi.local port 22: Connection timed out", "it does not answer"),
    "its host key is not known": ("Host key verification failed.", "its host key is not known here"),
    "its host key was changed": ("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.", "not the one that was accepted"),
    "it refuses the key": ("pi@pi.local: Permission denied (publickey).", "it refuses every key offered"),
    "it hangs up": ("kex_exchange_identification: read: Connection reset by peer", "the line was cut"),
}
THERE = {
    "Python is missing there": ("sh: 1: exec: python3: not found", 127, "there is no python3"),
    "Python is too old there": ("unknown option -P\nusage: python3 [option] ...", 2, "older than 3.11"),
    "edgebench is missing there": ("/usr/bin/python3: No module named edgebench", 1, "has no edgebench"),
    "its disk is full": ("OSError: [Errno 28] No space left on device", 1, "its disk is full"),
    "Python crashes there": ("Segmentation fault", 139, "ended with status 139"),
    "it says nothing and hangs up": ("", 0, "the line was cut"),
}


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """asked(line=...) or asked(words=..., status=...): ask a device for its facts, by an ssh that says that."""
    program = tmp_path / "ssh"
    program.write_text(SSH)
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def ask(*, line: str = "", words: str = "", status: int = 255) -> Any:
        if line:
            program.with_name("ssh.line").write_text(line)
        program.with_name("ssh.words").write_text(words)
        program.with_name("ssh.status").write_text(str(status))
        one = SshExecutor(PI, pauses_s=())
        try:
            return one.facts()
        finally:
            one.close()

    return ask


@pytest.mark.parametrize("what", LINE)
def test_a_line_that_cannot_be_had(try_out: Try, asked: Callable[..., Any], what: str) -> None:
    line, said = LINE[what]
    assert said in try_out("peer", f"ssh: {what}", "DeviceError", lambda: asked(line=line))


@pytest.mark.parametrize("what", THERE)
def test_a_device_that_does_not_answer(try_out: Try, asked: Callable[..., Any], what: str) -> None:
    words, status, said = THERE[what]
    assert said in try_out("peer", f"ssh: {what}", "DeviceError", lambda: asked(words=words, status=status))


# what crosses the line


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("EDGEBENCH_HOME", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = tempfile.tempdir
    yield tmp_path
    tempfile.tempdir = before


def sent(ask: Any, payload: bytes = b"", *, version: str = edgebench.__version__, token: str = TOKEN) -> Any:
    """What the far end replies; its error is raised here, as it is on this side of the line."""
    session = Session(io.BytesIO(payload))
    try:
        reply = session.reply(msgspec.json.encode(Request(version, token, ask)) + b"\n")
    finally:
        session.close()
    if reply.failure is not None:
        raise raised(reply.failure)
    return reply.value


def item(path: str = "models/ab/bag.onnx") -> Item:
    return Item(path, hashlib.sha256(DATA).hexdigest(), len(DATA))


SENT: dict[str, tuple[Callable[[], Any], str]] = {
    "a file that ends early": (lambda: sent(Put([item()]), DATA[:-1]), "DeviceError"),
    "a file with other bytes": (lambda: sent(Put([item()]), DATA[::-1]), "IntegrityError"),
    "a file for a place outside the store": (lambda: sent(Put([item("../../etc/cron.d/x")]), DATA), "IntegrityError"),
    "a file at an absolute path": (lambda: sent(Put([item("/etc/passwd")]), DATA), "IntegrityError"),
    "a file for another session's folder": (lambda: sent(Put([item("sessions/x")]), DATA), "IntegrityError"),
    "a file larger than its disk": (lambda: sent(Put([Item("models/x", "0" * 64, 1 << 60)]), DATA), "DeviceError"),
    "a session that is a path": (lambda: sent(Facts(), token="../x"), "DeviceError"),
    "another version": (lambda: sent(Facts(), version="9.9"), "DeviceError"),
    "an answer of another kind": (lambda: _value(b'{"value": {"latnecy": 3}}', Answer), "DeviceError"),
    "an answer that is no JSON": (lambda: _value(b"hello", Answer), "DeviceError"),
    "an answer nested 100,000 deep": (lambda: _value(b'{"value": ' + b"[" * 100_000, Answer), "DeviceError"),
    "an error of a kind that there is not": (lambda: _value(b'{"failure": {"kind": "__import__", "message": "x"}}', Answer), "WorkerError"),
}


@pytest.mark.parametrize("what", SENT)
def test_rubbish_on_the_line_is_refused(try_out: Try, store: Path, what: str) -> None:
    do, expected = SENT[what]
    try_out("peer", f"on the line: {what}", expected, do)
    assert not [path for path in far.store().rglob("*") if path.is_file()]


@pytest.mark.parametrize("share", [0, 25, 50, 75, 99])
def test_half_an_answer_is_none(try_out: Try, share: int) -> None:
    whole = far.framed(b'{"value": null}' * 100)

    def read() -> None:
        assert far.read_framed(io.BytesIO(whole[: len(whole) * share // 100])) is None

    try_out("peer", f"on the line: an answer cut at {share} %", "answers", read)


def test_a_disk_that_fills_there_keeps_no_half_file(try_out: Try, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with mounted(tmp_path / "small", "size=64k") as folder:
        monkeypatch.setenv("EDGEBENCH_HOME", str(folder))
        monkeypatch.setenv("TMPDIR", str(folder))
        monkeypatch.setattr(far, "SPARE_BYTES", -(1 << 40))  # as if the space went between the question and the writing
        before = tempfile.tempdir
        try:
            fill(folder)
            big = Item("models/x", hashlib.sha256(bytes(90_000)).hexdigest(), 90_000)
            said = try_out("peer", "far disk full while a file is copied", "DeviceError", lambda: sent(Put([big]), bytes(90_000)))
        finally:
            tempfile.tempdir = before
        assert "No space left on device" in said
        assert not [path for path in folder.rglob("models/*") if path.is_file()]


# a real server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with started(tmp_path_factory.mktemp("sshd")) as one:
        yield one


def swept(executor: SshExecutor, bag_of_words: Path, records: Path, execute: Callable[[Job], Answer]) -> list[Record]:
    """A sweep of two cells there."""
    kept = list[Record]()
    plan = Plan([bag(threads=1), bag(threads=2)], [], {"bag": Model(cards.read(bag_of_words), None, LABELLED)}, seed=0)
    with Journal(records, execute, machine="desk", resume=False) as journal:
        Sweep(plan, journal, host=executor.facts(), keep=kept.append, tell=lambda _: None).run()
    return kept


@pytest.mark.slow
@pytest.mark.parametrize("pass_number", [1, 2, 3, 4])
def test_a_line_cut_in_the_middle_loses_nothing(try_out: Try, server: Sshd, home: Path, bag_of_words: Path, tmp_path: Path, pass_number: int) -> None:
    executor, asked, kept = SshExecutor(server.profile, pauses_s=(0.1, 0.2, 0.4, 0.8)), list[Job](), list[Record]()

    def execute(one: Job) -> Answer:
        asked.append(one)
        if len(asked) == pass_number:
            Thread(target=lambda: ended(lambda: len(server.workers()) > 1) and server.cut(), daemon=True).start()
        return executor.run(one)

    def run() -> None:
        kept.extend(swept(executor, bag_of_words, tmp_path / "records.jsonl", execute))

    def lost() -> int:
        return 4 - sum(len(one.latency.processes_ns) for one in kept if one.latency) + sum(one.outcome != "ok" for one in kept) + abs(len(kept) - 2)

    try_out("peer", f"ssh: the line is cut in pass {pass_number} of 4", "answers", run, lost=lost)
    executor.close()


@pytest.mark.slow
def test_a_host_key_that_was_changed_is_refused(try_out: Try, server: Sshd, home: Path, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True, stdin=subprocess.DEVNULL)
    (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{server.port} {(tmp_path / 'other.pub').read_text()}")
    settings = (server.folder / "ssh_config").read_text().replace(str(server.folder / "known_hosts"), str(tmp_path / "known_hosts"))
    (tmp_path / "settings").write_text(settings)
    one = SshExecutor(msgspec.structs.replace(server.profile, ssh_config=str(tmp_path / "settings")))
    said = try_out("peer", "sshd: the host key was changed", "DeviceError", one.facts)
    one.close()
    assert "its host key is not the one that was accepted" in said


@pytest.mark.slow
def test_a_python_that_is_not_there_is_named(try_out: Try, server: Sshd, home: Path) -> None:
    one = SshExecutor(msgspec.structs.replace(server.profile, python="/opt/no/python"))
    said = try_out("peer", "sshd: Python is missing there", "DeviceError", one.facts)
    one.close()
    assert "/opt/no/python" in said


@pytest.mark.slow
def test_a_full_disk_there_is_told_before_a_file_is_sent(try_out: Try, server: Sshd, home: Path, tmp_path: Path) -> None:
    with mounted(tmp_path / "small", "size=2m") as folder:
        python = tmp_path / "python"
        python.write_text(f"#!/bin/sh\nEDGEBENCH_HOME={shlex.quote(str(folder))}\nexport EDGEBENCH_HOME\nexec {shlex.quote(sys.executable)} \"$@\"\n")
        python.chmod(0o700)
        one = SshExecutor(msgspec.structs.replace(server.profile, python=str(python)))
        said = try_out("peer", "sshd: the far disk has no room", "DeviceError", lambda: one.run(job()))
        one.close()
        assert ended(lambda: not list(folder.rglob("*.onnx")))
    assert "are free at" in said


@pytest.mark.slow
def test_a_clock_that_is_wrong_there_changes_no_record(try_out: Try, server: Sshd, home: Path, bag_of_words: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import time\ntime.time = lambda: 0.0\n")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(tmp_path))}:"$PYTHONPATH"\nexport PYTHONPATH\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o700)
    executor, kept, begin = SshExecutor(msgspec.structs.replace(server.profile, python=str(python))), list[Record](), datetime.now(UTC)
    run = lambda: kept.extend(swept(executor, bag_of_words, tmp_path / "records.jsonl", executor.run))  # noqa: E731
    try_out("peer", "sshd: the clock there is at 1970", "answers", run, lost=lambda: abs(len(kept) - 2) + sum(one.outcome != "ok" for one in kept))
    executor.close()
    assert all(one.started_at >= begin.isoformat()[:19] for one in kept)
    assert all(cold.total_ns > 0 for one in kept for cold in one.cold)
