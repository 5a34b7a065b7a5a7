"""A device with Python and nothing else, at the end of a real ssh line: prepared, measured, and left as it was."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import msgspec
import pytest

from edgebench import catalog
from edgebench.cli import status
from edgebench.devices import kit, prepare
from edgebench.devices.profile import Profile, text
from edgebench.devices.ssh import SshExecutor
from edgebench.errors import DeviceError, UnsupportedError, UsageError
from tests.devices.test_kit import PI
from tests.devices.test_ssh import job
from tests.sshd import Sshd, started

ENGINE = "onnxruntime"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """One whose user has an empty home and a Python without packages."""
    folder = tmp_path_factory.mktemp("sshd")
    (folder / "home").mkdir()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "bare")], check=True)
    with started(folder, variables=f'HOME="{folder}/home"') as one:
        yield one


@pytest.fixture
def profile(server: Sshd) -> Profile:
    return msgspec.structs.replace(server.profile, python=str(server.folder / "bare/bin/python"))


def repacked(name: str, into: Path) -> None:
    """The wheel that an installed package came from, without its scripts: what an index would give for this very machine."""
    found = metadata.distribution(name)
    tag = [line.partition(": ")[2] for line in (found.read_text("WHEEL") or "").splitlines() if line.startswith("Tag: ")][-1]  # py2, then py3
    with zipfile.ZipFile(into / f"{found.name.replace('-', '_')}-{found.version}-{tag}.whl", "w") as archive:
        for file in found.files or ():
            if file.parts[0] != ".." and "__pycache__" not in file.parts:
                archive.write(str(found.locate_file(file)), file.as_posix())


def wheels(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip asks a folder and no network."""
    for requirement in (*kit.SMALL, *kit.ENGINES[ENGINE]):
        repacked(requirement.partition(">")[0], folder)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))


@pytest.mark.slow
def test_a_bare_device_is_prepared_measured_and_left_as_it_was(
    server: Sshd, profile: Profile, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "index").mkdir()
    wheels(tmp_path / "index", monkeypatch)
    (home / "devices").mkdir()
    (home / "devices/desk.toml").write_text(text(profile))

    assert status(["devices", "prepare", "desk"]) == 0
    first = capsys.readouterr().out.splitlines()
    assert first[0].startswith(f"desk at {profile.address}: Python {sys.version.split()[0]}, ")
    assert first[1].startswith("copying 9 wheels, ")
    assert f"{ENGINE} {metadata.version(ENGINE)}" in first[2]
    assert first[3] == "edgebench devices clean desk takes it away again"

    assert status(["devices", "prepare", "desk"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "nothing was copied: 9 wheels are there"

    one = SshExecutor(profile)
    assert one.run(job()).cold is not None
    one.close()

    assert status(["devices", "clean", "desk"]) == 0
    assert capsys.readouterr().out.startswith(f"desk: removed {server.folder}/home/.cache/edgebench/far, ")
    assert list((server.folder / "home").iterdir()) == []


def test_a_device_of_which_nothing_is_known_says_so_when_it_is_cleaned(server: Sshd, profile: Profile, home: Path) -> None:
    one = SshExecutor(profile)
    assert prepare.clean(one) == prepare.Cleaned(f"{server.folder}/home/.cache/edgebench/far", None)
    one.close()


def test_a_device_without_python_is_told_so(server: Sshd, profile: Profile, home: Path) -> None:
    one = SshExecutor(msgspec.structs.replace(profile, python="no-python"))
    with pytest.raises(DeviceError, match="there is no no-python. Install Python 3.11 or later there"):
        prepare.prepare(one, tell=lambda _: None)
    one.close()


@pytest.mark.parametrize(("version", "said"), [("3.9.2", "it has Python 3.9.2, and edgebench needs CPython 3.11"), ("2.7", "is older than 3.11")])
def test_a_device_with_an_old_python_is_told_so(server: Sshd, profile: Profile, home: Path, tmp_path: Path, version: str, said: str) -> None:
    old = tmp_path / "python"
    older = "import sys, platform; platform.python_version = lambda: '3.9.2'; sys.version_info = (3, 9, 2); exec(sys.argv[1])"
    program = f'exec {profile.python} -I -c "{older}" "$3"' if version != "2.7" else "echo 'SyntaxError: future feature annotations is not defined' >&2; exit 1"
    old.write_text(f"#!/bin/sh\n{program}\n")
    old.chmod(0o700)
    one = SshExecutor(msgspec.structs.replace(profile, python=str(old)))
    with pytest.raises((UnsupportedError, DeviceError), match=said):
        prepare.prepare(one, tell=lambda _: None)
    one.close()


def test_a_device_of_another_processor_than_its_profile_is_refused_before_anything_is_fetched(server: Sshd, profile: Profile, home: Path) -> None:
    one = SshExecutor(msgspec.structs.replace(profile, isa="riscv64: 4"))
    with pytest.raises(UnsupportedError, match="is of a device with riscv64, and the one at "):
        prepare.prepare(one, tell=lambda _: None)
    one.close()
    assert not (catalog.cache_folder() / "kits").exists()


def test_a_device_without_room_is_told_how_much_is_needed(tmp_path: Path) -> None:
    wheel = kit.Wheel(tmp_path, "ab", 50_000_000, 100_000_000)
    with pytest.raises(DeviceError, match=r"^pi: 237 MB are needed there and 200 MB are free; make room, or take one engine \(--engine\)$"):
        prepare._check_room(msgspec.structs.replace(PI, free_bytes=200_000_000), [wheel], "pi")
    prepare._check_room(msgspec.structs.replace(PI, free_bytes=240_000_000), [wheel], "pi")


def test_the_profiles_engines_are_brought_or_onnx_runtime(profile: Profile) -> None:
    assert prepare.engines(profile) == ["onnxruntime"]
    assert prepare.engines(profile, bits=32) == ["tflite"]
    assert prepare.engines(msgspec.structs.replace(profile, engines_expected=("tflite", "torchscript", "own"))) == ["tflite", "torchscript"]


def test_an_engine_that_no_wheel_is_known_for_is_wrong_usage(profile: Profile, home: Path) -> None:
    one = SshExecutor(profile)
    with pytest.raises(UsageError, match="engine is 'abacus'; expected one that wheels are known for: onnxruntime, tflite, torchscript"):
        prepare.prepare(one, ["abacus"], tell=lambda _: None)
    one.close()


def test_this_machine_is_not_prepared(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["devices", "clean", "host"]) == 2
    assert "nothing is put on this machine or into a browser" in capsys.readouterr().err
