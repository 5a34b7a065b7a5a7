"""The contract of `base` as checks, for built-in engines and for anybody's own.

Make a Case of a backend, a small model file, feeds and the outputs they must give, and call every check with it:

    @pytest.mark.parametrize("check", conformance.CHECKS)
    def test_contract(check):
        conformance.CHECKS[check](Case(backend, path, feeds, expected))

A check returns nothing, or raises AssertionError with a sentence. pytest is not needed.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgebench.backends.base import Backend, Options, Session, TensorSpec
from edgebench.errors import EdgebenchError, EngineError, InputError, UnsupportedError, UsageError

if TYPE_CHECKING:
    from edgebench.backends.base import Arrays

PATIENCE_S = 60.0  # a thread that has said nothing for so long hangs


@dataclass(frozen=True)
class Case:
    """A model file small enough to run a hundred times, with feeds and what they must give, within `atol`."""

    backend: Backend
    path: Path
    feeds: Arrays
    expected: Arrays
    atol: float = 1e-5
    options: Options = field(default_factory=Options)


def describes_itself(case: Case) -> None:
    backend = case.backend
    _expect(bool(backend.name), "the backend has no name; expected the one of its entry point")
    _expect(isinstance(backend.formats, tuple) and len(backend.formats) > 0, f"formats are {backend.formats!r}; expected a tuple of card formats")
    _expect(isinstance(backend.runs_code, bool), f"runs_code of {backend.name} is {backend.runs_code!r}; expected True or False")
    _expect(isinstance(backend.extra, str), f"extra of {backend.name} is {backend.extra!r}; expected the name of a pip extra, or ''")
    version = backend.version()
    _expect(isinstance(version, str) and version != "", f"version() is {version!r}; expected the library's version")


def describes_inputs_and_outputs(case: Case) -> None:
    with _opened(case) as session:
        _fits("input", session.inputs, case.feeds)
        _fits("output", session.outputs, case.expected)
        _expect(list(session.lengths) == sorted(set(session.lengths)), f"lengths are {session.lengths}; expected them ascending, each once")


def tells_what_it_uses(case: Case) -> None:
    with _opened(case) as session:
        session.run(case.feeds)
        facts = session.facts
    _expect(bool(facts.library and facts.accelerator), f"facts name library {facts.library!r} and accelerator {facts.accelerator!r}; expected both")
    _expect(facts.version == case.backend.version(), f"facts say version {facts.version!r}, the backend {case.backend.version()!r}")
    _expect(isinstance(facts.threads, int) and facts.threads >= 1, f"facts say {facts.threads!r} threads; expected 1 or more")
    json.dumps(dict(facts.details))


def computes_what_is_expected(case: Case) -> None:
    with _opened(case) as session:
        _same(session.run(case.feeds), case)


def takes_arrays_it_cannot_share(case: Case) -> None:
    with _opened(case) as session:
        frozen = {name: array.copy() for name, array in case.feeds.items()}
        for array in frozen.values():
            array.flags.writeable = False
        _same(session.run(frozen), case)
        backwards = {name: np.ascontiguousarray(array[..., ::-1])[..., ::-1] for name, array in case.feeds.items()}
        _same(session.run(backwards), case)


def leaves_feeds_alone(case: Case) -> None:
    feeds = {name: array.copy() for name, array in case.feeds.items()}
    with _opened(case) as session:
        session.run(feeds)
    for name, array in case.feeds.items():
        _expect(np.array_equal(array, feeds[name]), f"run changed its input {name!r}; expected it untouched")


def results_are_the_callers(case: Case) -> None:
    with _opened(case) as session:
        kept = session.run(case.feeds)
        session.run({name: np.zeros_like(array) for name, array in case.feeds.items()})
        _same(kept, case)
        for array in kept.values():
            array.fill(0)  # writable, and nobody else's
        _same(session.run(case.feeds), case)
        kept = session.run(case.feeds)
    _same(kept, case)


def refuses_a_wrong_dtype(case: Case) -> None:
    name = next(iter(case.feeds))
    other = np.float64 if case.feeds[name].dtype != np.float64 else np.float32
    _refuses_feeds(case, {**case.feeds, name: case.feeds[name].astype(other)}, name)


def refuses_a_wrong_rank(case: Case) -> None:
    name = next(iter(case.feeds))
    _refuses_feeds(case, {**case.feeds, name: case.feeds[name][None]}, name)


def refuses_a_missing_input(case: Case) -> None:
    name = next(iter(case.feeds))
    _refuses_feeds(case, {key: array for key, array in case.feeds.items() if key != name}, name)


def refuses_a_surplus_input(case: Case) -> None:
    _refuses_feeds(case, {**case.feeds, "surplus": np.zeros(1, np.float32)}, "surplus")


def refuses_a_renamed_input(case: Case) -> None:
    name = next(iter(case.feeds))
    _refuses_feeds(case, {("renamed" if key == name else key): array for key, array in case.feeds.items()}, name)


def goes_on_after_a_refusal(case: Case) -> None:
    with _opened(case) as session:
        _raises(InputError, lambda: session.run({}), "a run without inputs")
        _same(session.run(case.feeds), case)


def refuses_to_run_when_closed(case: Case) -> None:
    with _opened(case) as session:
        session.run(case.feeds)
    error = _raises(EngineError, lambda: session.run(case.feeds), "a run after close")
    _expect("closed" in str(error), f"the error of a run after close is {str(error)!r}; expected it to say 'closed'")


def closes_twice(case: Case) -> None:
    with _opened(case) as session:
        session.close()


def opens_the_file_twice(case: Case) -> None:
    with _opened(case) as first, _opened(case) as second:
        first.close()
        _same(second.run(case.feeds), case)


def refuses_a_missing_file(case: Case) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _refuses_file(case, Path(folder) / case.path.name, "a file that does not exist")


def refuses_an_empty_file(case: Case) -> None:
    _refuses_bytes(case, b"", "an empty file")


def refuses_a_truncated_file(case: Case) -> None:
    whole = case.path.read_bytes()
    for share in (2, 4, 10):
        _refuses_bytes(case, whole[: len(whole) * share // 20], f"{share * 5} % of the file")


def refuses_a_page_instead_of_a_file(case: Case) -> None:
    _refuses_bytes(case, b"<!DOCTYPE html>\n<html><head><title>404</title></head><body>Not found</body></html>\n", "a web page")


def refuses_no_threads(case: Case) -> None:
    _raises(UsageError, lambda: case.backend.open(case.path, replace(case.options, threads=0)), "threads=0")


def refuses_an_unknown_accelerator(case: Case) -> None:
    _raises(UnsupportedError, lambda: case.backend.open(case.path, replace(case.options, accelerator="no-such-chip")), "accelerator='no-such-chip'")


def is_right_from_eight_threads(case: Case) -> None:
    blank = replace(case, feeds={name: np.zeros_like(array) for name, array in case.feeds.items()})
    said: list[BaseException] = []

    def work(mine: Case) -> None:
        try:
            for _ in range(10):
                _same(session.run(mine.feeds), mine)
        except BaseException as error:
            said.append(error)

    with _opened(case) as session:
        blank = replace(blank, expected=session.run(blank.feeds))
        _finish([threading.Thread(target=work, args=(mine,), daemon=True) for mine in (case, blank) * 4])
    _expect(not said, f"run from eight threads at once failed: {said[:1]}; expected right results, one after the other if need be")


def closes_during_runs(case: Case) -> None:
    said: list[BaseException] = []
    ran = threading.Semaphore(0)

    def work() -> None:
        try:
            _same(session.run(case.feeds), case)
            ran.release()
            while True:
                _same(session.run(case.feeds), case)
        except BaseException as error:
            said.append(error)
            ran.release()

    with _opened(case) as session:
        threads = [threading.Thread(target=work, daemon=True) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in threads:
            ran.acquire(timeout=PATIENCE_S)
    _finish(threads)
    strange = [error for error in said if not (isinstance(error, EngineError) and "closed" in str(error))]
    _expect(not strange, f"close during a run gave {strange[:1]}; expected each run to end rightly or to say 'closed'")


def prints_nothing(case: Case) -> None:
    with _stdout_bytes() as printed, _opened(case) as session:
        session.run(case.feeds)
    _expect(not printed, f"opening and running wrote {printed} to stdout; expected nothing: results are printed there")


CHECKS: dict[str, Callable[[Case], None]] = {
    check.__name__: check
    for check in (
        describes_itself,
        describes_inputs_and_outputs,
        tells_what_it_uses,
        computes_what_is_expected,
        takes_arrays_it_cannot_share,
        leaves_feeds_alone,
        results_are_the_callers,
        refuses_a_wrong_dtype,
        refuses_a_wrong_rank,
        refuses_a_missing_input,
        refuses_a_surplus_input,
        refuses_a_renamed_input,
        goes_on_after_a_refusal,
        refuses_to_run_when_closed,
        closes_twice,
        opens_the_file_twice,
        refuses_a_missing_file,
        refuses_an_empty_file,
        refuses_a_truncated_file,
        refuses_a_page_instead_of_a_file,
        refuses_no_threads,
        refuses_an_unknown_accelerator,
        is_right_from_eight_threads,
        closes_during_runs,
        prints_nothing,
    )
}


@contextmanager
def _opened(case: Case) -> Iterator[Session]:
    session = case.backend.open(case.path, case.options)
    try:
        yield session
    finally:
        session.close()


def _expect(right: bool, sentence: str) -> None:
    """AssertionError with the sentence; an `assert` would be left out under `python -O`."""
    if not right:
        raise AssertionError(sentence)


def _fits(kind: str, specs: tuple[TensorSpec, ...], arrays: Arrays) -> None:
    names = [spec.name for spec in specs]
    _expect(sorted(names) == sorted(arrays), f"{kind}s are described as {names}; expected {sorted(arrays)}")
    for spec in specs:
        array = arrays[spec.name]
        fits = len(spec.shape) == array.ndim and all(size in (None, have) for size, have in zip(spec.shape, array.shape, strict=True))
        _expect(fits, f"{kind} {spec.name!r} is described as {spec.shape}, which {array.shape} does not fit")
        _expect(array.dtype == spec.dtype, f"{kind} {spec.name!r} is described as {spec.dtype}; expected {array.dtype}")


def _same(results: Arrays, case: Case) -> None:
    _expect(sorted(results) == sorted(case.expected), f"run returned {sorted(results)}; expected {sorted(case.expected)}")
    for name, expected in case.expected.items():
        result = results[name]
        _expect(isinstance(result, np.ndarray), f"output {name!r} is a {type(result).__name__}; expected a numpy array")
        _expect(result.dtype == expected.dtype, f"output {name!r} is {result.dtype}; expected {expected.dtype}")
        _expect(result.shape == expected.shape, f"output {name!r} has shape {result.shape}; expected {expected.shape}")
        near = np.allclose(result, expected, rtol=0, atol=case.atol, equal_nan=True)
        _expect(near, f"output {name!r} is {result.tolist()}; expected {expected.tolist()} within {case.atol}")


def _raises(kind: type[EdgebenchError], call: Callable[[], object], what: str) -> EdgebenchError:
    try:
        call()
    except kind as error:
        return error
    except Exception as error:
        raise AssertionError(f"{what} raised {type(error).__name__}: {error}; expected {kind.__name__}") from error
    raise AssertionError(f"{what} raised nothing; expected {kind.__name__}")


def _refuses_feeds(case: Case, feeds: Arrays, name: str) -> None:
    with _opened(case) as session:
        error = _raises(InputError, lambda: session.run(feeds), f"a run with a wrong {name!r}")
    _expect(name in str(error), f"the error does not name {name!r}: {error}")


def _refuses_file(case: Case, path: Path, what: str) -> None:
    error = _raises(EngineError, lambda: case.backend.open(path, case.options), f"opening {what}")
    _expect(path.name in str(error), f"the error for {what} does not name {path.name!r}: {error}")


def _refuses_bytes(case: Case, content: bytes, what: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / case.path.name
        path.write_bytes(content)
        _refuses_file(case, path, what)


def _finish(threads: list[threading.Thread]) -> None:
    for thread in threads:
        if thread.ident is None:
            thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    _expect(not any(thread.is_alive() for thread in threads), f"a run has not come back after {PATIENCE_S:g} s; expected no deadlock")


@contextmanager
def _stdout_bytes() -> Iterator[list[bytes]]:
    """What is written to `sys.stdout` and, by the engine itself, to file descriptor 1; at most one item."""
    printed: list[bytes] = []
    python = StringIO()
    libc = ctypes.CDLL(None)
    with tempfile.TemporaryFile() as caught:
        sys.stdout.flush()
        libc.fflush(None)
        before = os.dup(1)
        os.dup2(caught.fileno(), 1)
        try:
            with redirect_stdout(python):
                yield printed
        finally:
            libc.fflush(None)
            os.dup2(before, 1)
            os.close(before)
        caught.seek(0)
        content = python.getvalue().encode() + caught.read()
        if content:
            printed.append(content[:200])
