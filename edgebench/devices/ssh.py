"""A device at the other end of an ssh line: the system's own OpenSSH client carries requests to `edgebench.devices.far` there.

One connection is kept and shared (ControlMaster). Host keys are never accepted, passwords never asked for.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import edgebench
from edgebench.devices import bare
from edgebench.devices.line import FAR, PAUSES_S, Cut, LineExecutor, last_words
from edgebench.devices.profile import Profile
from edgebench.errors import DeviceError, UnsupportedError, UsageError

CONNECT_S = 15.0
SILENCE_S = 5  # after three times so long without a word the line counts as cut
IDLE_S = 120  # so long the shared connection outlives an edgebench that was killed


class SshExecutor(LineExecutor):
    """See `edgebench.devices.base.Executor`."""

    def __init__(self, profile: Profile, *, pauses_s: Sequence[float] = PAUSES_S) -> None:
        if profile.address is None:
            do = f"edgebench devices add NAME --address user@host --like {profile.name}"
            raise UsageError(f"profile {profile.name!r} has no address, so ssh cannot reach it; add a profile of your own: {do}")
        if not shutil.which("ssh"):
            raise UnsupportedError("there is no program ssh; install the OpenSSH client (Debian: sudo apt install openssh-client)")
        super().__init__(profile, pauses_s=pauses_s)

    @property
    def who(self) -> str:
        return f"{self.profile.name} at {self.profile.address}"

    def _is_connected(self) -> bool:
        return self._socket.exists()

    def _begin(self) -> None:
        status, said = self._ssh([*self._options(), "-M", "-N", "-f", "-o", f"ControlPersist={IDLE_S}", "--", str(self.profile.address)])
        if status:
            raise self._explained(status, said)

    def _hang_up(self) -> None:
        if self._is_connected():
            self._ssh([*self._options(), "-O", "exit", "--", str(self.profile.address)])

    def _command(self) -> list[str]:
        return command(self.profile, self._socket)

    def _bare_command(self) -> list[str]:
        program = Path(bare.__file__).read_text()
        return _calling(self.profile, self._socket, "exec", _python(self.profile), "-I", "-c", program)

    def _explained(self, status: int, said: str) -> Cut | DeviceError:
        return _explained(status, said, self.profile)

    @property
    def _socket(self) -> Path:
        return self._folder / "line"

    def _options(self) -> list[str]:
        return options(self.profile, self._socket)

    def _ssh(self, arguments: list[str]) -> tuple[int, str]:
        """A call of ssh that carries nothing: its status, and what it said."""
        with tempfile.TemporaryFile() as words:
            try:
                done = subprocess.run(
                    ["ssh", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=words, start_new_session=True, timeout=4 * CONNECT_S,
                )
            except subprocess.TimeoutExpired:
                return 255, "Connection timed out"
            words.seek(0)
            return done.returncode, words.read().decode(errors="replace")


def options(profile: Profile, socket: Path) -> list[str]:
    """What every call of ssh is told, so that it asks nobody anything, trusts no new host, forwards nothing and notices silence."""
    says = {
        "BatchMode": "yes", "StrictHostKeyChecking": "yes", "UpdateHostKeys": "no", "ConnectTimeout": f"{CONNECT_S:.0f}",
        "ServerAliveInterval": f"{SILENCE_S}", "ServerAliveCountMax": "3", "ControlPath": str(socket).replace("%", "%%"),
        "ClearAllForwardings": "yes", "ForwardAgent": "no", "ForwardX11": "no", "PermitLocalCommand": "no", "RemoteCommand": "none", "RequestTTY": "no",
        "LogLevel": "ERROR",
    }
    chosen = [*(["-F", profile.ssh_config] if profile.ssh_config else []), *(["-p", str(profile.port)] if profile.port else [])]
    return [*chosen, *(word for name, value in says.items() for word in ("-o", f"{name}={value}"))]


def command(profile: Profile, socket: Path) -> list[str]:
    """ssh's arguments for one request. The last is what the shell on the device reads; of it the profile supplies one quoted word."""
    return _calling(profile, socket, "exec", "sh", "-c", FAR, "sh", _python(profile))


def _calling(profile: Profile, socket: Path, *words: str) -> list[str]:
    only_shared = ["-o", "ProxyCommand=false"]  # where the shared connection is gone, ssh must not make another unasked
    return ["ssh", *options(profile, socket), *only_shared, "--", str(profile.address), shlex.join(words)]


def _python(profile: Profile) -> str:
    return profile.python.removeprefix("~/")  # ssh begins in the user's folder, and a quoted ~ is none


# what went wrong, by what ssh, the shell or Python there said

INSTALL = (
    "Put it there with `edgebench devices prepare {name}`, or install it: `{python} -m pip install edgebench=={version}`, best in a virtual environment "
    "that the profile's `python` names"
)
LOST = {  # in what ssh says -> half a sentence; trying again may help
    r"Could not resolve hostname": "its name is not known; correct the address, or see whether it is switched on",
    r"Connection refused": "it refuses connections; start sshd there (Raspberry Pi: sudo raspi-config, Interface Options, SSH), or correct the port",
    r"timed out|No route to host|Network is unreachable|Host is down": "it does not answer; see whether it is switched on and on this network",
}
REFUSED = {  # trying again would not
    r"REMOTE HOST IDENTIFICATION HAS CHANGED": "its host key is not the one that was accepted: another device has its address, it was installed anew, "
    "or somebody listens. If you know why, forget the old key with `ssh-keygen -R {host}` and accept the new one by hand: {by_hand}",
    r"Host key verification failed|host key is known": "its host key is not known here. Accept it once by hand: {by_hand}, and compare the fingerprint "
    "that it shows with what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` says on the device",
    r"Permission denied|Too many authentication failures": "it refuses every key offered. Let it know yours: `ssh-copy-id {to}`; a key with a "
    "passphrase has to be in the agent (ssh-add)",
    r"Bad configuration option|Can't open user config file|no argument after keyword|Bad port": "ssh cannot be started: {said}",
}
THERE = {  # in what the shell or Python there says
    r"No module named '?edgebench'?$|Error while finding module specification for '?edgebench": "{python} there has no edgebench. " + INSTALL,
    r"No module named '?edgebench\.": "edgebench there is another version than the one here. " + INSTALL,
    r"[Uu]nknown option:? -[PI]|^SyntaxError": "{python} there is older than 3.11. Install Python 3.11 or later and name it in the profile's `python`",
    r"No module named": "edgebench there is incomplete ({said}). " + INSTALL,
    r"No space left on device": "its disk is full ({said}); make room there",
}


def _explained(status: int, said: str, profile: Profile) -> Cut | DeviceError:
    """Why no answer came. Only ssh itself ends with 255, or a program there that a signal ended."""
    port = ["-p", str(profile.port)] if profile.port else []
    config = ["-F", profile.ssh_config] if profile.ssh_config else []
    host = str(profile.address).rpartition("@")[2]
    words = {
        "name": profile.name, "python": profile.python, "version": edgebench.__version__, "said": last_words(said),
        "host": shlex.quote(f"[{host}]:{profile.port}") if port else host, "to": shlex.join([*port, str(profile.address)]),
        "by_hand": f"`{shlex.join(['ssh', *config, *port, str(profile.address)])}`",
    }
    who = f"{profile.name} at {profile.address}: "
    if status == 255:
        for pattern, why in REFUSED.items():
            if re.search(pattern, said):
                return DeviceError(who + why.format(**words))
        why = next((why for pattern, why in LOST.items() if re.search(pattern, said)), "the line was cut{what}; see whether it still runs")
        return Cut(why.replace("{what}", f" ({words['said']})" if words["said"] else ""))
    if status in (126, 127):
        return DeviceError(who + "there is no {python}. Install Python 3.11 or later there, or correct the profile's `python`".format(**words))
    for pattern, why in THERE.items():
        if re.search(pattern, said.strip(), re.MULTILINE):
            return DeviceError(who + why.format(**words))
    if status <= 0:
        return Cut(f"the line was cut{' (' + words['said'] + ')' if words['said'] else ''}; see whether it still runs")
    said = words["said"] or "it said nothing"
    return DeviceError(f"{who}edgebench there ended with status {status} and gave no answer ({said}); run `edgebench doctor` there")
