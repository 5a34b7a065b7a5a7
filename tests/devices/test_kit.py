"""Which wheels fit a device, what is said where none does, and edgebench's own wheel."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import msgspec
import pytest

import edgebench
from edgebench.devices import kit
from edgebench.devices.kit import Far
from edgebench.errors import EdgebenchError, FetchError, MissingError, UnsupportedError

PI = Far(python="3.11.2", version=(3, 11), implementation="CPython", system="Linux", machine="aarch64", bits=64, libc="glibc 2.36", venv=True,
         free_bytes=1 << 33, store="/home/pi/.cache/edgebench/far", wheels=[])


def other(**options: object) -> Far:
    return msgspec.structs.replace(PI, **options)


def test_wheels_may_be_as_old_as_they_like_and_no_newer_than_the_c_library() -> None:
    tags = kit.platforms(other(libc="glibc 2.28"))
    assert tags[0] == "manylinux_2_28_aarch64"
    assert {"manylinux_2_17_aarch64", "manylinux2014_aarch64", "linux_aarch64"} <= set(tags)
    assert "manylinux_2_31_aarch64" not in tags


@pytest.mark.parametrize(("machine", "bits", "named"), [
    ("aarch64", 64, "aarch64"), ("aarch64", 32, "armv7l"), ("armv7l", 32, "armv7l"), ("x86_64", 32, "i686"),
])
def test_a_32_bit_system_under_a_64_bit_kernel_takes_32_bit_wheels(machine: str, bits: int, named: str) -> None:
    assert kit.platforms(other(machine=machine, bits=bits))[-1] == f"linux_{named}"


@pytest.mark.parametrize(("options", "said"), [
    ({"python": "3.9.2", "version": (3, 9)}, "pi: it has Python 3.9.2, and edgebench needs CPython 3.11 or later; install one there and name it in the "
     "profile's `python`"),
    ({"implementation": "PyPy"}, "pi: it has PyPy 3.11.2, and edgebench needs CPython 3.11 or later; "),
    ({"libc": None}, "pi: no engine has a wheel for Linux with another C library than glibc; take a system with glibc"),
    ({"system": "Darwin", "libc": None}, "pi: no engine has a wheel for Darwin with "),
    ({"venv": False}, "pi: its Python has no module venv; install the whole standard library there"),
])
def test_a_device_that_no_wheel_is_for_is_told_why(options: dict[str, object], said: str) -> None:
    with pytest.raises(UnsupportedError) as error:
        kit.check(other(**options), "pi")
    assert str(error.value).startswith(said)


def test_a_device_with_python_and_glibc_is_well() -> None:
    kit.check(PI, "pi")


def test_pip_is_told_of_the_device_and_compiles_nothing() -> None:
    said = kit.pip(other(version=(3, 13)))
    assert {"--only-binary=:all:", "--no-deps"} <= set(said)
    assert said[said.index("--python-version") + 1] == "3.13"
    assert "cp313" in said
    assert said[said.index("--platform") + 1] == "manylinux_2_36_aarch64"


@pytest.mark.parametrize(("words", "kind", "said"), [
    ("/usr/bin/python3: No module named pip", MissingError, "pip, which finds the device's wheels, is not installed here; install it: python -m ensurepip"),
    ("WARNING: Retrying (Retry(total=0)) after connection broken\nERROR: No matching distribution found for numpy", FetchError,
     "pip cannot ask the package index (ERROR: No matching distribution found for numpy); see whether this machine is on the network"),
    ("ERROR: Could not find a version\nERROR: No matching distribution found for numpy>=1.26", UnsupportedError,
     "pi: numpy has no wheel for Python 3.11.2, armv7l, glibc 2.36, and nothing is compiled; see docs/devices.md for what has one"),
    ("ERROR: disk quota exceeded\n", FetchError, "pip cannot fetch the device's wheels (ERROR: disk quota exceeded)"),
])
def test_what_pip_says_is_one_sentence(words: str, kind: type[EdgebenchError], said: str) -> None:
    error = kit._refusal(words, other(machine="armv7l", bits=32), "pi")
    assert type(error) is kind
    assert str(error) == said


def test_an_engine_that_the_profile_expects_may_be_left_out_and_one_that_was_asked_for_may_not(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setattr(kit, "fetched", lambda requirements, far, who: [])
    wheels, without = kit.gathered(other(machine="x86_64"), "desk", ["onnxruntime", "torchscript"], asked=False)
    assert [one.path.name for one in wheels] == [f"edgebench-{edgebench.__version__}-py3-none-any.whl"]
    assert list(without) == ["torchscript"]
    assert without["torchscript"].startswith("desk: the package index's PyTorch for this processor is made for CUDA")
    with pytest.raises(UnsupportedError, match="is made for CUDA"):
        kit.gathered(other(machine="x86_64"), "desk", ["onnxruntime", "torchscript"], asked=True)


def test_a_32_bit_system_takes_tflite_runtime_and_the_numpy_that_it_was_made_for(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    asked = list[str]()
    monkeypatch.setattr(kit, "fetched", lambda requirements, far, who: asked.extend(requirements) or [])
    zero = other(bits=32)
    _, without = kit.gathered(zero, "zero", ["onnxruntime", "tflite"], asked=False)
    assert {"numpy<2", "tflite-runtime>=2.14"} <= set(asked)
    assert not {one for one in asked if one.startswith(("ai-edge-litert", "onnxruntime"))}
    assert without == {"onnxruntime": "zero: onnxruntime has no wheel for a 32-bit system; take tflite, or a 64-bit system"}
    assert kit.modules(["tflite"], zero)[-1] == "tflite_runtime.interpreter"
    assert kit.modules(["tflite"], PI)[-1] == "ai_edge_litert.interpreter"


def test_wheels_are_asked_for_once(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    asked = []

    def downloaded(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        folder = Path(command[command.index("-d") + 1])
        folder.mkdir()
        (folder / "numpy-2-py3-none-any.whl").touch()
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", downloaded)
    first, second = (kit.fetched(["numpy"], PI, "pi") for _ in range(2))
    assert first == second
    assert len(asked) == 1
    assert kit.fetched(["numpy"], other(libc="glibc 2.41"), "new") != first


def test_its_own_wheel_is_the_same_each_time_and_edgebench_runs_from_it(tmp_path: Path) -> None:
    path = kit.own(tmp_path)
    before = path.read_bytes()
    assert kit.own(tmp_path).read_bytes() == before
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "site")
    assert {"edgebench/devices/far.py", "edgebench/devices/confine.py", "edgebench/data/devices/raspberry-pi-5.toml"} <= set(names)
    assert not [name for name in names if "__pycache__" in name or name.startswith("edgebench/data/models")]
    code = "import edgebench; from edgebench import catalog; print(edgebench.__file__, sorted(catalog.paths('devices'))[0])"
    environ = {"PYTHONPATH": str(tmp_path / "site"), "EDGEBENCH_HOME": str(tmp_path)}
    said = subprocess.run([sys.executable, "-P", "-c", code], env=environ, capture_output=True, text=True)
    assert said.stdout.split() == [f"{tmp_path}/site/edgebench/__init__.py", "browser"]
