"""JSON lines that survive a crash, a full disk and a second writer."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edgebench import lines


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "some.jsonl"


def test_what_is_appended_is_read_in_order(file: Path) -> None:
    for line in (b'{"a":1}', b"[2]"):
        lines.append(file, line)
    assert file.read_bytes() == b'{"a":1}\n[2]\n'
    assert lines.read(file) == [b'{"a":1}', b"[2]"]


@pytest.mark.parametrize("half", [b'{"b":', b'{"b":1', b'"text', b"\xff\xfe", b"[" * 100_000])
def test_half_a_line_at_the_end_is_not_read_and_gives_way_to_the_next(file: Path, half: bytes) -> None:
    file.write_bytes(b'{"a":1}\n' + half)
    assert lines.read(file) == [b'{"a":1}']
    lines.append(file, b"{}")
    assert file.read_bytes() == b'{"a":1}\n{}\n'


def test_half_a_line_alone_gives_way_too(file: Path) -> None:
    file.write_bytes(b'{"a"')
    lines.append(file, b"{}")
    assert file.read_bytes() == b"{}\n"


def test_a_last_line_that_only_lacks_its_newline_stays(file: Path) -> None:
    file.write_bytes(b'{"a":1}\n{"b":2}')
    assert lines.read(file) == [b'{"a":1}', b'{"b":2}']
    lines.append(file, b"{}")
    assert file.read_bytes() == b'{"a":1}\n{"b":2}\n{}\n'


def test_what_is_wrong_in_the_middle_is_left_to_who_reads_it(file: Path) -> None:
    file.write_bytes(b'{"a\n\n{}\n')
    assert lines.read(file) == [b'{"a', b"", b"{}"]


def test_a_full_disk_leaves_the_file_as_it_was(file: Path) -> None:
    lines.append(file, b'{"a":1}')
    code = (
        "import resource, signal, sys; from pathlib import Path; from edgebench import lines; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try: lines.append(Path(sys.argv[1]), b'x' * 1000)\n"
        "except OSError as error: print(error.strerror)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "File too large\n"
    assert file.read_bytes() == b'{"a":1}\n'


def test_writers_at_the_same_time_mix_no_lines(file: Path) -> None:
    code = "import sys; from pathlib import Path; from edgebench import lines\nfor _ in range(40): lines.append(Path(sys.argv[1]), sys.argv[2].encode() * 5000)"
    writers = [subprocess.Popen([sys.executable, "-c", code, str(file), digit]) for digit in "123"]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert sorted(file.read_bytes().split()) == sorted(digit * 5000 for digit in (b"1", b"2", b"3") for _ in range(40))


def test_a_writer_waits_for_the_one_before_it(file: Path) -> None:
    with file.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        writer = threading.Thread(target=lines.append, args=(file, b"{}"))
        writer.start()
        writer.join(0.05)
        assert writer.is_alive()
        assert file.stat().st_size == 0
        fcntl.flock(held, fcntl.LOCK_UN)
        writer.join(30)
    assert file.read_bytes() == b"{}\n"
