"""Phones by adb: which one, what is said of each state, and a sweep through a program called adb whose phone is this machine."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from edgebench.bench.job import Job
from edgebench.devices import prepare, runtime
from edgebench.devices.adb import BRING, HOME, AdbExecutor, Phone, chosen, command, explained, phones
from edgebench.devices.line import FAR, Cut
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
if [ -e "$0.short" ]; then rm "$0.short"; exec < /dev/null; fi
exec sh -c "$(printf '%s' "$5" | sed "s|/data/local/tmp|$0.data|g")"
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
    assert said[:-1] == ["adb", "-s", "R58M12", "shell", "-T"]
    assert shlex.split(said[-1]) == ["exec", "sh", "-c", HOME + FAR, "sh", "/data/local/tmp/a b; reboot"]
    assert command(MINE, "R58M12")[-1].endswith(" sh /data/local/tmp/edgebench/runtime/bin/python")


@pytest.mark.parametrize(("home", "folder"), [(None, "/data/local/tmp/edgebench"), ("/elsewhere", "/elsewhere")])
def test_all_that_it_has_there_is_below_one_folder(home: str | None, folder: str) -> None:
    environ = {"EDGEBENCH_HOME": home} if home else {}
    assert subprocess.run(["/bin/sh", "-c", HOME + "echo $EDGEBENCH_HOME"], env=environ, capture_output=True, text=True).stdout == f"{folder}\n"


@pytest.mark.parametrize(("status", "said", "kind", "sentence"), [
    (0, "", Cut, "^the line was cut; see whether it is still plugged in$"),
    (1, "error: device offline", Cut, r"^the line was cut \(error: device offline\)"),
    (1, "error: device 'R58M12' not found", Cut, "^the line was cut"),
    (1, "error: device unauthorized.\nThis adb server's $ADB_VENDOR_KEYS is not set", DeviceError, "it does not trust this computer yet"),
    (127, "sh: /data/local/tmp/edgebench/runtime/bin/python: not found", DeviceError, "there is no /data/.*/python there .*; `edgebench devices prepare"),
    (126, "sh: can't execute: Permission denied", DeviceError, "^phone at R58M12: the phone does not let its shell run /data/.*; another way is Termux"),
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
    program.with_name("adb.data").mkdir()
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


# the Python that is brought


@pytest.fixture
def bare_phone(adb: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AdbExecutor]:
    """One without a Python of its own; what is brought there is a link to this one, and there is no folder but the phone's."""
    (tmp_path / "made/bin").mkdir(parents=True)
    (tmp_path / "made/bin/python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (tmp_path / "made/bin/python").chmod(0o700)
    with tarfile.open(tmp_path / "runtime.tar", "w") as file:
        file.add(tmp_path / "made", arcname=".")
    real = runtime.archive
    monkeypatch.setattr(runtime, "archive", lambda machine: tmp_path / "runtime.tar" if machine in runtime.LOADERS else real(machine))
    monkeypatch.delenv("EDGEBENCH_HOME", raising=False)
    one = AdbExecutor(PHONE, pauses_s=())
    yield one
    one.close()


def there(adb: Path) -> list[str]:
    return sorted(path.relative_to(adb.with_name("adb.data")).as_posix() for path in adb.with_name("adb.data").rglob("*"))


def test_a_phone_is_brought_a_python_once_and_it_is_taken_away_again(bare_phone: AdbExecutor, adb: Path) -> None:
    told = list[str]()
    assert not bare_phone.has_python()
    for _ in range(2):
        bare_phone.bring_python(told.append)
    assert told == [f"phone: {os.uname().machine}; copying a Python with all that it needs, 10.2 kB", runtime.UNVERIFIED]
    assert there(adb) == ["edgebench", "edgebench/runtime", "edgebench/runtime/bin", "edgebench/runtime/bin/python", "edgebench/runtime/version"]
    gone = prepare.clean(bare_phone)
    assert gone.folder == "/data/local/tmp/edgebench"
    assert gone.size_bytes
    assert there(adb) == []
    assert prepare.clean(bare_phone).size_bytes is None


def test_another_runtime_takes_the_place_of_the_one_there_with_all_that_was_made_with_it(bare_phone: AdbExecutor, adb: Path) -> None:
    bare_phone.bring_python(lambda _: None)
    folder = adb.with_name("adb.data") / "edgebench"
    (folder / "runtime/version").write_text("older\n")
    (folder / "cache/far/models").mkdir(parents=True)
    bare_phone.bring_python(lambda _: None)
    assert (folder / "runtime/version").read_text().strip() == runtime.version(os.uname().machine)
    assert not (folder / "cache").exists()


def test_a_runtime_that_was_cut_on_the_way_is_none(bare_phone: AdbExecutor, adb: Path) -> None:
    bare_phone._look()
    adb.with_name("adb.short").touch()
    with pytest.raises(DeviceError, match="it changed on the way"):
        bare_phone._shell(BRING, "ab", "cd", source=adb)
    assert there(adb) == ["edgebench"]


@pytest.mark.parametrize(("said", "kind", "sentence"), [
    ("armv8l\nnone\n/dev/a 100 10 9000000 1% /data", UnsupportedError, "^phone: its kernel is armv8l, and a runtime can be made for aarch64 or x86_64"),
    ("aarch64\nnone\n/dev/a 100 10 50000 1% /data", DeviceError, r"^phone: 67\.1 MB are needed there and 51\.2 MB are free; make room$"),
    ("aarch64\nnone\ndf: what?", DeviceError, r"^phone: df says nothing of the free room there \(df: what\?\)"),
])
def test_a_phone_that_takes_no_runtime_is_told_why_before_anything_is_copied(
    bare_phone: AdbExecutor, adb: Path, said: str, kind: type[Exception], sentence: str,
) -> None:
    adb.write_text(adb.read_text().replace("exec sh -c", f"printf '%s\\nedgebench-whole\\n' '{said}'; exit 0\nexec sh -c"))
    with pytest.raises(kind, match=sentence):
        bare_phone.bring_python(lambda _: None)
    assert there(adb) == []


def test_a_python_that_the_profile_names_is_taken_as_it_is(adb: Path) -> None:
    own = AdbExecutor(msgspec.structs.replace(PHONE, python="/data/local/tmp/own/python"), pauses_s=())
    own.bring_python(lambda _: None)
    assert own.has_python()
    assert not adb.with_name("adb.said").exists()
    own.close()
