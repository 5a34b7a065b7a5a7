"""Files put out of the kernel's cache: real files, real pages."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from edgebench.bench import filecache
from edgebench.bench.job import Job
from edgebench.devices.local import LocalExecutor
from edgebench.devices.profile import Profile
from edgebench.record import Spec
from edgebench.units import bytes_text

pytestmark = [pytest.mark.usefixtures("home"), pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="this system has no posix_fadvise")]

BAG = Spec(model="bag", format="onnx", precision="fp32", backend="onnxruntime", scenario="cold-start", passes=("drop", "cold"), timeout_s=60.0)
JOB = Job(spec=BAG, part="drop", examples=["a good film"])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Ten pages, and a little."""
    path = tmp_path / "weights"
    path.write_bytes(bytes(10 * filecache.PAGE + 1))
    kind = subprocess.run(["stat", "-f", "-c", "%T", str(path)], capture_output=True, text=True, check=True).stdout.strip()
    if kind in ("tmpfs", "ramfs"):
        pytest.skip("the folder for temporary files is itself memory, and can be put nowhere")
    return path


def test_a_file_that_was_just_written_is_in_memory_and_then_is_not(file: Path) -> None:
    with file.open("rb") as opened:
        assert filecache.resident(opened.fileno()) == 11
    assert filecache.drop(file) == 0
    file.read_bytes()
    with file.open("rb") as opened:
        assert filecache.resident(opened.fileno()) == 11


def test_looking_reads_nothing(file: Path) -> None:
    filecache.drop(file)
    with file.open("rb") as opened:
        assert [filecache.resident(opened.fileno()) for _ in range(2)] == [0, 0]


def test_what_somebody_has_mapped_stays(file: Path) -> None:
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert mapped[0] == mapped[5 * filecache.PAGE] == 0
        assert filecache.drop(file) >= 2
    assert filecache.drop(file) == 0


def test_an_empty_file_has_no_pages(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert filecache.drop(tmp_path / "empty") == 0


def test_files_count_as_dropped_if_nothing_of_them_is_left(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filecache, "read_by_a_start", lambda job: {file})
    found = filecache.measure(JOB)
    assert (found.dropped, found.notes) == (True, [])


def test_files_that_stay_are_named_with_their_share(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filecache, "read_by_a_start", lambda job: {file})
    monkeypatch.setattr(filecache, "_mapped", lambda: set())  # as if another program had it open
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        mapped.read()
        found = filecache.measure(JOB)
    assert found.dropped is False
    size = bytes_text(11 * filecache.PAGE)
    assert found.notes == [f"the file cache was not dropped: 100.0 % of {size} stayed, most of it weights; another program may have it open"]


def test_a_system_without_the_call_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "posix_fadvise")
    found = filecache.measure(JOB)
    assert found.dropped is False
    assert found.notes == [f"the file cache was not dropped: {sys.platform} has no call for it; cold starts are warm ones"]


def test_a_start_reads_the_model_its_tokenizer_its_engine_and_our_own_modules(bag_of_words: Path) -> None:
    code = (
        "import sys, msgspec; from edgebench.bench import filecache; from edgebench.bench.job import Job\n"
        "found = filecache.read_by_a_start(msgspec.json.decode(sys.stdin.read(), type=Job))\n"
        "print(*found, 'here:', *filecache._mapped(), sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", code], input=msgspec.json.encode(JOB), capture_output=True, check=True, timeout=60)
    lines = done.stdout.decode().splitlines()
    found, here = ({Path(one) for one in part} for part in (lines[: lines.index("here:")], lines[lines.index("here:") + 1 :]))
    model = bag_of_words.resolve().parent
    assert {model / "bag.toml", model / "bag" / "bag.onnx", model / "bag" / "tokenizer.json"} <= found
    assert any(one.name.startswith("onnxruntime_pybind11_state") for one in found)
    assert Path(filecache.__file__).with_name("cold.py") in found
    assert not any(one.name.startswith(("libc.", "libc-", "ld-")) for one in found)
    assert not any("onnxruntime" in one.name for one in here)  # the start was made in a child


def test_a_model_that_does_not_open_is_not_dropped(scripted: Callable[..., Path]) -> None:
    spec = msgspec.structs.replace(BAG, model=str(scripted('failures = [{ run = 0, how = "raise" }]\n')), format="fake", backend="fake")
    found = LocalExecutor(Profile(1, "host", "this machine", "local")).run(msgspec.structs.replace(JOB, spec=spec))
    assert found.dropped is False
    assert found.notes == ["the file cache was not dropped: no start came as far as an answer; see why in this cell's reason"]


def test_a_process_of_the_pass_drops_a_model_whose_engine_nobody_else_has_open(scripted: Callable[..., Path]) -> None:
    spec = msgspec.structs.replace(BAG, model=str(scripted()), format="fake", backend="fake")
    found = LocalExecutor(Profile(1, "host", "this machine", "local")).run(msgspec.structs.replace(JOB, spec=spec))
    assert found.dropped in (True, False)
    assert bool(found.notes) is not found.dropped  # numpy, say, is in use by these very tests
