"""A whole arm64 machine with a kernel of its own, reached by ssh: prepared, killed with SIGKILL in the middle of a sweep, started again, and gone on with.

    pytest tests/emulation/test_machine.py -m emulation      # some minutes; EDGEBENCH_EMULATION keeps what it downloads
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import msgspec
import pytest

from edgebench.bench import resume
from edgebench.bench.job import Answer, Job
from edgebench.bench.journal import Journal
from edgebench.bench.plan import Model, Plan
from edgebench.bench.run import Sweep
from edgebench.devices.prepare import prepare
from edgebench.devices.profile import Profile
from edgebench.devices.ssh import SshExecutor
from edgebench.errors import FetchError, MissingError
from edgebench.models import card as cards
from edgebench.models.data import Labelled
from edgebench.record import Record, Spec
from scripts import machine
from tests.emulation import guest

pytestmark = pytest.mark.emulation

BOOT_S = 300.0
IN_THE_PASS_S = 3.0  # it takes about 15
LABELLED = Labelled(("good", "bad"), (1, 0), ("negative", "positive"), "two", "dev", "made in a test", "ab12", "MIT", "")


class Machine:
    """One that can be switched on and off; `folder` holds what it is made of."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._port = folder, machine.free_port()
        self.profile = Profile(1, "arm-machine", "an emulated machine", "ssh", address=f"root@{machine.HOST}",
                               ssh_config=str(machine.reached(folder, self._port)))

    def on(self) -> float:
        """Start it; the seconds until sshd answers."""
        begin = time.monotonic()
        with (self.folder / "console").open("ab") as console:
            self._process = subprocess.Popen(machine.command(self.folder, self._port), stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        greet = ["ssh", "-F", str(self.profile.ssh_config), "-o", "BatchMode=yes", "-o", "ConnectTimeout=5", str(self.profile.address), "true"]
        while self._process.poll() is None and time.monotonic() - begin < BOOT_S:
            if not subprocess.run(greet, stdin=subprocess.DEVNULL, capture_output=True).returncode:
                return time.monotonic() - begin
            time.sleep(0.5)
        raise AssertionError(f"no ssh after {BOOT_S:.0f} s: {(self.folder / 'console').read_text(errors='replace')[-2000:]}")

    def off(self) -> None:
        """As a pulled plug would: what its kernel had not written is lost."""
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """It runs, and its disk is this test's own."""
    lacking = [one for one in ("qemu-system-aarch64", "ssh", "ssh-keygen") if not shutil.which(one)] + ([] if machine.mke2fs() else ["mke2fs"])
    if lacking:
        pytest.skip(f"a whole machine needs {', '.join(lacking)}: sudo apt install qemu-system-arm openssh-client e2fsprogs")
    made = guest.folder() / "machine"
    if not (made / "disk").exists():
        try:
            machine.make(made)
        except (FetchError, MissingError) as error:
            pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("machine")
    for name in ("vmlinuz", "initrd", "disk", "user_key", "known_hosts"):
        subprocess.run(["cp", "--sparse=always", str(made / name), str(folder)], check=True)
    one = Machine(folder)
    one.on()
    with contextlib.ExitStack() as last:
        last.callback(one.off)
        yield one


def cells() -> list[Spec]:
    usual = Spec(model="bag", format="onnx", precision="fp32", backend="onnxruntime", processes=1, max_processes=1, passes=("cold",), timeout_s=600)
    return [msgspec.structs.replace(usual, threads=threads, seed=seed) for seed in (0, 1) for threads in (1, 2)]


def test_a_machine_killed_just_after_it_was_prepared_and_in_a_sweep_loses_and_doubles_nothing(
    board: Machine, bag_of_words: Path, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    device = SshExecutor(board.profile)
    prepare(device, ["onnxruntime"], tell=lambda _: None)
    device.close()
    board.off()
    boot_s = [board.on()]
    device = SshExecutor(board.profile)
    assert prepare(device, ["onnxruntime"], tell=lambda _: None).copied == []
    device.close()

    plan = Plan(cells(), [], {"bag": Model(cards.read(bag_of_words), None, LABELLED)}, seed=0)
    first, asked = list[Record](), list[Spec]()
    device = SshExecutor(board.profile, pauses_s=(0.5, 1.0))
    host = device.facts()

    def execute(one: Job) -> Answer:
        asked.append(one.spec)
        if len(asked) == 2:
            Timer(IN_THE_PASS_S, board.off).start()
        return device.run(one)

    with Journal(tmp_path / "records.jsonl", execute, machine=resume.machine(host), resume=False) as journal:
        Sweep(plan, journal, host=host, keep=first.append, tell=lambda _: None).run()
    device.close()
    assert sorted(one.outcome for one in first) == ["failed"] * 3 + ["ok"]
    assert {reason for one in first for reason in one.reasons} == {
        f"arm-machine at root@{machine.HOST}: it refuses connections; start sshd there (Raspberry Pi: sudo raspi-config, Interface Options, SSH), "
        "or correct the port",
    }

    boot_s.append(board.on())
    device, second = SshExecutor(board.profile), list[Record]()
    again = device.facts()
    rest, stand = resume.missing(plan, first, again)
    Sweep(rest, device.run, host=again, keep=second.append, tell=lambda _: None).run()
    device.close()
    done = [*stand, *second]
    assert len(stand) == 1
    assert {one.spec for one in done} == set(plan.cells)
    assert [(one.outcome, one.host["virtual"], one.host["emulated"], one.cold) for one in done] == [("ok", True, True, [])] * 4
    assert resume.missing(plan, done, again)[0].cells == []
    with capsys.disabled():
        print(f"\n  a whole machine killed twice: boots of {' and '.join(f'{one:.0f} s' for one in boot_s)}, 4 cells, none lost, none doubled")
