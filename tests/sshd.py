"""A real sshd on this machine's loopback, with keys, host key and settings of its own: what a device at the end of a line is to ssh."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from edgebench.devices.profile import Profile

ROOT = Path(__file__).resolve().parent.parent
LONG_S = 20.0


@dataclass
class Sshd:
    """One that listens; whoever started it ends it. `home` is the EDGEBENCH_HOME of what runs at the far end."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def home(self) -> Path:
        return self.folder / "far"

    @property
    def profile(self) -> Profile:
        return Profile(
            1, "desk", "this machine, by ssh", "ssh", address=f"{getpass.getuser()}@127.0.0.1", port=self.port, python=sys.executable,
            ssh_config=str(self.folder / "ssh_config"),
        )

    def cut(self) -> int:
        """Kill everything that serves a connection, as a pulled plug would; how many processes that were."""
        killed = 0
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if child.name().startswith("sshd"):
                    child.send_signal(signal.SIGKILL)
                    killed += 1
        return killed

    def workers(self) -> list[int]:
        """Processes at the far end that still run."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if process.status() != psutil.STATUS_ZOMBIE and process.environ().get("EDGEBENCH_HOME") == str(self.home):
                    found.append(process.pid)
        return found


@contextlib.contextmanager
def started(folder: Path, *, variables: str | None = None) -> Iterator[Sshd]:
    """A server whose sessions know this tree, or have these variables instead; skips where there is no sshd or ssh, or it does not start."""
    server = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if not server or not shutil.which("ssh") or not shutil.which("ssh-keygen"):
        pytest.skip("there is no sshd or no ssh here; install openssh-server and openssh-client")
    for name in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(folder / name)], check=True, stdin=subprocess.DEVNULL)
    shutil.copyfile(folder / "user_key.pub", folder / "authorized_keys")
    port = _free_port()
    _write(folder, port, variables or f'PYTHONPATH="{ROOT}" EDGEBENCH_HOME="{folder}/far"')
    with _privilege_separation(), (folder / "sshd.log").open("wb") as log:
        process = subprocess.Popen([server, "-D", "-e", "-f", str(folder / "sshd_config")], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            if not _listens(process, port):
                pytest.skip(f"sshd does not start here: {(folder / 'sshd.log').read_text()[-300:]}")
            yield Sshd(folder, port, process)
        finally:
            for child in psutil.Process(process.pid).children(recursive=True) if process.poll() is None else ():
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
            process.kill()
            process.wait()


def _write(folder: Path, port: int, variables: str) -> None:
    (folder / "sshd_config").write_text(
        f'Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host_key\nAuthorizedKeysFile {folder}/authorized_keys\nPidFile none\nUsePAM no\n'
        f'StrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nPrintMotd no\nMaxSessions 10\n'
        f'SetEnv {variables}\n'
    )
    (folder / "ssh_config").write_text(
        f"IdentityFile {folder}/user_key\nIdentitiesOnly yes\nUserKnownHostsFile {folder}/known_hosts\nGlobalKnownHostsFile none\n"
    )
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {(folder / 'host_key.pub').read_text()}")


@contextlib.contextmanager
def _privilege_separation() -> Iterator[None]:
    """Root's sshd wants an empty folder, which the system's service makes at its start."""
    needed, made = Path("/run/sshd"), False
    if os.geteuid() == 0 and not needed.exists():
        needed.mkdir(mode=0o755)
        made = True
    try:
        yield
    finally:
        if made:
            with contextlib.suppress(OSError):
                needed.rmdir()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + LONG_S
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        time.sleep(0.01)
    return False
