"""The site behind `edgebench serve`: the page's own files, the engines, the models, and the messages of a page, in bounds.

Everything has its one address, looked up and never put together from what was asked. A message needs the page's key, this
site as its origin, a length that is told and small, and to come in time; whoever else may be in the network gets a sentence.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import logging
import re
import socket
import ssl
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import BoundedSemaphore, Lock, Thread, Timer
from typing import Any, TypeVar

import msgspec

from edgebench.devices.browser.engines import Packed, WebEngine
from edgebench.devices.browser.executor import BrowserExecutor, Refusal
from edgebench.devices.browser.wire import Hello, Reply, Start
from edgebench.errors import DeviceError

log = logging.getLogger(__name__)
T = TypeVar("T")

PAGE = Path(__file__).with_name("page")
TYPES = {
    ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".wasm": "application/wasm",
    ".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
}  # fmt: skip
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {  # the first three isolate the page across origins, for which browsers give threads and a fine clock
    "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp", "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
}  # fmt: skip
FOR_EVER = "private, max-age=31536000, immutable"
KEY = re.compile(r"[0-9a-f]{32}")
POSTS: dict[str, tuple[type, int]] = {"hello": (Hello, 16_384), "start": (Start, 65_536), "answer": (Reply, 64_000_000)}  # message, most bytes
HEAD_S = 10.0  # for a handshake, and for a request's line and headers
BODY_S = 120.0
STALL_S = 60.0  # for a client to take or give another piece
CONNECTIONS = 64  # at once
CHUNK = 1 << 16


@dataclass(frozen=True)
class Asset:
    """What is sent for an address; the bytes, or the file that has them, as they are and compressed."""

    kind: str
    plain: bytes | Path
    packed: bytes | Path | None
    cache: str = "no-cache"
    tag: str = ""


class Site(ThreadingHTTPServer):
    """Serves on a thread of its own from `open` until `close`. `visitors` are the executors of the pages there were; the last one waits for its code."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self, host: str, port: int, *, names: Iterable[str] = (), tls: ssl.SSLContext | None = None, head_s: float = HEAD_S, body_s: float = BODY_S
    ) -> None:
        self.tls, self.head_s, self.body_s = tls, head_s, body_s
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.visitors: list[BrowserExecutor] = []
        self.assets = {f"/{path.name}": _asset(path) for path in PAGE.iterdir() if path.suffix in TYPES}
        self.assets["/"] = self.assets.pop("/index.html")
        self._room = BoundedSemaphore(CONNECTIONS)
        try:
            super().__init__((host, port), Handler)
        except OSError as error:
            raise DeviceError(f"{host} port {port} cannot be served on: {error.strerror or error}; take another with --host or --port (0: any)") from error
        self.hosts = {f"{f'[{one}]' if ':' in one else one}:{self.server_port}" for one in (*names, host)}

    def open(self) -> None:
        Thread(target=self.serve_forever, args=(0.1,), daemon=True).start()

    def close(self) -> None:
        self.shutdown()
        self.server_close()

    def offer(self, engine: WebEngine, files: dict[str, Packed]) -> None:
        """Serve an engine's files in its folder."""
        for name, one in files.items():
            kind = TYPES[Path(name).suffix]
            self.assets[engine.folder + name] = Asset(kind, one.path, one.gz, FOR_EVER)

    def visitor(self, key: str) -> BrowserExecutor:
        """Whose page has this key."""
        for one in reversed(self.visitors):
            if one.knows(key):
                return one
        raise Refusal(403, "This page is not known here; scan the code that edgebench shows now.")

    # one thread for each connection, as many as there is room for

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("a connection broke", exc_info=True)  # clients come and go


class Handler(BaseHTTPRequestHandler):
    """One connection, its requests one after the other."""

    server: Site
    protocol_version = "HTTP/1.1"
    timeout = STALL_S
    disable_nagle_algorithm = True

    def setup(self) -> None:
        if self.server.tls:
            self.request.settimeout(self.server.head_s)
            with _cut_after(self.server.head_s, self.request):
                self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()
        if self.server.tls:
            self.connection.close()

    def handle_one_request(self) -> None:
        self._head = _Cut(self.server.head_s, self.connection)
        try:
            super().handle_one_request()
        finally:
            self._head.cancel()

    def parse_request(self) -> bool:
        is_whole = super().parse_request()
        self._head.cancel()
        return is_whole

    def version_string(self) -> str:
        return "edgebench"

    def log_message(self, format: str, *args: Any) -> None:
        log.debug(format, *args)

    def do_GET(self) -> None:
        self._answered(self._get)

    def do_POST(self) -> None:
        self._answered(self._post)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What `http.server` itself finds wrong: a method that is none, headers without end."""
        known = 405 if code == 501 else code
        self._refuse(Refusal(known, message or HTTPStatus(known).phrase))

    def _answered(self, do: Any) -> None:
        try:
            self._check_host()
            do()
        except Refusal as refusal:
            self._refuse(refusal)

    def _check_host(self) -> None:
        """A name that somebody else's DNS leads here is not ours: its pages must not read what we send."""
        hosts = self.headers.get_all("Host") or [""]
        if len(hosts) != 1 or hosts[0].lower() not in self.server.hosts:
            raise Refusal(421, "This site does not go by that name; open the address that edgebench shows.")

    # GET

    def _get(self) -> None:
        if self.headers.get("Content-Length", "0") != "0" or self.headers.get("Transfer-Encoding"):
            raise Refusal(400, "A GET has no body.")
        path = self.path
        if path.startswith("/file/"):
            visitor = self.server.visitor(self._key())
            plain, packed = visitor.file(path.removeprefix("/file/"))
            return self._send_asset(Asset("application/octet-stream", plain, packed, FOR_EVER))
        if path in ("/api/next", "/api/alive"):
            visitor = self.server.visitor(self._key())
            visitor.admit(self._tab())
            return self._send_json(visitor.next() if path == "/api/next" else None)
        if path not in self.server.assets:
            raise Refusal(405 if path.removeprefix("/api/") in POSTS else 404, "There is nothing here.")
        return self._send_asset(self.server.assets[path])

    # POST

    def _post(self) -> None:
        name = self.path.removeprefix("/api/")
        if not self.path.startswith("/api/") or name not in POSTS:
            raise Refusal(405 if self.path in self.server.assets else 404, "Nothing is taken here.")
        kind, most = POSTS[name]
        self._check_origin()
        key, tab = self._key(), self._tab()
        visitor = self.server.visitor(key) if name != "hello" else None
        size = self._length(most)
        if visitor:
            visitor.admit(tab, size)
        message: Any = self._message(size, kind)
        if visitor is None:
            return self._send_json(self._welcomed(key, tab, message))
        match message:
            case Start():
                visitor.start(message)
            case Reply():
                visitor.answer(message)
        return self._send_json(None)

    def _welcomed(self, key: str, tab: str, hello: Hello) -> dict[str, Any]:
        """By the executor whose page it is already, or whose code it brings: the last, which is the only one that waits for any."""
        known = next((one for one in self.server.visitors if one.knows(key)), None)
        last = self.server.visitors[-1:]
        for one in [known] if known else last:
            return one.hello(key, tab, hello)
        raise Refusal(403, "Nothing waits for a page now.")

    def _check_origin(self) -> None:
        own = f"{'https' if self.server.tls else 'http'}://{self.headers['Host']}".lower()
        if self.headers.get("Origin", own).lower() != own or self.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
            raise Refusal(403, "Messages are taken from this site's own page only.")
        if (self.headers.get("Content-Type") or "").partition(";")[0].strip().lower() != "application/json":
            raise Refusal(415, "Messages are application/json.")

    def _key(self) -> str:
        return self._secret("X-Edgebench-Key")

    def _tab(self) -> str:
        return self._secret("X-Edgebench-Tab")

    def _secret(self, header: str) -> str:
        value = self.headers.get(header, "")
        if not KEY.fullmatch(value):
            raise Refusal(403, f"A message needs its {header}.")
        return value

    def _length(self, most: int) -> int:
        """Of the body, as it is told: one that is not, or that may never end, is not read."""
        told = self.headers.get_all("Content-Length") or []
        if self.headers.get("Transfer-Encoding") or len(told) != 1 or not re.fullmatch(r"\d{1,12}", told[0]):
            raise Refusal(411, "A message tells its length, once.")
        if int(told[0]) > most:
            raise Refusal(413, f"A message of this kind has at most {most} bytes.")
        return int(told[0])

    def _message(self, size: int, kind: type[T]) -> T:
        with _cut_after(self.server.body_s, self.connection):
            body = self.rfile.read(size)
        if len(body) < size:
            raise Refusal(400, "The message ended early.")
        try:
            return msgspec.json.decode(body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refusal(400, f"That is no {kind.__name__}: {str(error)[:200]}") from None

    # answers

    def _refuse(self, refusal: Refusal) -> None:
        self.close_connection = True  # what is left of the request is not read
        self._send_json({"error": refusal.why}, refusal.status)

    def _send_json(self, said: Any, status: int = 200) -> None:
        body = b"" if said is None else json.dumps(said).encode()
        self.send_response(204 if said is None else status)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body))} if body else {}
        self._send_headers({**headers, "Cache-Control": "no-store", **({"Connection": "close"} if self.close_connection else {})})
        self.wfile.write(body)

    def _send_asset(self, asset: Asset) -> None:
        if asset.tag and self.headers.get("If-None-Match") == asset.tag:
            self.send_response(304)
            return self._send_headers({"Cache-Control": asset.cache, "ETag": asset.tag})
        is_packed = asset.packed is not None and "gzip" in re.split(r"[\s,;]+", self.headers.get("Accept-Encoding", ""))
        content = asset.packed if asset.packed is not None and is_packed else asset.plain
        size = content.stat().st_size if isinstance(content, Path) else len(content)
        self.send_response(200)
        self._send_headers({
            "Content-Type": asset.kind, "Content-Length": str(size), "Cache-Control": asset.cache, "Vary": "Accept-Encoding",
            **({"Content-Encoding": "gzip"} if is_packed else {}), **({"ETag": asset.tag} if asset.tag else {}),
        })  # fmt: skip
        for chunk in _pieces(content):
            self.wfile.write(chunk)

    def _send_headers(self, headers: dict[str, str]) -> None:
        for name, value in (HEADERS | headers).items():
            self.send_header(name, value)
        self.end_headers()


class _Cut:
    """Ends a connection after a time, unless it is cancelled before: a client that gives a byte now and then is never silent."""

    def __init__(self, seconds: float, connection: socket.socket) -> None:
        self._connection, self._lock, self._is_over = connection, Lock(), False
        self._timer = Timer(seconds, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def cancel(self) -> None:
        with self._lock:
            self._is_over = True
        self._timer.cancel()

    def _cut(self) -> None:
        with self._lock, contextlib.suppress(OSError):
            if not self._is_over:
                socket.socket.shutdown(self._connection, socket.SHUT_RDWR)  # an SSLSocket's own would take the session from under its reader


@contextlib.contextmanager
def _cut_after(seconds: float, connection: socket.socket) -> Iterator[None]:
    cut = _Cut(seconds, connection)
    try:
        yield
    finally:
        cut.cancel()


def _asset(path: Path) -> Asset:
    data = path.read_bytes()
    return Asset(TYPES[path.suffix], data, gzip.compress(data, 9, mtime=0), tag=f'"{sha256(data).hexdigest()[:16]}"')


def _pieces(content: bytes | Path) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
