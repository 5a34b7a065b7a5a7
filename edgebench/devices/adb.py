"""A phone at the other end of a USB cable: Android's `adb` carries requests to `edgebench.devices.far` there, in a pushed runtime.

    edgebench bench --profile phone          # once the runtime is there: docs/android.md

The adb server is left as it is found: others may be using it. `adb shell` ends with status 0 also when the phone is pulled off in
the middle, so only an answer that came whole counts.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from typing import NamedTuple

from edgebench.devices.line import PAUSES_S, Cut, LineExecutor, last_words
from edgebench.devices.profile import Profile
from edgebench.errors import DeviceError, UnsupportedError

CALL_S = 60.0  # a server that has to be started first takes some seconds
PYTHON = "/data/local/tmp/edgebench/python"  # where the bundle is pushed to

STATES = {  # as `adb devices` names them -> half a sentence; what else it says is shown as it is
    "unauthorized": "it does not trust this computer yet; unlock it and answer \"Allow USB debugging?\" there (if it does not ask: Developer options, "
    "Revoke USB debugging authorisations, and plug it in again)",
    "authorizing": "it is just being asked to trust this computer; unlock it and answer there",
    "no permissions": "this user may not open its USB port; install the udev rules for its maker (Debian: sudo apt install android-sdk-platform-tools-common), "
    "join the group plugdev, and plug it in again",
    "recovery": "it is in its recovery system; restart it",
    "sideload": "it waits for a system update; restart it",
    "bootloader": "it is in its boot loader; restart it",
}
AGAIN = {  # likewise, where trying again may help
    "offline": "adb sees it but it does not answer; unlock it, or plug it in again",
    "connecting": "adb is still connecting to it; wait a moment",
}


class Phone(NamedTuple):
    """One line of `adb devices -l`."""

    serial: str
    state: str
    model: str


class AdbExecutor(LineExecutor):
    """See `edgebench.devices.base.Executor`. The profile's `address` is the phone's serial; without one, the only phone there is."""

    def __init__(self, profile: Profile, *, pauses_s: Sequence[float] = PAUSES_S) -> None:
        if not shutil.which("adb"):
            raise UnsupportedError("there is no program adb; install it (Debian: sudo apt install adb)")
        super().__init__(profile, pauses_s=pauses_s)
        self._serial = ""  # of the phone that the line goes to; empty where it is cut

    @property
    def who(self) -> str:
        where = f" at {self.profile.address}" if self.profile.address else ""
        return f"{self.profile.name}{where}"

    def _is_connected(self) -> bool:
        return bool(self._serial)

    def _begin(self) -> None:
        status, out, said = call("devices", "-l")
        if status:
            raise DeviceError(f"{self.who}: adb cannot be used ({last_words(said) or f'status {status}'}); see what `adb devices` says")
        self._serial = chosen(phones(out), self.profile).serial

    def _hang_up(self) -> None:
        self._serial = ""

    def _command(self) -> list[str]:
        return command(self.profile, self._serial)

    def _explained(self, status: int, said: str) -> Cut | DeviceError:
        self._serial = ""
        return explained(status, said, self.profile, self.who)


def call(*arguments: str) -> tuple[int, str, str]:
    """One call of adb: its status, what it printed, and what it said besides."""
    try:
        done = subprocess.run(
            ["adb", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=CALL_S, start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        return 1, "", f"no answer in {CALL_S:.0f} s"
    return done.returncode, done.stdout, done.stderr


def phones(listed: str) -> list[Phone]:
    """What `adb devices -l` lists, without its title and what it says of a server that it started."""
    found = []
    for line in listed.splitlines():
        if (match := re.match(r"(\S+)\s+(no permissions|[a-z]+)\b", line)) and not line.startswith(("List of", "*")):
            model = re.search(r"\smodel:(\S+)", line)
            found.append(Phone(match[1], match[2], model[1] if model else ""))
    return found


def chosen(there: Sequence[Phone], profile: Profile) -> Phone:
    """The profile's phone, ready to be used. Cut where trying again may help, DeviceError where it would not."""
    listed = ", ".join(f"{one.serial}{f' ({one.model})' if one.model else ''}{'' if one.state == 'device' else f': {one.state}'}" for one in there)
    name = profile.name
    if profile.address is None and len(there) > 1:
        raise DeviceError(f"{name}: several phones are attached, {listed}; say which in a profile: edgebench devices add NAME --reach adb --address SERIAL")
    mine = [one for one in there if profile.address in (None, one.serial)]
    if not mine:
        others = f"; there is {listed}" if there else ""
        which = f"no phone with the serial {profile.address} is" if profile.address else "no phone is"
        raise Cut(f"{which} attached{others}. Plug it in, and switch on USB debugging (Developer options)")
    phone = mine[0]
    if phone.state in AGAIN:
        raise Cut(AGAIN[phone.state])
    if phone.state != "device":
        why = STATES.get(phone.state, f"adb says {phone.state!r} of it; restart it, or plug it in again")
        raise DeviceError(f"{name} at {phone.serial}: {why}")
    return phone


def command(profile: Profile, serial: str) -> list[str]:
    """adb's arguments for one request. The last is what the shell on the phone reads; of it the profile supplies one quoted word."""
    return ["adb", "-s", serial, "shell", "-T", shlex.join(["exec", python_of(profile), "-P", "-m", "edgebench.devices.far"])]


def python_of(profile: Profile) -> str:
    """The interpreter there; a profile that does not say means the pushed one."""
    return PYTHON if profile.python == "python3" else profile.python


def explained(status: int, said: str, profile: Profile, who: str) -> Cut | DeviceError:
    """Why no answer came. The status is the shell's there, or adb's own 1, or 0 where the phone was lost."""
    words = last_words(said)
    if re.search(r"error: device unauthori[sz]ed", said):
        return DeviceError(f"{who}: {STATES['unauthorized']}")
    if re.search(r"error: (device (offline|'.*' not found|still)|no devices|closed|protocol fault)|cannot connect to daemon", said):
        return Cut(f"the line was cut ({words}); see whether it is still plugged in")
    python = python_of(profile)
    push = "push the runtime again, as docs/android.md says"
    if status in (126, 127):
        return DeviceError(f"{who}: there is no {python} there ({words}); {push}, or correct the profile's `python`")
    if re.search(r"No module named|Error while finding module", said):
        return DeviceError(f"{who}: {python} there has not what edgebench needs ({words}); {push}")
    if "No space left on device" in said:
        return DeviceError(f"{who}: its storage is full ({words}); make room there")
    if status == 137:
        return DeviceError(f"{who}: what waits there was killed, for lack of memory most likely; close the phone's other apps")
    if status <= 0:
        return Cut(f"the line was cut{f' ({words})' if words else ''}; see whether it is still plugged in")
    return DeviceError(f"{who}: edgebench there ended with status {status} and gave no answer ({words or 'it said nothing'}); {push}")
