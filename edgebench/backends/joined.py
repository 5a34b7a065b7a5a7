"""Several open graphs of one model as one Session: it is the first, and `parts` are the others, by the names in the card."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgebench.backends.base import Arrays, Facts, Session, TensorSpec


class Joined:
    """A Session over sessions that it owns: closing it closes all of them."""

    def __init__(self, first: Session, parts: dict[str, Session]) -> None:
        self.parts = parts
        self._first = first

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        return self._first.inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return self._first.outputs

    @property
    def lengths(self) -> tuple[int, ...]:
        return self._first.lengths

    @property
    def parallel(self) -> bool:
        return all(one.parallel for one in (self._first, *self.parts.values()))

    @property
    def facts(self) -> Facts:
        return self._first.facts

    def run(self, feeds: Arrays) -> Arrays:
        """Run the first graph."""
        return self._first.run(feeds)

    def close(self) -> None:
        for one in (self._first, *self.parts.values()):
            one.close()
