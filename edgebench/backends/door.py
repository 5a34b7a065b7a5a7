"""Runs go in and out of a session at the same time, until it is closed: then nobody enters, and `close` waits for the last."""

from __future__ import annotations

from threading import Event, Lock
from types import TracebackType

from edgebench.errors import EngineError


class Door:
    """`with door:` around every run of a thread-safe engine; about half a microsecond.

    An engine that is not thread-safe needs only a lock.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._lock = Lock()
        self._inside = 0
        self._closed = False
        self._empty = Event()

    def __enter__(self) -> None:
        with self._lock:
            if self._closed:
                raise EngineError(closed(self._what))
            self._inside += 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._lock:
            self._inside -= 1
            if self._closed and not self._inside:
                self._empty.set()

    def close(self) -> None:
        """Let nobody in any more and return when nobody is inside; a second call does the same."""
        with self._lock:
            self._closed = True
            if not self._inside:
                self._empty.set()
        self._empty.wait()


def closed(what: str) -> str:
    """The sentence for a run that comes too late."""
    return f"the session of {what} is closed; a run needs an open one; open the file again"
