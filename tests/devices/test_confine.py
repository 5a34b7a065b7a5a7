"""What a measuring process can reach: no network, no more memory than it is allowed, nothing from the current folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edgebench.devices.local import CONFINE, LocalExecutor
from tests.devices.test_local import ANSWER, HERE, job

Said = Callable[..., str]


@pytest.fixture
def said(tmp_path: Path) -> Said:
    """said(program) -> what a confined process wrote into a file called by the variable `out`."""

    def one(program: str, memory_bytes: int | None = None) -> str:
        out = tmp_path / "said"
        begin = f"import os, sys\nfrom pathlib import Path\nout = Path({str(out)!r})\n"
        LocalExecutor(HERE, worker=("-c", begin + program + "\n" + ANSWER), memory_bytes=memory_bytes).run(job())
        return out.read_text()

    return one


def test_there_is_nobody_on_the_network(said: Said) -> None:
    found = json.loads(said('out.write_text(os.environ["EDGEBENCH_CONFINED"])'))
    if found["network"] != "none":
        pytest.skip(f"this kernel does not let a process leave the network: {found['network']}")
    assert said('import socket; out.write_text(" ".join(name for _, name in socket.if_nameindex()))') == "lo"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_user_without_rights_leaves_the_network_too_or_says_why_not() -> None:
    program = (
        "import ctypes, os, runpy, sys\n"
        "confine = runpy.run_path(sys.argv[1])\n"
        "os.setgroups([]), os.setgid(12345), os.setuid(12345)\n"
        "ctypes.CDLL(None).prctl(4, 1)\n"  # PR_SET_DUMPABLE: its /proc is its own again, as after an exec
        "print(os.getuid(), confine['leave_network'](), os.getuid())"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program, str(CONFINE)], capture_output=True, text=True, check=True)
    before, network, after = done.stdout.split(maxsplit=1)[0], done.stdout.split(maxsplit=1)[1].rsplit(maxsplit=1)[0], done.stdout.split()[-1]
    assert network == "none" or network.startswith("can be reached: ")
    assert (before, after) == ("12345", "12345") or network != "none"


def test_memory_ends_where_it_is_said_to(said: Said) -> None:
    program = "try:\n    bytearray(1 << 30)\nexcept MemoryError:\n    out.write_text('no more')\nelse:\n    out.write_text('all')"
    assert said(program, 256 << 20) == "no more"
    assert said(program) == "all"


def test_what_lies_in_the_current_folder_is_no_package(said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "msgspec.py").write_text("raise SystemExit('a stranger was imported')")
    (tmp_path / "torch.py").write_text("raise SystemExit('a stranger was imported')")
    monkeypatch.chdir(tmp_path)
    assert said("import edgebench.bench.job, importlib.util; out.write_text(importlib.util.find_spec('msgspec').origin)") != str(tmp_path / "msgspec.py")


def test_temporary_files_go_with_the_process(said: Said) -> None:
    left = Path(said("import tempfile; out.write_text(tempfile.mkdtemp())"))
    assert left.parent.name == "scratch"
    assert not left.parent.exists()


def test_no_core_is_written(said: Said) -> None:
    assert said("import resource; out.write_text(str(resource.getrlimit(resource.RLIMIT_CORE)))") == "(0, 0)"
