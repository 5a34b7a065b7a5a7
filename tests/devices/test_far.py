"""The far end, in this process: requests it refuses, files it takes, and answers that are whole or none."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import edgebench
from edgebench.bench import tryout
from edgebench.devices import far
from edgebench.devices.far import End, Facts, Item, Lacking, Put, Reply, Request, Session

TOKEN = "0123456789abcdef" * 2
DATA = b"a model"

Ask = Callable[..., Reply]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A store of its own; the session changes where temporary files go."""
    monkeypatch.setenv("EDGEBENCH_HOME", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = tempfile.tempdir
    yield tmp_path
    tempfile.tempdir = before


def asked(ask: Any, payload: bytes = b"", *, version: str = edgebench.__version__, token: str = TOKEN) -> Reply:
    session = Session(io.BytesIO(payload))
    try:
        return session.reply(msgspec.json.encode(Request(version, token, ask)) + b"\n")
    finally:
        session.close()


def item(path: str = "models/ab/bag.onnx", data: bytes = DATA) -> Item:
    return Item(path, hashlib.sha256(data).hexdigest(), len(data))


def said(reply: Reply) -> str:
    assert reply.failure is not None
    return f"{reply.failure.kind}: {reply.failure.message}"


def test_what_waits_on_a_small_device_needs_no_numpy() -> None:
    code = "import sys, edgebench.devices.far; sys.exit('numpy' in sys.modules or 'psutil' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# answers


@pytest.mark.parametrize("noise", [b"", b"Welcome to the board!\nlast login: yesterday\n", b"\xff\x00"])
def test_an_answer_is_found_behind_what_a_shell_says(noise: bytes) -> None:
    assert far.read_framed(io.BytesIO(noise + far.framed(b"{}"))) == b"{}"


@pytest.mark.parametrize("heard", [b"", b"edgebench-answer 2", far.framed(b"{}")[:-1], far.framed(b"{}").replace(b"{}", b"{)"), b"{}"])
def test_half_an_answer_is_none(heard: bytes) -> None:
    assert far.read_framed(io.BytesIO(heard)) is None


def test_answers_follow_each_other() -> None:
    source = io.BytesIO(far.framed(b"1") + far.framed(b"2"))
    assert [far.read_framed(source) for _ in range(3)] == [b"1", b"2", None]


# requests


def test_another_version_says_which_to_install() -> None:
    whole = f"DeviceError: edgebench there is {edgebench.__version__} and here 9.9; install 9.9 there, or `edgebench devices prepare` it again"
    assert said(asked(Facts(), version="9.9")) == whole


@pytest.mark.parametrize("line", [b"", b"{}", b"\xff", b'{"edgebench": "%s", "ask": {"type": "dance"}}' % edgebench.__version__.encode()])
def test_what_is_no_request_is_answered_with_what_to_do(line: bytes) -> None:
    assert said(Session(io.BytesIO()).reply(line)).endswith("install the same one on both")


@pytest.mark.parametrize("token", ["", "..", "../" + TOKEN, TOKEN.upper(), TOKEN + "/x"])
def test_a_session_is_no_path(token: str) -> None:
    assert "names no folder" in said(asked(Facts(), token=token))


def test_facts_are_this_machines() -> None:
    found = asked(Facts()).value
    assert found["packages"]["edgebench"] == edgebench.__version__


def test_findings_are_of_the_engines_here_and_the_sensors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tryout, "engines", lambda _: iter([tryout.Engine("onnxruntime", "1.32.0", "bag", 10**9)]))
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as source, os.fdopen(writer, "wb"):
        session = Session(source)
        found = session.reply(msgspec.json.encode(Request(edgebench.__version__, TOKEN, far.Findings()))).value
        session.close()
    assert [one.said for one in found if one.name == "onnxruntime"] == ["1.32.0: opens bag and answers, the first time after 1.00 s"]
    assert {"temperature", "energy"} <= {one.name for one in found if one.group == "sensors"}


# files


def test_a_file_is_lacking_until_it_was_put() -> None:
    assert asked(Lacking([item()])).value == [item()]
    assert asked(Put([item()]), DATA).value == 1
    assert asked(Lacking([item(), item("models/ab/other")])).value == [item("models/ab/other")]
    assert (far.store() / "models/ab/bag.onnx").read_bytes() == DATA


def test_a_file_with_other_bytes_is_lacking() -> None:
    asked(Put([item()]), DATA)
    (far.store() / "models/ab/bag.onnx").write_bytes(b"a muddle"[: len(DATA)])
    assert asked(Lacking([item()])).value == [item()]


def test_several_files_come_end_to_end() -> None:
    asked(Put([item("files/a", b"one"), item("files/b", b""), item("files/c", b"three")]), b"onethree")
    assert [(far.store() / "files" / name).read_bytes() for name in "abc"] == [b"one", b"", b"three"]


@pytest.mark.parametrize("payload", [b"", DATA[:-1], DATA[::-1]])
def test_what_did_not_arrive_as_it_was_is_not_kept(payload: bytes) -> None:
    assert asked(Put([item()]), payload).failure is not None
    assert not [path for path in far.store().rglob("*") if path.is_file()]


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "models/../../x", "sessions/x", "x", "models/\0"])
def test_no_file_leaves_the_store(path: str) -> None:
    assert "leaves the store" in said(asked(Put([item(path)]), DATA))


def test_a_disk_that_is_too_small_is_told_before_anything_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9 - 10**6, 10**6))  # type: ignore[attr-defined]
    assert said(asked(Put([item()]), DATA)) == (
        f"DeviceError: 7 B are to be copied there and 1.00 MB are free at {far.store()}; delete what is not needed"
    )


def test_a_disk_that_fills_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert said(asked(Put([item()]), DATA)) == "DeviceError: No space left on device; make room there, or let the user write there"


# sessions


def test_nothing_of_a_session_is_left() -> None:
    asked(Facts())
    assert list((far.store() / "sessions").iterdir()) == []


def test_a_session_that_was_cut_off_by_force_is_swept_up_by_the_next_unless_it_runs() -> None:
    for name in ("dead", "alive"):
        (far.store() / "sessions" / name).mkdir(parents=True)
        (far.store() / "sessions" / name / "1.pid").touch()
    with (far.store() / "sessions" / "alive" / "1.pid").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        asked(Facts())
        assert [one.name for one in (far.store() / "sessions").iterdir()] == ["alive"]


def test_a_session_ends_what_of_it_still_runs_and_nothing_else() -> None:
    folder = far.store() / "sessions" / TOKEN
    folder.mkdir(parents=True)
    (folder / "1.pid").touch()  # of no process: its number is another's by now
    assert asked(End()).value == 0
    assert not folder.exists()
