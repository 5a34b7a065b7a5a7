"""A phone with nothing to install: `edgebench devices prepare` by adb into an empty root, where both engines then answer as here, and `clean`.

    pytest tests/emulation/test_phone.py -m "slow or emulation"      # this processor's root, and an aarch64 one under emulation
"""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import pytest

from edgebench.cli import status
from edgebench.devices.adb import AdbExecutor
from edgebench.devices.far import HERE
from edgebench.devices.local import LocalExecutor
from edgebench.devices.profile import Profile, text
from tests import phone
from tests.emulation import guest
from tests.emulation.test_arm import TOLERANCE, alike, job

ENGINES = {"onnxruntime": "onnx", "tflite": "tflite"}


@pytest.fixture(autouse=True)
def possible() -> None:
    phone.possible()


@pytest.mark.slow
@pytest.mark.network
def test_an_empty_root_of_this_processor_is_prepared_measured_and_left_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    root = phone.empty(tmp_path)
    assert prepared_measured_and_left(root, platform.machine(), monkeypatch, capsys) < TOLERANCE


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the packages are asked for this processor")
def test_a_genuine_adbd_is_prepared_measured_and_left_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    with phone.genuine(tmp_path) as root:
        assert prepared_measured_and_left(root, "x86_64", monkeypatch, capsys, address=phone.SERIAL) < TOLERANCE


@pytest.mark.emulation
def test_an_empty_root_of_a_phones_processor_is_prepared_measured_and_left_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    guest.possible()
    root = tmp_path / "phone"
    phone.empty(tmp_path, "aarch64", guest.registration("arm64", root), f"QEMU_CPU={guest.PI_5}")
    difference = prepared_measured_and_left(root, "aarch64", monkeypatch, capsys)
    with capsys.disabled():
        print(f"\n  an empty root of aarch64: equal labels in {' and '.join(ENGINES)}, outputs within {difference:.1e}")
    assert difference < TOLERANCE


def prepared_measured_and_left(
    root: Path, machine: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, address: str | None = None,
) -> float:
    """The largest difference of a probability from this machine's."""
    monkeypatch.setenv("PATH", f"{root.parent}:{phone.PATHS}")
    monkeypatch.setenv("EDGEBENCH_HOME", str(root.parent / "home"))
    (root.parent / "home/devices").mkdir(parents=True)
    profile = Profile(1, "empty", "an empty root", "adb", address=address, engines_expected=tuple(ENGINES))
    who = f"empty at {address}" if address else "empty"
    (root.parent / "home/devices/empty.toml").write_text(text(profile))
    before = files(root)

    assert status(["devices", "prepare", "empty"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"{who}: {machine}; copying a Python with all that it needs, ")
    assert said[1].startswith("this runtime is not verified on a phone")
    assert said[2].startswith(f"{who}: Python 3.11.2, {machine}, glibc 2.36; ")
    assert said[3].startswith("copying 13 wheels, ")
    assert said[-1] == "edgebench devices clean empty takes it away again"

    assert status(["devices", "prepare", "empty"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "nothing was copied: 13 wheels are there"

    one = AdbExecutor(profile, pauses_s=())
    answers = [(one.run(asked), LocalExecutor(HERE).run(asked)) for asked in (job(format, "int8", engine) for engine, format in ENGINES.items())]
    one.close()
    for there, here in answers:
        assert there.accuracy
        assert here.accuracy
        assert there.accuracy.predictions == here.accuracy.predictions

    assert status(["devices", "clean", "empty"]) == 0
    assert capsys.readouterr().out.startswith("empty: removed /data/local/tmp/edgebench, ")
    assert files(root) == before
    return max(alike(there.accuracy.probabilities, here.accuracy.probabilities) for there, here in answers if there.accuracy and here.accuracy)


def files(root: Path) -> list[str]:
    return subprocess.run(["find", str(root)], capture_output=True, text=True, check=True).stdout.splitlines()
