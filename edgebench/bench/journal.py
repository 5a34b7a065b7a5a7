"""What the passes of a sweep answered, on the disk as they come, so that a sweep goes on where it was cut off.

A cell's processes take turns with those of the others, so most cells are complete only near the end: a power cut would
take them all. The journal lies beside the records, `x.jsonl.parts` beside `x.jsonl`, and goes when the sweep has ended with its device still there.
"""

from __future__ import annotations

import fcntl
from collections import deque
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Self

import msgspec

from edgebench import lines
from edgebench.bench.job import Answer, Job, Pass
from edgebench.errors import DeviceError, EdgebenchError, UsageError
from edgebench.record import Spec, writing

Execute = Callable[[Job], Answer]


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One line: a pass over a cell and what it answered. `machine` says where; answers of another one are not taken."""

    spec: Spec
    part: Pass
    machine: str
    answer: Answer


class Journal:
    """An executor's `run` that answers from the file what the file has, once each, and writes down what it had to ask.

    One sweep at a time writes to one file of records: UsageError while another does. `lost` says that the device was gone when a pass was
    asked for: the cells fail, but there is something to go on with.
    """

    def __init__(self, records: Path, execute: Execute, *, machine: str, resume: bool) -> None:
        self.path = records.with_name(records.name + ".parts")
        self._execute, self._machine, self._turn, self.lost = execute, machine, Lock(), False
        with writing(self.path):
            self._file = self.path.open("a+b", buffering=0)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._found = self._read() if resume else {}
        except BlockingIOError:
            self._file.close()
            raise UsageError(f"another sweep is writing to {records} now; wait for it, or name another file with -o") from None
        except EdgebenchError:
            self._file.close()
            raise
        if not resume:
            self._file.truncate(0)

    def __call__(self, job: Job) -> Answer:
        found = self._found.get((job.spec, job.part))
        if found:
            return found.popleft()
        try:
            answer = self._execute(job)
        except DeviceError:
            self.lost = True
            raise
        entry = Entry(spec=job.spec, part=job.part, machine=self._machine, answer=answer)
        with writing(self.path), self._turn:
            lines.add(self._file, msgspec.json.encode(entry))
        return answer

    @property
    def recalled(self) -> int:
        """How many answers the file still holds for passes that were not asked for again."""
        return sum(map(len, self._found.values()))

    def close(self, *, ended: bool) -> None:
        """Let go of the file; where the sweep has `ended` there is nothing left to go on with."""
        if ended or not self.path.stat().st_size:
            self.path.unlink(missing_ok=True)
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(ended=kind is None and not self.lost)

    def _read(self) -> dict[tuple[Spec, Pass], deque[Answer]]:
        found: dict[tuple[Spec, Pass], deque[Answer]] = {}
        for number, line in enumerate(lines.read(self.path), start=1):
            try:
                entry = msgspec.json.decode(line, type=Entry)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise EdgebenchError(f"{self.path} line {number} is no answer of a pass: {error}; delete the file to measure everything again") from error
            if entry.machine == self._machine:
                found.setdefault((entry.spec, entry.part), deque()).append(entry.answer)
        return found
