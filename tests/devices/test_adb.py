"""Phones by adb: which one, what is said of each state, and a sweep through a program called adb whose phone is this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from edgebench.bench.job import Job
from edgebench.devices.adb import AdbExecutor, Phone, chosen, command, explained, phones
from edgebench.devices.line import Cut
from edgebench.devices.profile import Profile
from edgebench.errors import DeviceError, UnsupportedError
from edgebench.record import Spec

PHONE = Profile(1, "phone", "a phone", "adb")
MINE = msgspec.structs.replace(PHONE, address="R58M12")
LISTED = """\
List of devices attached
R58M12                 device usb:1-2 product:a53 model:SM_A536B device:a53x transport_id:1
0123456789             unauthorized usb:1-3 transport_id:3
emulator-5554          offline transport_id:2
????????????           no permissions (user in plugdev group; are your udev rules wrong?); see [http://developer.android.com/tools/device.html] usb:1-4
192.168.1.7:5555       device

"""
# what adb 29 and 34 did before a genuine adbd: the status of what ran there is passed on, and it is 0 where adbd was killed in the middle
ADB = """\
#!/bin/sh
printf '%s\\n' "$*" >> "$0.said"
if [ "$1" = devices ]; then cat "$0.devices"; exit 0; fi
[ "$1 $3 $4" = "-s shell -T" ] || exit 64
if [ -e "$0.cut" ]; then rm "$0.cut"; read -r line; exit 0; fi
exec sh -c "$5"
"""


def test_phones_are_read_with_their_states_and_models() -> None:
    assert phones(LISTED) == [
        Phone("R58M12", "device", "SM_A536B"), Phone("0123456789", "unauthorized", ""), Phone("emulator-5554", "offline", ""),
        Phone("????????????", "no permissions", ""), Phone("192.168.1.7:5555", "device", ""),
    ]


@pytest.mark.parametrize(("state", "kind", "said"), [
    ("unauthorized", DeviceError, r'^phone at R58M12: it does not trust this computer yet; unlock it and answer "Allow USB debugging\?" there'),
    ("no permissions", DeviceError, "^phone at R58M12: this user may not open its USB port; install the udev rules"),
    ("offline", Cut, "^adb sees it but it does not answer; unlock it, or plug it in again$"),
    ("authorizing", DeviceError, "it is just being asked to trust this computer"),
    ("recovery", DeviceError, "it is in its recovery system; restart it$"),
    ("rescue", DeviceError, "adb says 'rescue' of it; restart it, or plug it in again$"),
])
def test_each_state_has_its_own_sentence(state: str, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        chosen([Phone("R58M12", state, "")], MINE)


def test_of_two_phones_one_has_to_be_named() -> None:
    two = [Phone("R58M12", "device", "SM_A536B"), Phone("0123", "unauthorized", "")]
    with pytest.raises(DeviceError, match=r"^phone: several phones are attached, R58M12 \(SM_A536B\), 0123: unauthorized; say which in a profile: "):
        chosen(two, PHONE)
    assert chosen(two, MINE).serial == "R58M12"


def test_a_phone_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(Cut, match=r"^no phone with the serial R58M12 is attached; there is 0123\. Plug it in"):
        chosen([Phone("0123", "device", "")], MINE)
    with pytest.raises(Cut, match=r"^no phone is attached\. Plug it in, and switch on USB debugging"):
        chosen([], PHONE)


def test_the_arguments_are_a_list_and_the_shell_there_sees_a_hostile_name_as_a_name() -> None:
    said = command(msgspec.structs.replace(MINE, python="/data/local/tmp/a b; reboot"), "R58M12")
    assert said == ["adb", "-s", "R58M12", "shell", "-T", "exec '/data/local/tmp/a b; reboot' -P -m edgebench.devices.far"]
    assert command(MINE, "R58M12")[-1].startswith("exec /data/local/tmp/edgebench/python -P ")


@pytest.mark.parametrize(("status", "said", "kind", "sentence"), [
    (0, "", Cut, "^the line was cut; see whether it is still plugged in$"),
    (1, "error: device offline", Cut, r"^the line was cut \(error: device offline\)"),
    (1, "error: device 'R58M12' not found", Cut, "^the line was cut"),
    (1, "error: device unauthorized.\nThis adb server's $ADB_VENDOR_KEYS is not set", DeviceError, "it does not trust this computer yet"),
    (127, "sh: /data/local/tmp/edgebench/python: not found", DeviceError, "there is no /data/local/tmp/edgebench/python there .*docs/android"),
    (1, "python: No module named edgebench.devices", DeviceError, "there has not what edgebench needs"),
    (137, "", DeviceError, "was killed, for lack of memory most likely"),
    (1, "OSError: [Errno 28] No space left on device", DeviceError, "its storage is full"),
    (3, "", DeviceError, r"ended with status 3 and gave no answer \(it said nothing\)"),
])
def test_no_answer_is_explained_by_what_was_said(status: int, said: str, kind: type, sentence: str) -> None:
    error = explained(status, said, MINE, "phone at R58M12")
    assert isinstance(error, kind)
    with pytest.raises(kind, match=sentence):
        raise error


def test_without_adb_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnsupportedError, match="there is no program adb; install it"):
        AdbExecutor(PHONE)


# a program called adb, whose phone is this machine


@pytest.fixture
def adb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "adb"
    program.write_text(ADB)
    program.chmod(0o700)
    program.with_name("adb.devices").write_text("List of devices attached\nR58M12\tdevice\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return program


@pytest.fixture
def phone(adb: Path, home: Path) -> Iterator[AdbExecutor]:
    one = AdbExecutor(msgspec.structs.replace(PHONE, python=sys.executable), pauses_s=(0.0, 0.0))
    yield one
    one.close()
    assert not list((home / "cache/far/sessions").glob("*"))


def job() -> Job:
    return Job(spec=Spec(model="bag", format="onnx", precision="fp32", backend="onnxruntime", timeout_s=60), part="cold", examples=["good"])


def test_a_job_runs_there_and_the_server_is_left_as_it_is(phone: AdbExecutor, adb: Path) -> None:
    assert phone.run(job()).cold
    said = adb.with_name("adb.said").read_text()
    assert {line.split()[0] for line in said.splitlines()} == {"devices", "-s"}
    assert "kill-server" not in said


def test_a_phone_that_is_lost_with_status_0_is_asked_again_and_only_a_whole_answer_counts(phone: AdbExecutor, adb: Path) -> None:
    phone.facts()
    adb.with_name("adb.cut").touch()
    talk = phone._idle.pop()  # the next request needs a new one, which is cut
    talk.kill()
    talk.end()
    assert phone.run(job()).cold
    assert adb.with_name("adb.said").read_text().count("devices -l") == 2


def test_a_phone_that_is_not_trusted_is_not_asked_twice(adb: Path, phone: AdbExecutor) -> None:
    adb.with_name("adb.devices").write_text("List of devices attached\nR58M12\tunauthorized\n")
    with pytest.raises(DeviceError, match="it does not trust this computer yet"):
        phone.facts()
    assert adb.with_name("adb.said").read_text() == "devices -l\n"
