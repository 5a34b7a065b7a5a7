"""A phone at the other end of a USB cable: Android's `adb` carries requests to `edgebench.devices.far` there, run by a Python that was brought.

    edgebench devices prepare phone
    edgebench bench --profile phone

The adb server is left as it is found: others may be using it. `adb shell` ends with status 0 also when the phone is pulled off in
the middle, so only an answer that came whole counts.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from edgebench.devices import bare, runtime
from edgebench.devices.line import ASK_S, FAR, PAUSES_S, SLOWEST_BYTES_PER_S, Cut, LineExecutor, last_words
from edgebench.devices.profile import Profile, check_machine
from edgebench.errors import DeviceError, UnsupportedError
from edgebench.models.artifact import digest_of
from edgebench.units import bytes_text

CALL_S = 60.0  # a server that has to be started first takes some seconds
FOLDER = "/data/local/tmp/edgebench"  # where a phone's shell may write and run programs; all that edgebench has there is below it
PYTHON = f"{FOLDER}/runtime/bin/python"
SPARE_BYTES = 64 << 20

# what the phone's shell is told to run; a folder that is said there goes before ours
HOME = f'export EDGEBENCH_HOME="${{EDGEBENCH_HOME:-{FOLDER}}}"; '
BARE = HOME + 'exec "$1" -I -c "$2"'
LOOK = 'uname -m; if [ -f "$1/runtime/version" ]; then cat "$1/runtime/version"; else echo none; fi; df -Pk "${1%/*}"'
BRING = """\
mkdir -p "$1" && cd "$1" && rm -rf runtime.tar runtime.new && cat > runtime.tar && mkdir runtime.new || exit 1
[ "$(sha256sum < runtime.tar)" = "$2  -" ] || { echo "it changed on the way" >&2; rm -rf runtime.tar runtime.new; exit 1; }
tar -xf runtime.tar -C runtime.new && rm runtime.tar && echo "$3" > runtime.new/version && rm -rf runtime && mv runtime.new runtime"""
TAKE = 'if [ -d "$1" ]; then du -sk "$1" && rm -rf "$1/runtime" "$1/runtime.new" "$1/runtime.tar" && { rmdir "$1" 2>/dev/null || true; }; else echo 0; fi'
WHOLE = "edgebench-whole"  # the last line of what such a program said, where all of it came

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

    def _bare_command(self) -> list[str]:
        return _calling(self._serial, BARE, python_of(self.profile), Path(bare.__file__).read_text())

    def _explained(self, status: int, said: str) -> Cut | DeviceError:
        self._serial = ""
        return explained(status, said, self.profile, self.who)


    # the Python that is brought

    def has_python(self) -> bool:
        return self._is_own or bool(self._look().version)

    def bring_python(self, tell: Callable[[str], None]) -> None:
        if self._is_own:
            return
        there = self._look()
        check_machine(self.profile, there.machine)
        try:
            tar, wanted = runtime.archive(there.machine), runtime.version(there.machine)
        except UnsupportedError as error:
            raise type(error)(f"{self.who}: {error}") from error
        if there.version == wanted:
            return
        if there.version:  # it goes with all that was made with it, unless something of it runs
            with self.bare() as ask:
                ask({"ask": "clean"})
        size = tar.stat().st_size
        if 2 * size + SPARE_BYTES > there.free_bytes:
            raise DeviceError(f"{self.who}: {bytes_text(2 * size + SPARE_BYTES)} are needed there and {bytes_text(there.free_bytes)} are free; make room")
        tell(f"{self.who}: {there.machine}; copying a Python with all that it needs, {bytes_text(size)}")
        tell(runtime.UNVERIFIED)
        self._shell(BRING, digest_of(tar), wanted, source=tar, limit_s=ASK_S + size / SLOWEST_BYTES_PER_S)

    def take_python(self) -> tuple[str, int] | None:
        return FOLDER, 1024 * int(self._shell(TAKE)[0].split()[0])

    @property
    def _is_own(self) -> bool:
        """Whether the profile names a Python that was there before edgebench."""
        return python_of(self.profile) != PYTHON

    def _look(self) -> Look:
        machine, version, *room = self._shell(LOOK)
        free = re.search(r"\s(\d+)\s+\d+%\s", room[-1]) if room else None
        if not free:
            raise DeviceError(f"{self.who}: df says nothing of the free room there ({last_words(' '.join(room)) or 'it said nothing'}); see what the phone is")
        return Look(machine, "" if version == "none" else version, 1024 * int(free[1]))

    def _shell(self, program: str, *words: str, source: Path | None = None, limit_s: float = CALL_S) -> list[str]:
        """The lines that a program of the phone's shell prints; its first argument is the folder there."""
        self._connect_once()
        said = _calling(self._serial, f"({program}\n) && echo {WHOLE}", FOLDER, *words)
        status, out, words_said = call(*said[1:], source=source, limit_s=limit_s)
        lines = out.split("\n")
        if lines[-2:] != [WHOLE, ""]:
            why = self._explained(status, words_said)
            raise DeviceError(f"{self.who}: {why.why}") if isinstance(why, Cut) else why
        return lines[:-2]


class Look(NamedTuple):
    """What a phone says before anything is there: its kernel's processor, the version of a runtime that was brought or "", and its free room."""

    machine: str
    version: str
    free_bytes: int


def call(*arguments: str, source: Path | None = None, limit_s: float = CALL_S) -> tuple[int, str, str]:
    """One call of adb, which reads `source`: its status, what it printed, and what it said besides."""
    with open(source or os.devnull, "rb") as file:
        try:
            done = subprocess.run(["adb", *arguments], stdin=file, capture_output=True, text=True, errors="replace", timeout=limit_s, start_new_session=True)
        except subprocess.TimeoutExpired:
            return 1, "", f"no answer in {limit_s:.0f} s"
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
    return _calling(serial, HOME + FAR, python_of(profile))


def _calling(serial: str, program: str, *words: str) -> list[str]:
    return ["adb", "-s", serial, "shell", "-T", shlex.join(["exec", "sh", "-c", program, "sh", *words])]


def python_of(profile: Profile) -> str:
    """The interpreter there; a profile that does not say means the one that `edgebench devices prepare` brings."""
    return PYTHON if profile.python == "python3" else profile.python


def explained(status: int, said: str, profile: Profile, who: str) -> Cut | DeviceError:
    """Why no answer came. The status is the shell's there, or adb's own 1, or 0 where the phone was lost."""
    words = last_words(said)
    if re.search(r"error: device unauthori[sz]ed", said):
        return DeviceError(f"{who}: {STATES['unauthorized']}")
    if re.search(r"error: (device (offline|'.*' not found|still)|no devices|closed|protocol fault)|cannot connect to daemon", said):
        return Cut(f"the line was cut ({words}); see whether it is still plugged in")
    python, do = python_of(profile), f"`edgebench devices prepare {profile.name}` puts it there"
    if re.search(r"[Pp]ermission denied", said) and status == 126:
        return DeviceError(f"{who}: the phone does not let its shell run {python} ({words}); another way is Termux or its browser: docs/android.md")
    if status in (126, 127):
        return DeviceError(f"{who}: there is no {python} there ({words}); {do}")
    if re.search(r"No module named|Error while finding module", said):
        return DeviceError(f"{who}: {python} there has not what edgebench needs ({words}); {do}")
    if "No space left on device" in said:
        return DeviceError(f"{who}: its storage is full ({words}); make room there")
    if status == 137:
        return DeviceError(f"{who}: what waits there was killed, for lack of memory most likely; close the phone's other apps")
    if status <= 0:
        return Cut(f"the line was cut{f' ({words})' if words else ''}; see whether it is still plugged in")
    return DeviceError(f"{who}: what was run there ended with status {status} and gave no answer ({words or 'it said nothing'}); {do}")
