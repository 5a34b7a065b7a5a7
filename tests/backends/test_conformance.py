"""The contract's checks catch the faults they are there for: each session here has one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebench.backends.base import Facts, Options
from edgebench.backends.conformance import CHECKS, Case
from edgebench.backends.fake import Fake, FakeSession

SCRIPT = 'inputs = [{ name = "ids", dtype = "int64", shape = [-1, -1] }]\noutputs = [{ name = "logits", table = [[0.5, 1.0], [2.0, 0.25]] }]\n'
FEEDS = {"ids": np.array([[1, 2, 4]], np.int64)}


class Faulty(FakeSession):
    """A right session whose faults are overridden."""

    kept: Any = None


class KeepsItsBuffer(Faulty):
    def run(self, feeds: Any) -> Any:
        results = super().run(feeds)
        self.kept = self.kept or results
        self.kept["logits"][:] = results["logits"]
        return self.kept


class TakesAnything(Faulty):
    def run(self, feeds: Any) -> Any:
        return super().run({"ids": next(iter(feeds.values()), FEEDS["ids"]).reshape(1, -1).astype(np.int64)})


class NeverCloses(Faulty):
    def close(self) -> None:
        pass


class ClosesOnce(Faulty):
    def close(self) -> None:
        if self._closed:
            raise RuntimeError("closed already")
        super().close()


class FailsOddlyWhenClosed(Faulty):
    def run(self, feeds: Any) -> Any:
        if self._closed:
            raise AttributeError("'NoneType' object has no attribute 'run'")
        return super().run(feeds)


class DoesNotWaitToClose(Faulty):
    def run(self, feeds: Any) -> Any:
        results = super().run(feeds)
        time.sleep(0.005)
        if self._closed:
            raise AttributeError("'NoneType' object has no attribute 'run'")
        return results


class Prints(Faulty):
    def run(self, feeds: Any) -> Any:
        print("running")
        return super().run(feeds)


class MixesThreads(Faulty):
    def run(self, feeds: Any) -> Any:
        self.kept = super().run(feeds)
        time.sleep(0.001)
        return self.kept


class WrongNumbers(Faulty):
    def run(self, feeds: Any) -> Any:
        return {name: array + 0.001 for name, array in super().run(feeds).items()}


class WrongDtype(Faulty):
    def run(self, feeds: Any) -> Any:
        return {name: array.astype(np.float64) for name, array in super().run(feeds).items()}


class ChangesItsInput(Faulty):
    def run(self, feeds: Any) -> Any:
        results = super().run(feeds)
        feeds["ids"] += 1
        return results


class KnowsNoThreads(Faulty):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.facts = Facts("edgebench", self.facts.version, 0, "cpu")


class FaultyBackend(Fake):
    def __init__(self, session: type[FakeSession]) -> None:
        super().__init__()
        self.session = session

    def open(self, path: Path, options: Options) -> FakeSession:
        right = super().open(path, options)
        return self.session(right._script, path, options, self.clock)


class RaisesWhatItLikes(Fake):
    def open(self, path: Path, options: Options) -> FakeSession:
        path.read_bytes().index(b"inputs")
        return super().open(path, Options())


def case(backend: Fake, folder: Path) -> Case:
    path = folder / "scripted.fake"
    path.write_text(SCRIPT)
    return Case(backend, path, FEEDS, {"logits": np.array([[2.0, 0.25]], np.float32)})


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        (KeepsItsBuffer, "results_are_the_callers"),
        (TakesAnything, "refuses_a_wrong_dtype"),
        (TakesAnything, "refuses_a_wrong_rank"),
        (TakesAnything, "refuses_a_missing_input"),
        (TakesAnything, "refuses_a_surplus_input"),
        (TakesAnything, "refuses_a_renamed_input"),
        (NeverCloses, "refuses_to_run_when_closed"),
        (FailsOddlyWhenClosed, "refuses_to_run_when_closed"),
        (DoesNotWaitToClose, "closes_during_runs"),
        (Prints, "prints_nothing"),
        (MixesThreads, "is_right_from_eight_threads"),
        (WrongNumbers, "computes_what_is_expected"),
        (WrongDtype, "computes_what_is_expected"),
        (ChangesItsInput, "leaves_feeds_alone"),
        (KnowsNoThreads, "tells_what_it_uses"),
    ],
)
def test_a_faulty_session_is_caught(fault: type[FakeSession], check: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        CHECKS[check](case(FaultyBackend(fault), tmp_path))


@pytest.mark.parametrize(
    "check",
    ["refuses_a_missing_file", "refuses_an_empty_file", "refuses_a_page_instead_of_a_file", "refuses_no_threads", "refuses_an_unknown_accelerator"],
)
def test_a_faulty_backend_is_caught(check: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"expected (EngineError|UsageError|UnsupportedError)"):
        CHECKS[check](case(RaisesWhatItLikes(), tmp_path))


def test_a_session_that_closes_only_once_is_caught(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="closed already"):
        CHECKS["closes_twice"](case(FaultyBackend(ClosesOnce), tmp_path))
