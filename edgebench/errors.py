"""What can go wrong, as a tree; each message says what is wrong, what was expected, and what to do.

    EdgebenchError
    ├── UsageError          the caller asked for something that does not exist or does not fit together
    ├── CardError           a card, profile, recipe or dataset file is malformed
    ├── IntegrityError      a file's bytes are not the ones its card names
    ├── FetchError          a file could not be had from any of its sources
    ├── InputError          an example cannot be encoded
    ├── UnsupportedError    this engine, format or option does not work here
    │   └── MissingError    a package that would make it work is not installed
    ├── EngineError         an engine refused a model or failed while running it
    ├── WorkerError         a measuring process crashed, hung, or said nothing
    └── DeviceError         a device cannot be reached, or cannot be used as it is
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class EdgebenchError(Exception):
    """Base of every error edgebench raises on purpose."""


class UsageError(EdgebenchError):
    """The caller asked for something that does not exist or does not fit together."""


class CardError(EdgebenchError):
    """A card, profile, recipe or dataset file is malformed."""


class IntegrityError(EdgebenchError):
    """A file's bytes are not the ones its card names."""


class FetchError(EdgebenchError):
    """A file could not be had from any of its sources."""


class InputError(EdgebenchError):
    """An example cannot be encoded."""


class UnsupportedError(EdgebenchError):
    """This engine, format or option does not work here."""


class MissingError(UnsupportedError):
    """A package that would make it work is not installed."""


class EngineError(EdgebenchError):
    """An engine refused a model or failed while running it."""


class WorkerError(EdgebenchError):
    """A measuring process crashed, hung, or said nothing."""


class DeviceError(EdgebenchError):
    """A device cannot be reached, or cannot be used as it is."""


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
        said = (lines[0] if lines else "")[:400] or type(error).__name__
        raise EngineError(f"{engine} failed while {doing}: {said}") from error


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """" Did you mean 'x'?" for the nearest known word, or nothing."""
    import difflib  # only a mistake needs it

    near = difflib.get_close_matches(wrong, list(known), n=1, cutoff=0.6)
    return f" Did you mean {near[0]!r}?" if near else ""
