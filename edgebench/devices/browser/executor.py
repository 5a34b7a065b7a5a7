"""A browser as a device: jobs wait here until the page takes them, and a pass waits until the page has answered.

One page at a time, known by a key of its own that a code opens once. A page that is loaded again is given the same job
again. The passes of other engines, i.e. the reference's, run on this machine.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Condition
from typing import TYPE_CHECKING, Any, TypeVar

from edgebench import catalog
from edgebench.bench.job import Answer, Job
from edgebench.devices import profile as profiles
from edgebench.devices.browser import answers, engines
from edgebench.devices.browser.jobs import described
from edgebench.devices.browser.wire import Facts, Hello, Reply, Start
from edgebench.devices.local import LocalExecutor
from edgebench.devices.profile import Profile
from edgebench.errors import DeviceError, EdgebenchError, UsageError, WorkerError
from edgebench.units import duration_text

if TYPE_CHECKING:
    from edgebench.bench.doctor import Finding

AWAY_S = 120.0  # so long a page may say nothing: phones freeze what is not in front
GRACE_S = 30.0  # after a pass's own limit, which the page keeps itself
POLL_S = 20.0  # so long a page is kept waiting for news
MOST_HANDED = 4  # times one job is given out: a page that is lost each time ran out of memory
POSTS, POSTED_BYTES = 5_000, 512_000_000  # from one page in all

T = TypeVar("T")


class Refusal(Exception):
    """What the page asked is not done; `status` is HTTP's."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


@dataclass
class _Waiting:
    """A job on its way, and what came of it."""

    number: int
    job: Job
    handed: int = 0
    until: float | None = None  # on the monotonic clock, once it was handed out
    answer: Answer | None = None
    error: EdgebenchError | None = None

    @property
    def is_over(self) -> bool:
        return bool(self.answer or self.error)


class BrowserExecutor:
    """See `edgebench.devices.base.Executor`; the methods below those are for the site that the page talks to.

    `code` opens it for one page. `told` is what the page is shown of the sweep. Times are in seconds.
    """

    def __init__(self, profile: Profile, *, served: bool = False, away_s: float = AWAY_S, poll_s: float = POLL_S) -> None:
        if not served:
            raise UsageError(f"profile {profile.name!r} is reached by a page that has to be opened there; run: edgebench serve --profile {profile.name}")
        self.profile = profile
        self.code = secrets.token_urlsafe(12)
        self.results: list[dict[str, Any]] = []
        self._steps = (0, 0)
        self._away_s, self._poll_s = away_s, poll_s
        self._local = LocalExecutor(profiles.read(catalog.find("devices", "host")))
        self._changed = Condition()
        self._key = self._tab = ""
        self._facts: Facts | None = None
        self._cells: list[dict[str, Any]] | None = None
        self._chosen: list[str] | None = None
        self._waiting: list[_Waiting] = []
        self._numbers = 0
        self._seen = time.monotonic()
        self._posts = self._posted_bytes = 0
        self._files: dict[str, tuple[Path, Path | None]] = {}
        self._closed = self._heard_the_end = False

    # the executor

    def facts(self) -> dict[str, Any]:
        """Waits, however long, for a page to be opened."""
        found = self._until(lambda: self._facts, waits_for_page=False)
        return answers.host(found)

    def findings(self) -> list[Finding]:
        return []

    def run(self, job: Job) -> Answer:
        if job.spec.backend not in engines.ENGINES:
            return self._local.run(job)
        with self._changed:
            self._numbers += 1
            mine = _Waiting(self._numbers, job)
            self._waiting.append(mine)
            self._changed.notify_all()
        try:
            self._until(lambda: mine.is_over or None, watch=mine)
        finally:
            with self._changed:
                self._waiting.remove(mine)
                self._changed.notify_all()
        if mine.error:
            raise mine.error
        assert mine.answer
        return mine.answer

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._local.close()

    def wait_for_farewell(self, seconds: float) -> None:
        """Until the page has heard that all is measured, but not for long."""
        with self._changed:
            self._changed.wait_for(lambda: self._heard_the_end, seconds)

    # what the sweep tells

    def offer(self, cells: Sequence[dict[str, Any]]) -> list[str]:
        """The ids of those of `cells` that the page's user wants; waits for him."""
        with self._changed:
            self._cells = list(cells)
            for cell in cells:
                self._files |= {one["sha256"]: one["paths"] for one in cell["files"]}
            self._changed.notify_all()
        return self._until(lambda: self._chosen, waits_for_page=False)

    def show(self, done: int, of: int) -> None:
        """How far the sweep is."""
        self._steps = (done, of)

    def finished(self, card: dict[str, Any]) -> None:
        """One more result for the page to show."""
        with self._changed:
            self.results.append(card)
            self._changed.notify_all()

    # the page

    def is_open_to(self, code: str) -> bool:
        return hmac.compare_digest(self.code.encode(), code.encode())

    def knows(self, key: str) -> bool:
        return bool(self._key) and hmac.compare_digest(self._key.encode(), key.encode())

    def hello(self, key: str, tab: str, hello: Hello) -> dict[str, Any]:
        """The first of a page, or the same page loaded again."""
        with self._changed:
            if not self._key:
                if not self.is_open_to(hello.code):
                    raise Refusal(403, "This code opens nothing here; scan the one that edgebench shows now.")
                self._key = key
            elif not self.knows(key):
                raise Refusal(403, "This code was used already; scan the one that edgebench shows now.")
            self._tab, self._seen = tab, time.monotonic()
            self._facts = self._facts or hello.facts
            self._changed.notify_all()
        return {}

    def start(self, start: Start) -> None:
        with self._changed:
            known = {cell["id"] for cell in self._cells or ()}
            if wrong := set(start.cells) - known:
                raise Refusal(400, f"There is no cell {sorted(wrong)[0]!r}.")
            self._chosen = self._chosen or list(dict.fromkeys(start.cells))
            self._changed.notify_all()

    def next(self) -> dict[str, Any]:
        """What the page is to do now; after some seconds, to ask again."""
        end = time.monotonic() + self._poll_s
        with self._changed:
            before = len(self.results)
            while True:
                said = self._said()
                left = end - time.monotonic()
                if said["state"] != "wait" or len(self.results) > before or left <= 0:
                    return said
                self._changed.wait(left)

    def answer(self, reply: Reply) -> None:
        with self._changed:
            mine = next((one for one in self._waiting if one.number == reply.number and one.handed), None)
            if mine is None:
                if reply.number > self._numbers:
                    raise Refusal(400, f"No job {reply.number} was given out.")
                return  # it came twice, or too late
            if not mine.is_over:
                try:
                    mine.answer = answers.answer(mine.job, reply)
                except EdgebenchError as error:
                    mine.error = error
                self._changed.notify_all()

    def file(self, sha256: str) -> tuple[Path, Path | None]:
        """Where the file of this digest lies, and where compressed; only what was offered is given."""
        if sha256 not in self._files:
            raise Refusal(404, "There is no such file.")
        return self._files[sha256]

    def admit(self, tab: str, posted_bytes: int | None = None) -> None:
        """Note a sign of life; Refusal for an old tab, and for one that posts without end."""
        with self._changed:
            if tab != self._tab:
                raise Refusal(409, "This page was opened anew, in another tab; go on there.")
            self._seen = time.monotonic()
            if posted_bytes is not None:
                self._posts += 1
                self._posted_bytes += posted_bytes
            if self._posts > POSTS or self._posted_bytes > POSTED_BYTES:
                raise Refusal(429, "This page has posted more than a sweep needs; begin anew with another code.")

    # within

    def _said(self) -> dict[str, Any]:
        said: dict[str, Any] = {"results": self.results, "state": "wait"}
        if self._closed:
            self._heard_the_end = True
            self._changed.notify_all()
            return {**said, "state": "done"}
        if self._cells is not None and self._chosen is None:
            shown = [{**cell, "files": [{name: value for name, value in one.items() if name != "paths"} for one in cell["files"]]} for cell in self._cells]
            return {**said, "state": "choose", "cells": shown}
        mine = next((one for one in self._waiting if not one.is_over), None)
        if mine is None:
            return said
        mine.handed += 1
        mine.until = time.monotonic() + mine.job.spec.timeout_s + GRACE_S
        if mine.handed > MOST_HANDED:
            mine.error = WorkerError(f"the page was lost {MOST_HANDED} times in the middle of this pass; its memory may not suffice: take a smaller model")
            self._changed.notify_all()
            return said
        job, files = described(mine.job, mine.number)
        self._files |= files
        return {**said, "state": "job", "job": job, "done": self._steps[0], "of": self._steps[1]}

    def _until(self, ready: Callable[[], T | None], *, waits_for_page: bool = True, watch: _Waiting | None = None) -> T:
        """What `ready` gives, once it gives something; WorkerError when this is closed, DeviceError when the page stays away."""
        with self._changed:
            while (found := ready()) is None:
                if self._closed:
                    raise WorkerError("the page was let go because the sweep was; measure again")
                now = time.monotonic()
                if waits_for_page and now - self._seen > self._away_s:
                    raise DeviceError(f"the page has said nothing for {duration_text(self._away_s * 1e9)}; keep it in front and the screen on")
                if watch and watch.until and now > watch.until:
                    raise WorkerError(f"no answer in {duration_text(watch.job.spec.timeout_s * 1e9)}; allow more with --timeout, or leave this cell out")
                self._changed.wait(1.0)
            return found
