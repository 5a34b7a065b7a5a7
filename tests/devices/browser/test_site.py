"""The site: what a page gets, and what anybody else in the network does not."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

import pytest

from edgebench.devices.browser.executor import POSTS, BrowserExecutor
from edgebench.devices.browser.site import CONNECTIONS, POLICY, Site
from tests.devices.browser.conftest import FACTS, KEY, STATE, TAB, USED, Guest

HEAD = f"Host: 127.0.0.1:PORT\r\nX-Edgebench-Key: {KEY}\r\nX-Edgebench-Tab: {TAB}\r\nContent-Type: application/json\r\n"
FAILED = {"number": 1, "failure": {"kind": "worker", "message": "no"}}


def raw(site: Site, text: str, seconds: float = 5) -> bytes:
    """What is answered to these very bytes until the connection ends."""
    with socket.create_connection(("127.0.0.1", site.server_port), timeout=seconds) as line:
        line.sendall(text.replace("PORT", str(site.server_port)).encode("latin-1"))
        found = b""
        while piece := line.recv(65536):
            found += piece
        return found


def test_the_page_is_isolated_and_runs_nothing_that_is_not_its_own(site: Site) -> None:
    guest = Guest(site)
    status, page = guest.ask("GET", "/")
    assert status == 200
    assert b"<script type=\"module\" src=\"page.js\">" in page
    assert not [one for one in (b"<script>", b"<style", b"style=", b" onclick") if one in page]
    assert guest.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert guest.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert guest.headers["Content-Security-Policy"] == POLICY
    assert "unsafe-inline" not in POLICY
    assert "http" not in POLICY


def test_a_script_comes_compressed_and_only_if_it_is_new(site: Site) -> None:
    guest = Guest(site)
    plain = guest.ask("GET", "/wordpiece.js")[1]
    packed = guest.ask("GET", "/wordpiece.js", Accept_Encoding="br, gzip")[1]
    assert len(packed) < len(plain) / 2
    assert guest.ask("GET", "/wordpiece.js", If_None_Match=guest.headers["ETag"])[0] == 304


def test_every_file_of_the_page_is_served(site: Site) -> None:
    from edgebench.devices.browser.site import PAGE

    names = {path.name for path in PAGE.iterdir()} - {"index.html"}
    assert {f"/{name}" for name in names} | {"/"} == set(site.assets)


@pytest.mark.parametrize(
    "path", ["/../site.py", "/%2e%2e/site.py", "/page/../../../etc/passwd", "//etc/passwd",
             "/..\\site.py", "/.", "/page/", "/engine/", "/api/", "/index.html%00",
             "/file/../../etc/passwd", "/file/%2e%2e%2fpasswd", "/file/"],
)  # fmt: skip
def test_no_path_leads_out_and_none_lists_a_folder(site: Site, page: Guest, path: str) -> None:
    status, said = page.ask("GET", path)
    assert status == 404
    assert set(said) == {"error"}


def test_a_file_is_given_to_the_page_that_was_offered_it_only(site: Site, page: Guest, executor: BrowserExecutor, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"weights")
    executor._files["a" * 64] = (tmp_path / "model", None)
    assert page.ask("GET", f"/file/{'a' * 64}") == (200, b"weights")
    assert page.ask("GET", f"/file/{'b' * 64}")[0] == 404
    assert Guest(site, key="3" * 32).ask("GET", f"/file/{'a' * 64}")[0] == 403


def test_a_code_opens_one_page(site: Site, executor: BrowserExecutor) -> None:
    assert Guest(site).hello(executor.code)[0] == 200
    status, said = Guest(site, key="3" * 32).hello(executor.code)
    assert (status, said) == (403, {"error": "This code was used already; scan the one that edgebench shows now."})
    assert Guest(site).hello("")[0] == 200  # the same page, loaded again


def test_a_wrong_code_opens_nothing(site: Site, executor: BrowserExecutor) -> None:
    for code in ("", "x", executor.code[:-1], executor.code + "x", "é"):
        assert Guest(site).hello(code)[0] == 403
    assert Guest(site).ask("GET", "/api/next")[0] == 403


def test_an_old_tab_is_told_of_the_new_one(site: Site, page: Guest) -> None:
    assert Guest(site, tab="4" * 32).hello("")[0] == 200
    assert page.ask("GET", "/api/alive")[0] == 409


def test_a_name_that_leads_here_from_elsewhere_is_refused(site: Site) -> None:
    for host in ("evil.example", f"evil.example:{site.server_port}", "127.0.0.1", f"127.0.0.1:{site.server_port}.evil.example"):
        assert Guest(site).ask("GET", "/", Host=host)[0] == 421
    assert b" 421 " in raw(site, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert b" 421 " in raw(site, "GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nHost: evil.example\r\nConnection: close\r\n\r\n")


def test_a_page_of_another_origin_cannot_post(site: Site, page: Guest) -> None:
    assert page.ask("POST", "/api/answer", FAILED, Origin="https://evil.example")[0] == 403
    assert page.ask("POST", "/api/answer", FAILED, Origin="null")[0] == 403
    assert page.ask("POST", "/api/answer", FAILED, Sec_Fetch_Site="same-site")[0] == 403
    assert page.ask("POST", "/api/answer", FAILED, Content_Type="text/plain")[0] == 415


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "CONNECT", "FOO"])
def test_no_other_method_is_known(site: Site, method: str) -> None:
    assert Guest(site).ask(method, "/")[0] == 405


def test_a_method_on_the_wrong_address_is_refused(page: Guest) -> None:
    assert page.ask("GET", "/api/answer")[0] == 405
    assert page.ask("POST", "/", {})[0] == 405
    assert page.ask("POST", "/api/next", {})[0] == 404
    assert page.ask("GET", "/", b"x")[0] == 400


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"[]", b"\xff\xfe", b"1e999", b'{"number": 1', b"[" * 100_000, b'{"number": 1, "colour": 1}', b'{"number": "1"}', b'{"number": -1}',
     b'{"number": 1, "probabilities": [[NaN]]}', b'{"number": 1, "probabilities": [[1e400]]}', b'{"number": 1, "probabilities": [[2.0]]}',
     json.dumps({"number": 1, "failure": {"kind": "worker", "message": "x" * 401}}).encode(),
     json.dumps({"number": 1, "engine": {**USED, "threads": 10**9}}).encode(),
     json.dumps({"number": 1, "before": {**STATE, "extra": 1}}).encode(), b'{"number": 1, "failure": {"kind": "exec", "message": ""}}'],
)  # fmt: skip
def test_rubbish_is_refused_with_a_sentence_and_changes_nothing(page: Guest, body: bytes) -> None:
    status, said = page.ask("POST", "/api/answer", body)
    assert status == 400
    assert said["error"].startswith("That is no Reply")
    assert page.ask("GET", "/api/alive")[0] == 204


BEYOND = [{"user_agent": "x" * 501}, {"cores": 0}, {"brands": ["x"] * 9}, {"clock_resolution_ns": -1}, {"unknown": 1}, {"screen": None}]


@pytest.mark.parametrize("fact", BEYOND)
def test_facts_have_their_bounds(site: Site, executor: BrowserExecutor, fact: dict[str, object]) -> None:
    assert Guest(site).hello(executor.code, FACTS | fact)[0] == 400
    assert executor._key == ""


def test_a_gigabyte_is_refused_before_it_is_read(site: Site, page: Guest) -> None:
    assert b" 413 " in raw(site, f"POST /api/answer HTTP/1.1\r\n{HEAD}Content-Length: 1073741824\r\n\r\n")
    assert b" 413 " in raw(site, f"POST /api/hello HTTP/1.1\r\n{HEAD}Content-Length: 16385\r\n\r\n")


@pytest.mark.parametrize("length", ["Transfer-Encoding: chunked\r\n", "", "Content-Length: -1\r\n", "Content-Length: 1e9\r\n",
                                    "Content-Length: 2\r\nContent-Length: 2\r\n",
                                    "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n"])  # fmt: skip
def test_a_stream_without_an_end_is_refused(site: Site, page: Guest, length: str) -> None:
    assert b" 411 " in raw(site, f"POST /api/answer HTTP/1.1\r\n{HEAD}{length}\r\n")


def test_a_body_that_does_not_come_ends_the_connection(site: Site, page: Guest) -> None:
    begin = time.monotonic()
    assert b" 200 " not in raw(site, f"POST /api/answer HTTP/1.1\r\n{HEAD}Content-Length: 1000\r\n\r\n{{")
    assert time.monotonic() - begin < 4


def test_headers_that_come_a_byte_at_a_time_end_the_connection(site: Site) -> None:
    with socket.create_connection(("127.0.0.1", site.server_port), timeout=5) as line:
        begin = time.monotonic()
        while time.monotonic() - begin < 3:
            try:
                line.sendall(b"X")
                time.sleep(0.05)
                if time.monotonic() - begin > 0.6 and line.recv(1) == b"":
                    return
            except OSError:  # broken pipe, or reset
                return
    raise AssertionError("the connection is still there")


def test_more_connections_than_there_is_room_for_are_closed_and_the_next_is_served(site: Site) -> None:
    lines = [socket.create_connection(("127.0.0.1", site.server_port), timeout=5) for _ in range(CONNECTIONS + 10)]
    for line in lines:
        line.close()
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            if Guest(site).ask("GET", "/")[0] == 200:
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("the site does not answer any more")


def test_headers_without_end_are_refused(site: Site) -> None:
    many = "".join(f"X-{number}: 1\r\n" for number in range(200))
    assert b" 431 " in raw(site, f"GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n{many}\r\n")
    assert b" 431 " in raw(site, f"GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nX: {'y' * 70_000}\r\n\r\n")
    assert b" 414 " in raw(site, f"GET /{'y' * 70_000} HTTP/1.1\r\n\r\n")


def test_ten_thousand_posts_are_too_many(executor: BrowserExecutor, page: Guest) -> None:
    executor._posts = POSTS - 2
    assert [page.ask("POST", "/api/answer", {"number": 9})[0] for _ in range(4)] == [400, 400, 429, 429]
    assert page.ask("GET", "/api/next")[0] == 429


def test_a_port_that_is_taken_is_said_so(site: Site) -> None:
    from edgebench.errors import DeviceError

    with pytest.raises(DeviceError, match=rf"127.0.0.1 port {site.server_port} cannot be served on: .*; take another with --host or --port"):
        Site("127.0.0.1", site.server_port)
