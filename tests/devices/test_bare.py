"""What runs on a device without edgebench: what it says of itself, a kit made of small wheels, and that nothing is left of it."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import platform
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from edgebench import catalog
from edgebench.devices import bare, far

PROGRAM = Path(bare.__file__).read_text()


def wheel(name: str, *, version: str = "1", data: str = "") -> tuple[dict[str, Any], bytes]:
    """A wheel with a module that has a version, and how it is announced."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr(f"{name}.py", f"__version__ = {version!r}\n")
        archive.writestr(f"{name}-{version}.data/purelib/{name}_more.py", data)
        archive.writestr(f"{name}-{version}.data/scripts/{name}-run", "#!/bin/sh\n")
    raw = body.getvalue()
    return {"name": f"{name}-{version}-py3-none-any.whl", "sha256": hashlib.sha256(raw).hexdigest(), "size_bytes": len(raw)}, raw


@pytest.fixture(autouse=True)
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of the device's user."""
    for name in ("EDGEBENCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def make(*wheels: tuple[dict[str, Any], bytes], follow: tuple[int, ...] | None = None, modules: tuple[str, ...] = ()) -> dict[str, str]:
    chosen = range(len(wheels)) if follow is None else follow
    source = io.BytesIO(b"".join(wheels[one][1] for one in chosen))
    return bare.make([one for one, _ in wheels], [wheels[one][0]["sha256"] for one in chosen], list(modules), source)


def test_its_folder_is_the_one_where_copied_models_lie(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Path(bare.store()) == far.store()
    monkeypatch.setenv("EDGEBENCH_HOME", str(there / "own"))
    assert Path(bare.store()) == far.store() == catalog.cache_folder() / "far"


def test_as_a_program_it_answers_a_look_in_frames_and_writes_nothing(there: Path) -> None:
    done = subprocess.run([sys.executable, "-I", "-c", PROGRAM], input=b'{"ask": "look"}\n', capture_output=True, check=True)
    body = far.read_framed(io.BytesIO(done.stdout))
    assert body
    found = json.loads(body)["value"]
    assert (found["version"], found["machine"], found["wheels"]) == (list(sys.version_info[:2]), platform.machine(), [])
    assert list(there.iterdir()) == []


def test_it_is_written_for_a_python_that_is_too_old() -> None:
    import ast

    ast.parse(PROGRAM, feature_version=(3, 7))


def test_a_kit_loads_what_was_sent_and_no_script_is_put_anywhere() -> None:
    assert make(wheel("tiny", version="7"), modules=("tiny", "tiny_more")) == {"tiny": "7", "tiny_more": ""}
    assert not list(Path(bare.kit()).rglob("tiny-run"))
    python = Path(bare.kit()) / "bin/python"
    said = subprocess.run([python, "-I", "-c", "import tiny; print(tiny.__file__)"], capture_output=True, text=True, check=True).stdout
    assert said.startswith(bare.kit())


def test_a_second_kit_takes_from_the_first_what_did_not_change() -> None:
    kept, old, new = wheel("kept"), wheel("tiny"), wheel("tiny", version="2")
    make(kept, old)
    assert bare.look()["wheels"] == sorted([kept[0]["sha256"], old[0]["sha256"]])
    assert make(new, kept, follow=(0,), modules=("tiny", "kept")) == {"tiny": "2", "kept": "1"}
    assert sorted(path.name for path in Path(bare.store()).iterdir()) == ["kit", "made.json"]


def test_what_does_not_load_leaves_the_kit_there_was() -> None:
    make(wheel("tiny"))
    with pytest.raises(bare.Refused, match=r"^broken_more does not load there \(SyntaxError: .*\); take another engine"):
        make(wheel("broken", data="def"), modules=("broken_more",))
    assert bare.check(bare.kit(), ["tiny"]) == {"tiny": "1"}
    assert sorted(path.name for path in Path(bare.store()).iterdir()) == ["kit", "made.json"]


def test_a_kit_is_on_the_disk_before_it_takes_its_place_and_then_so_is_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = list[tuple[bool, bool]]()
    monkeypatch.setattr("os.sync", lambda: seen.append((os.path.exists(f"{bare.kit()}.new/wheels.json"), os.path.exists(bare.kit()))))
    make(wheel("tiny"))
    assert seen == [(True, False), (False, True)]


def test_a_wheel_that_is_cut_or_changed_on_the_way_is_told(tmp_path: Path) -> None:
    announced, body = wheel("tiny")
    with pytest.raises(bare.Refused, match=r"^the line ended 5 bytes before the end of tiny-1-py3-none-any\.whl; try again$"):
        make((announced, body[:-5]))
    with pytest.raises(bare.Refused, match=r"^tiny-1-py3-none-any\.whl changed on the way; try again$"):
        make((announced, b"x" + body[1:]))
    assert not Path(bare.kit()).exists()


@pytest.mark.parametrize("name", ["../outside.py", "/etc/outside", "a/../../outside", "a\\..\\outside"])
def test_no_file_of_a_wheel_leaves_its_folder(name: str) -> None:
    with pytest.raises(bare.Refused, match="leaves its folder"):
        bare.placed(name)


def test_clean_leaves_no_folder_that_was_made(there: Path) -> None:
    make(wheel("tiny"))
    assert bare.clean()["size_bytes"] > 0
    assert list(there.iterdir()) == []
    assert bare.clean() == {"folder": bare.store(), "size_bytes": None}


def test_clean_leaves_what_was_there_before(there: Path) -> None:
    (there / ".cache").mkdir()
    make(wheel("tiny"))
    bare.clean()
    assert [path.name for path in there.iterdir()] == [".cache"]
    assert not list((there / ".cache").iterdir())


def test_nothing_is_changed_beside_a_measurement() -> None:
    make(wheel("tiny"))
    session = Path(bare.store()) / "sessions" / "a"
    session.mkdir(parents=True)
    with (session / "77.pid").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for change in (bare.clean, lambda: make(wheel("other"))):
            with pytest.raises(bare.Refused, match=r"^edgebench measures there just now \(process 77\); try again when it has ended$"):
                change()
    assert bare.check(bare.kit(), ["tiny"]) == {"tiny": "1"}
    assert os.listdir(bare.store())
