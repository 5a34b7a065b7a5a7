"""What can go wrong, as a tree; each message says what is wrong, what was expected, and what to do.

    EdgebenchError
    ├── UsageError          the caller asked for something that does not exist or does not fit together
    ├── CardError           a card, profile, recipe or dataset file is malformed
    ├── IntegrityError      a file's bytes are not the ones its card names
    ├── RefusedError        a model file asks for what none may: other files, more memory than it fills, code
    ├── FetchError          a file could not be had from any of its sources
    ├── InputError          an example cannot be encoded
    ├── UnsupportedError    this engine, format or option does not work here
    │   └── MissingError    a package that would make it work is not installed
    ├── EngineError         an engine refused a model or failed while running it
    ├── OutOfMemoryError    more memory was asked for than there is, or than a process may have
    ├── WorkerError         a measuring process said nothing
    │   ├── CrashError          it was ended by a signal, or ended itself
    │   └── OvertimeError       it was still running at its limit, and was ended
    └── DeviceError         a device cannot be reached, or cannot be used as it is

Each class has a word, `cause`, which is what a record of a failed cell says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

# how the engines and the system's libraries say that there was no memory
NO_MEMORY = re.compile(r"bad_alloc|[Ff]ailed to allocate memory|can't allocate memory|[Nn]ot enough memory|[Oo]ut of memory|Cannot allocate memory")


class EdgebenchError(Exception):
    """Base of every error edgebench raises on purpose."""

    cause = "failed"


class UsageError(EdgebenchError):
    """The caller asked for something that does not exist or does not fit together."""

    cause = "usage"


class CardError(EdgebenchError):
    """A card, profile, recipe or dataset file is malformed."""

    cause = "card"


class IntegrityError(EdgebenchError):
    """A file's bytes are not the ones its card names."""

    cause = "altered"


class RefusedError(EdgebenchError):
    """A model file asks for what none may: other files, more memory than it fills, code."""

    cause = "refused"


class FetchError(EdgebenchError):
    """A file could not be had from any of its sources."""

    cause = "fetch"


class InputError(EdgebenchError):
    """An example cannot be encoded."""

    cause = "input"


class UnsupportedError(EdgebenchError):
    """This engine, format or option does not work here."""

    cause = "unsupported"


class MissingError(UnsupportedError):
    """A package that would make it work is not installed."""


class EngineError(EdgebenchError):
    """An engine refused a model or failed while running it."""

    cause = "engine"


class OutOfMemoryError(EdgebenchError):
    """More memory was asked for than there is, or than a process may have."""

    cause = "out of memory"


class WorkerError(EdgebenchError):
    """A measuring process said nothing."""

    cause = "silent"


class CrashError(WorkerError):
    """It was ended by a signal, or ended itself."""

    cause = "crashed"


class OvertimeError(WorkerError):
    """It was still running at its limit, and was ended."""

    cause = "timeout"


class DeviceError(EdgebenchError):
    """A device cannot be reached, or cannot be used as it is."""

    cause = "device"


@contextmanager
def engine_errors(engine: str, doing: str) -> Iterator[None]:
    """Turn whatever a foreign engine raises into EngineError, with the engine's own words and the cause kept.

    Engines raise anything from RuntimeError to UnicodeDecodeError on odd files, so every Exception is mapped; ours pass.
    """
    try:
        yield
    except EdgebenchError:
        raise
    except Exception as error:
        lines = str(error).strip().splitlines()
        said = _shortened(lines[0] if lines else "") or type(error).__name__
        if isinstance(error, MemoryError) or NO_MEMORY.search(said):
            raise OutOfMemoryError(f"{engine} found no memory while {doing}: {said}; take a smaller model or free memory") from error
        raise EngineError(f"{engine} failed while {doing}: {said}") from error


def _shortened(said: str) -> str:
    """At most 400 characters, the beginning and the end: some engines put the signature of a function before their reason."""
    return said if len(said) <= 400 else f"{said[:100]} ... {said[-295:]}"


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """" Did you mean 'x'?" for the nearest known word, or nothing."""
    import difflib  # only a mistake needs it

    near = difflib.get_close_matches(wrong, list(known), n=1, cutoff=0.6)
    return f" Did you mean {near[0]!r}?" if near else ""
