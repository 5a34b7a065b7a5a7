"""What may befall a measuring process: each is one error with its reason, nothing of it is left, and no answer is made up."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from edgebench.bench.job import Answer, Job
from edgebench.devices.local import LocalExecutor
from edgebench.devices.profile import Profile
from edgebench.record import Spec
from tests.faults import bundle
from tests.faults.conftest import Try

HERE = Profile(1, "host", "this machine", "local")
ANSWER = "Path(sys.argv[1]).write_text('{}')\n"
BEGIN = "import os, resource, signal, subprocess, sys, time\nfrom pathlib import Path\n"
MEMORY = 256 << 20
LONG_S = 60.0


def ran(program: str, timeout_s: float = LONG_S) -> Answer:
    """What a worker that is this program answers; its memory ends at 256 MiB."""
    spec = Spec(model="bag", format="onnx", precision="fp32", backend="onnxruntime", timeout_s=timeout_s)
    return LocalExecutor(HERE, worker=("-c", BEGIN + program), memory_bytes=MEMORY).run(Job(spec=spec, part="cold", examples=["good"]))


def answered(program: str) -> str:
    assert ran(program) == Answer()
    return "an answer"


SIGNALS = ("SIGSEGV", "SIGKILL", "SIGXCPU", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGTERM", "SIGSYS")


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_is_told_by_its_name(try_out: Try, name: str) -> None:
    said = try_out("process", f"ended by {name}", "CrashError", lambda: ran(f"os.kill(os.getpid(), signal.{name}); time.sleep(60)"))
    assert name in said


DEATHS: dict[str, tuple[str, str, str]] = {  # program, error, what is said
    "a native read of address 0": ("import ctypes; ctypes.string_at(0)", "CrashError", "SIGSEGV"),
    "its processor time used up": ("resource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass", "CrashError", "SIG"),
    "exit 0 without an answer": ("sys.exit(0)", "CrashError", "ended with status 0 but gave no answer"),
    "exit 3 without an answer": ("sys.exit(3)", "CrashError", "ended with status 3"),
    "an exception nobody caught": ("raise RuntimeError('so it was')", "CrashError", "RuntimeError: so it was"),
    "more memory than there is": ("bytearray(1 << 34)", "CrashError", "MemoryError"),
    "memory bit by bit": ("kept = []\nwhile True: kept.append(bytearray(1 << 20))", "CrashError", "MemoryError"),
    "garbage as its answer": ("Path(sys.argv[1]).write_bytes(os.urandom(1000))", "WorkerError", "no answer"),
    "half an answer": ("Path(sys.argv[1]).write_text('{\"accur')", "WorkerError", "no answer"),
    "an answer of another kind": ("Path(sys.argv[1]).write_text('[1, 2]')", "WorkerError", "no answer"),
    "an empty answer": ("Path(sys.argv[1]).touch()", "WorkerError", "no answer"),
    "an answer with a key that there is not": ("Path(sys.argv[1]).write_text('{\"latnecy\": 1}')", "WorkerError", "no answer"),
    "an answer nested 100,000 deep": ("Path(sys.argv[1]).write_text('{\"engine\": {\"a\": ' + '[' * 100000)", "WorkerError", "no answer"),
}


@pytest.mark.parametrize("what", DEATHS)
def test_a_process_without_an_answer_is_an_error(try_out: Try, what: str) -> None:
    program, expected, said = DEATHS[what]
    assert said in try_out("process", what, expected, lambda: ran(program))


ALIVE = {
    "garbage on stdout before an answer": "os.write(1, os.urandom(1 << 20))\n" + ANSWER,
    "64 MB on stdout before an answer": "for _ in range(1024): os.write(1, bytes(1 << 16))\n" + ANSWER,
    "escapes on stderr before an answer": "os.write(2, b'\\x1b]0;title\\x07\\x1b[2J' * 99)\n" + ANSWER,
    "stdout closed before an answer": "os.close(1); os.close(2)\n" + ANSWER,
    "an answer, then a crash": ANSWER + "os.kill(os.getpid(), signal.SIGSEGV); time.sleep(60)",
    "an answer, then status 1": ANSWER + "sys.exit(1)",
    "a child that holds the pipe": "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n" + ANSWER,
}


@pytest.mark.parametrize("what", ALIVE)
def test_an_answer_that_is_whole_counts(try_out: Try, what: str) -> None:
    try_out("process", what, "answers", lambda: answered(ALIVE[what]))


HANGS = {
    "asleep": "time.sleep(600)", "a busy loop": "while True: pass",
    "a loop that no signal but one ends": "[signal.signal(n, signal.SIG_IGN) for n in (2, 14, 15)]\nwhile True: pass",
    "stopped": "os.kill(os.getpid(), signal.SIGSTOP); time.sleep(600)",
}


@pytest.mark.parametrize("what", [pytest.param(one, marks=[] if one == "asleep" else [pytest.mark.slow]) for one in HANGS])
def test_a_hang_ends_at_its_limit_and_nothing_is_left(try_out: Try, tmp_path: Path, what: str) -> None:
    program = f"Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))\n{HANGS[what]}"
    assert "no answer in 4.00 s, so the process was killed" in try_out("process", f"hangs: {what}", "OvertimeError", lambda: ran(program, 4.0))
    deadline = time.monotonic() + 10
    while psutil.pid_exists(int((tmp_path / "pid").read_text())) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


def test_a_model_calls_nobody(try_out: Try) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        program = f"import socket; socket.create_connection(('127.0.0.1', {port}), timeout=5)"
        probe = LocalExecutor(HERE, worker=("-c", BEGIN + "Path(sys.argv[1]).write_text('{\"confined\": ' + os.environ['EDGEBENCH_CONFINED'] + '}')"))
        found = probe.run(Job(spec=Spec(model="bag", format="onnx", precision="fp32", backend="fake"), part="cold", examples=[])).confined
        if found["network"] != "none":
            pytest.skip(f"this kernel does not let a process leave the network: {found['network']}")
        said = try_out("process", "a model's process calls a server on this machine", "CrashError", lambda: ran(program))
    assert "OSError" in said or "Network is unreachable" in said


# with an engine


def measured(card: Path, format: str, backend: str, *, part: Any = "cold", timeout_s: float = 120.0, memory_bytes: int | None = None) -> Answer:
    """What the real worker answers about the card's model."""
    spec = Spec(model=str(card), format=format, precision="fp32", backend=backend, timeout_s=timeout_s)
    return LocalExecutor(HERE, memory_bytes=memory_bytes).run(Job(spec=spec, part=part, examples=["a good film", "bad"]))


@pytest.mark.slow
def test_an_endless_loop_in_a_model_ends_as_a_timeout(try_out: Try, bundled: Callable[..., Path]) -> None:
    card = bundled("onnx", bundle.endless())
    begin = time.monotonic()
    try_out("process", "onnx: a Loop of 2^62 rounds", "OvertimeError", lambda: measured(card, "onnx", "onnxruntime", timeout_s=8.0))
    assert time.monotonic() - begin < 60


def test_a_model_that_asks_for_all_memory_is_refused_it(try_out: Try, bundled: Callable[..., Path]) -> None:
    card = bundled("onnx", bundle.greedy())
    said = try_out("process", "onnx: a tensor of 2^40 numbers made while running", "OutOfMemoryError", lambda: measured(card, "onnx", "onnxruntime"))
    assert "free memory" in said


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGKILL"])
def test_an_engine_that_crashes_in_a_run_is_told(try_out: Try, bundled: Callable[..., Path], name: str) -> None:
    script = bundle.FAKE + f'failures = [{{ run = 1, how = "crash", signal = "{name}" }}]\n'
    assert name in try_out("process", f"fake engine: {name} in its first run", "CrashError", lambda: measured(bundled("fake", script.encode()), "fake", "fake"))


def test_the_folder_of_a_process_goes_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    answered("import tempfile; open(tempfile.mkstemp()[1], 'wb').write(bytes(1000))\n" + ANSWER)
    assert os.listdir(tmp_path) == []
