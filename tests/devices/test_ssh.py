"""ssh's arguments, what is said of everything that goes wrong, and a real sshd whose line is cut in the middle of a sweep."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import msgspec
import pytest

import edgebench
from edgebench.bench.job import Answer, Job
from edgebench.bench.journal import Entry, Journal
from edgebench.bench.plan import Model, Plan
from edgebench.bench.run import Sweep
from edgebench.devices import far
from edgebench.devices.line import FAR
from edgebench.devices.profile import Profile
from edgebench.devices.ssh import SshExecutor, command, options
from edgebench.errors import DeviceError, EdgebenchError, UnsupportedError, UsageError, WorkerError
from edgebench.models import card as cards
from edgebench.models.data import Labelled
from edgebench.record import Record, Spec
from tests.sshd import Sshd, started

PI = Profile(1, "pi", "a board", "ssh", address="pi@pi.local")
LABELLED = Labelled(("good", "bad"), (1, 0), ("negative", "positive"), "two", "dev", "made in a test", "ab12", "MIT", "")
INSTALL = (f"Put it there with `edgebench devices prepare pi`, or install it: `python3 -m pip install edgebench=={edgebench.__version__}`, best in a "
           "virtual environment that the profile's `python` names")
SSH = """\
#!/bin/sh
for word in "$@"; do
  printf '%s\\0' "$word" >> "$0.said"
  case "$word" in ControlPath=*) socket="${word#ControlPath=}";; -M) what=line;; -O) exit 0;; esac
done
if [ "$what" ]; then
  [ -e "$0.line" ] && { cat "$0.line" >&2; exit 255; }
  touch "$socket"; exit 0
fi
cat "$0.words" >&2
exit $(cat "$0.status")
"""


def bag(**options: object) -> Spec:
    spec = Spec(model="bag", format="onnx", precision="fp32", backend="onnxruntime", processes=2, max_processes=2, passes=("latency",),
                min_runs=20, min_time_s=0.05, warm_up_cap_s=0.1, timeout_s=60)
    return msgspec.structs.replace(spec, **options)


def job(part: str = "cold", **options: object) -> Job:
    return Job(spec=bag(**options), part=part, examples=["good", "bad"])  # type: ignore[arg-type]


# arguments


def test_ssh_asks_nobody_anything_and_trusts_no_new_host() -> None:
    said = options(PI, Path("/tmp/a%b/line"))
    settings = [value for flag, value in zip(said[::2], said[1::2], strict=True) if flag == "-o"]
    assert {"BatchMode=yes", "StrictHostKeyChecking=yes", "UpdateHostKeys=no", "ForwardAgent=no", "ControlPath=/tmp/a%%b/line"} <= set(settings)


def test_an_address_can_be_no_option_and_port_and_settings_come_from_the_profile() -> None:
    said = command(msgspec.structs.replace(PI, port=2222, ssh_config="/home/me/lab.config"), Path("/tmp/line"))
    assert said[:5] == ["ssh", "-F", "/home/me/lab.config", "-p", "2222"]
    assert said[-3:-1] == ["--", "pi@pi.local"]
    assert shlex.split(said[-1]) == ["exec", "sh", "-c", FAR, "sh", "python3"]


def test_an_interpreter_in_the_users_folder_is_named_from_there() -> None:
    assert command(msgspec.structs.replace(PI, python="~/venv/bin/python"), Path("/tmp/line"))[-1].endswith(" sh venv/bin/python")


@pytest.mark.parametrize("variables", [{"HOME": "."}, {"HOME": "/", "XDG_CACHE_HOME": "{}/.cache"}, {"HOME": "/", "EDGEBENCH_HOME": "{}/own"}])
def test_what_was_prepared_there_is_preferred_to_the_profiles_python(tmp_path: Path, variables: dict[str, str]) -> None:
    environ = {name: value.format(tmp_path).replace(".", str(tmp_path), value == ".") for name, value in variables.items()}
    cache = tmp_path / ("own/cache" if "EDGEBENCH_HOME" in variables else ".cache/edgebench")
    words = command(msgspec.structs.replace(PI, python="/bin/false"), Path("/tmp/line"))[-1]
    assert subprocess.run(["sh", "-c", words], env=environ).returncode == 1
    kit = cache / "far/kit/bin/python"
    kit.parent.mkdir(parents=True)
    kit.write_text('#!/bin/sh\nprintf "%s " "$@"\n')
    kit.chmod(0o700)
    assert subprocess.run(["sh", "-c", words], env=environ, capture_output=True, text=True).stdout == "-P -m edgebench.devices.far "


@pytest.mark.parametrize("name", ["a b", "a'b", 'a"; touch pwned; "', "$(touch pwned)", "`touch pwned`", "a\\'; touch pwned; \\'", "a&touch pwned&", "*"])
def test_the_shell_there_sees_a_hostile_name_as_a_name(tmp_path: Path, name: str) -> None:
    program = tmp_path / name
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o700)
    words = command(msgspec.structs.replace(PI, python=str(program)), Path("/tmp/line"))[-1]
    done = subprocess.run(["sh", "-c", words], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["-P", "-m", "edgebench.devices.far"]
    assert [one.name for one in tmp_path.iterdir()] == [name]


def test_without_an_address_it_says_how_to_add_a_profile() -> None:
    with pytest.raises(UsageError, match="profile 'pi' has no address, .*: edgebench devices add NAME --address user@host --like pi$"):
        SshExecutor(msgspec.structs.replace(PI, address=None))


def test_without_ssh_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnsupportedError, match="there is no program ssh; install the OpenSSH client"):
        SshExecutor(PI)


# what goes wrong: a program called ssh that says it


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """ssh(line=...) or ssh(words=..., status=...) -> what the executor says when ssh says that at the connection, or at a request."""
    program = tmp_path / "ssh"
    program.write_text(SSH)
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def sentence(*, line: str = "", words: str = "", status: int = 255, profile: Profile = PI) -> str:
        if line:
            program.with_name("ssh.line").write_text(line)
        program.with_name("ssh.words").write_text(words)
        program.with_name("ssh.status").write_text(str(status))
        one = SshExecutor(profile, pauses_s=())
        try:
            with pytest.raises(DeviceError) as said:
                one.facts()
        finally:
            one.close()
        return str(said.value).removeprefix("pi at pi@pi.local: ")

    return sentence


@pytest.mark.parametrize(("line", "said"), [
    ("ssh: Could not resolve hostname pi.local: Name or service not known", "its name is not known; correct the address, or see whether it is switched on"),
    ("ssh: connect to host pi.local port 22: Connection refused",
     "it refuses connections; start sshd there (Raspberry Pi: sudo raspi-config, Interface Options, SSH), or correct the port"),
    ("ssh: connect to host pi.local port 22: Connection timed out", "it does not answer; see whether it is switched on and on this network"),
    ("ssh: connect to host pi.local port 22: No route to host", "it does not answer; see whether it is switched on and on this network"),
    ("No ED25519 host key is known for pi.local and you have requested strict checking.\nHost key verification failed.",
     "its host key is not known here. Accept it once by hand: `ssh pi@pi.local`, and compare the fingerprint that it shows with what "
     "`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` says on the device"),
    ("@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n@@@@\nHost key verification failed.",
     "its host key is not the one that was accepted: another device has its address, it was installed anew, or somebody listens. If you know why, forget "
     "the old key with `ssh-keygen -R pi.local` and accept the new one by hand: `ssh pi@pi.local`"),
    ("pi@pi.local: Permission denied (publickey,password).",
     "it refuses every key offered. Let it know yours: `ssh-copy-id pi@pi.local`; a key with a passphrase has to be in the agent (ssh-add)"),
    ("kex_exchange_identification: read: Connection reset by peer",
     "the line was cut (kex_exchange_identification: read: Connection reset by peer); see whether it still runs"),
])
def test_a_line_that_cannot_be_had_is_told_with_what_to_do(ssh: Callable[..., str], line: str, said: str) -> None:
    assert ssh(line=line) == said


@pytest.mark.parametrize(("words", "status", "said"), [
    ("bash: line 1: exec: python3: not found", 127, "there is no python3. Install Python 3.11 or later there, or correct the profile's `python`"),
    ("/usr/bin/python3: Error while finding module specification for 'edgebench.devices.far' (ModuleNotFoundError: No module named 'edgebench')", 1,
     f"python3 there has no edgebench. {INSTALL}"),
    ("/usr/bin/python3: No module named edgebench.devices.far", 1, f"edgebench there is another version than the one here. {INSTALL}"),
    ("unknown option -P\nusage: python3 [option] ...", 2,
     "python3 there is older than 3.11. Install Python 3.11 or later and name it in the profile's `python`"),
    ("ModuleNotFoundError: No module named 'msgspec'", 1, f"edgebench there is incomplete (ModuleNotFoundError: No module named 'msgspec'). {INSTALL}"),
    ("OSError: [Errno 28] No space left on device", 1, "its disk is full (OSError: [Errno 28] No space left on device); make room there"),
    ("Segmentation fault", 139, "edgebench there ended with status 139 and gave no answer (Segmentation fault); run `edgebench doctor` there"),
    ("", 0, "the line was cut; see whether it still runs"),
])
def test_a_device_that_does_not_answer_is_told_with_what_to_do(ssh: Callable[..., str], words: str, status: int, said: str) -> None:
    assert ssh(words=words, status=status) == said


def test_the_commands_to_type_know_port_and_settings(ssh: Callable[..., str]) -> None:
    said = ssh(line="Host key verification failed.", profile=msgspec.structs.replace(PI, port=2222, ssh_config="/a b"))
    assert "`ssh -F '/a b' -p 2222 pi@pi.local`" in said


def test_where_the_shared_connection_is_gone_ssh_makes_no_other(ssh: Callable[..., str], tmp_path: Path) -> None:
    ssh(words="")
    said = (tmp_path / "ssh.said").read_text().split("\0")
    assert "ProxyCommand=false" in said


# a real server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with started(tmp_path_factory.mktemp("sshd")) as one:
        yield one


@pytest.fixture
def device(server: Sshd, home: Path) -> Iterator[SshExecutor]:
    """One that waits little; nothing may be left of it there but copied files."""
    one = SshExecutor(server.profile, pauses_s=(0.1, 0.2, 0.4, 0.8))
    yield one
    one.close()
    assert not list(server.home.glob("cache/far/sessions/*"))
    assert ended(lambda: not server.workers())


def ended(done: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not done() and time.monotonic() < deadline:
        time.sleep(0.02)
    return done()


def test_a_job_runs_there_with_files_that_are_copied_once(device: SshExecutor, server: Sshd) -> None:
    first = device.run(job())
    copied = {path: path.stat().st_mtime_ns for path in (server.home / "cache/far/models").rglob("*") if path.is_file()}
    assert sorted(path.name for path in copied) == ["bag.onnx", "bag.toml", "tokenizer.json"]
    assert first.cold is not None
    assert first.cold.total_ns > 0
    device.run(job())
    assert {path: path.stat().st_mtime_ns for path in copied} == copied


def test_what_the_device_says_of_itself_crosses(device: SshExecutor) -> None:
    assert device.facts()["packages"]["edgebench"] == edgebench.__version__


def test_an_error_there_is_the_error_here(device: SshExecutor) -> None:
    with pytest.raises(EdgebenchError, match="onnxruntime"):
        device.run(job(accelerator="abacus"))


def test_pictures_are_brought_there(device: SshExecutor, server: Sshd, tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(b"no picture, but a file")
    there, files = device._prepared(msgspec.structs.replace(job(), examples=[str(tmp_path / "cat.png")]))
    assert files
    assert (server.home / "cache/far" / there.examples[0]).read_bytes() == b"no picture, but a file"


def test_an_external_meter_is_not_read_from_afar(device: SshExecutor) -> None:
    with pytest.raises(UnsupportedError, match="run edgebench on the device itself for --meter"):
        device.run(job("energy", meter="watts.csv"))


@pytest.mark.parametrize(("file", "said"), [("known_hosts", "its host key is not known here"), ("user_key", "it refuses every key offered")])
def test_a_host_or_a_key_that_is_not_known_is_refused(server: Sshd, tmp_path: Path, file: str, said: str) -> None:
    other = tmp_path / file
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True, stdin=subprocess.DEVNULL)
    if file == "known_hosts":
        other.write_text("")
    settings = (server.folder / "ssh_config").read_text().replace(str(server.folder / file), str(other))
    (tmp_path / "settings").write_text(settings)
    one = SshExecutor(msgspec.structs.replace(server.profile, ssh_config=str(tmp_path / "settings")))
    with pytest.raises(DeviceError, match=said):
        one.facts()
    one.close()


def test_a_sweep_whose_line_is_cut_loses_no_pass_and_measures_none_twice(server: Sshd, device: SshExecutor, bag_of_words: Path, tmp_path: Path) -> None:
    model = Model(cards.read(bag_of_words), None, LABELLED)
    plan = Plan([bag(threads=1), bag(threads=2)], [], {"bag": model}, seed=0)
    kept, asked, cut = list[Record](), list[Job](), list[int]()

    def execute(one: Job) -> Answer:
        asked.append(one)
        if len(asked) == 2:
            Thread(target=lambda: cut.append(ended(lambda: len(server.workers()) > 1) and server.cut()), daemon=True).start()
        return device.run(one)

    with Journal(tmp_path / "records.jsonl", execute, machine="desk", resume=False) as journal:
        Sweep(plan, journal, host=device.facts(), keep=kept.append, tell=lambda _: None).run()
        entries = [msgspec.json.decode(line, type=Entry).spec.threads for line in journal.path.read_bytes().splitlines()]
    assert cut
    assert cut[0] > 0
    assert sorted(entries) == [1, 1, 2, 2]
    assert [(one.outcome, len(one.latency.processes_ns) if one.latency else 0) for one in kept] == [("ok", 2), ("ok", 2)]
    assert len(asked) == 4


def test_what_an_old_line_left_running_is_ended_by_the_next(server: Sshd, device: SshExecutor) -> None:
    said = list[str]()

    def measure() -> None:
        try:
            device.run(job("latency", min_time_s=50.0))
        except WorkerError as error:
            said.append(str(error))

    device.facts()
    before = set(server.workers())
    thread = Thread(target=measure, daemon=True)
    thread.start()
    assert ended(lambda: len(set(server.workers()) - before) > 0)
    assert device._once(far.End(), int, (), 30) == 1
    thread.join(20)
    assert said == ["the process was ended because the sweep was; measure again"]


def test_when_the_line_is_cut_for_good_the_device_ends_what_runs_and_cleans_up_by_itself(server: Sshd, home: Path) -> None:
    one, said = SshExecutor(server.profile, pauses_s=()), list[str]()

    def measure() -> None:
        try:
            one.run(job("latency", min_time_s=50.0))
        except DeviceError as error:
            said.append(str(error))

    one.facts()
    before = set(server.workers())
    thread = Thread(target=measure, daemon=True)
    thread.start()
    assert ended(lambda: len(set(server.workers()) - before) > 0)
    server.cut()
    thread.join(20)
    assert "the line was cut" in said[0]
    assert ended(lambda: not server.workers() and not list(server.home.glob("cache/far/sessions/*")))
    one.close()


def test_a_device_that_is_gone_is_waited_for_once(home: Path, tmp_path: Path) -> None:
    with started(tmp_path) as server:
        one = SshExecutor(server.profile, pauses_s=(0.05, 0.05))
        one.facts()
        server.process.kill()
        server.process.wait()
        server_children_end(one)
    begin = time.monotonic()
    with pytest.raises(DeviceError, match="desk at .*: it refuses connections"):
        one.run(job())
    with pytest.raises(DeviceError, match="it refuses connections"):
        one.run(job())
    assert time.monotonic() - begin < 60
    one.close()


def server_children_end(one: SshExecutor) -> None:
    """A killed listener leaves the sessions that it began; end the shared connection as a switched-off device would."""
    subprocess.run(["ssh", "-O", "exit", "-o", f"ControlPath={one._socket}", "--", "desk"], capture_output=True, check=True)


def test_closing_ends_what_runs_there(server: Sshd, home: Path) -> None:
    one, said = SshExecutor(server.profile), list[str]()

    def measure() -> None:
        try:
            one.run(job("latency", min_time_s=50.0))
        except WorkerError as error:
            said.append(str(error))

    one.facts()
    before = set(server.workers())
    thread = Thread(target=measure, daemon=True)
    thread.start()
    assert ended(lambda: bool(set(server.workers()) - before))
    one.close()
    thread.join(20)
    assert said == ["the process was ended because the sweep was; measure again"]
    assert ended(lambda: not server.workers())
    with pytest.raises(WorkerError, match="this executor is closed; open another"):
        one.facts()


def test_a_shell_that_greets_does_no_harm(server: Sshd, home: Path, tmp_path: Path) -> None:
    greeting = tmp_path / "greeting python"
    greeting.write_text(f"#!/bin/sh\necho Welcome\nexec {shlex.quote(sys.executable)} \"$@\"\n")
    greeting.chmod(0o700)
    one = SshExecutor(msgspec.structs.replace(server.profile, python=str(greeting)))
    assert one.facts()["packages"]["edgebench"] == edgebench.__version__
    one.close()
