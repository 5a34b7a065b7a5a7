"""Types of command line options that several commands take: names and counts with commas between, and lengths of time."""

from __future__ import annotations

from typing import Any

import click

from edgebench.units import duration_ns


class Names(click.ParamType):  # type: ignore[type-arg]  # generic only from click 8.4 on
    """`a,b` -> ("a", "b"), each once."""

    name = "a,b"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = tuple(dict.fromkeys(one.strip() for one in value.split(",")))
        if "" in names:
            self.fail(f"{value!r} has an empty name; give names with commas between", param, ctx)
        return names


class Counts(Names):
    """`1,2` -> (1, 2), each 1 or more."""

    name = "1,2"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        names = super().convert(value, param, ctx)
        if not all(str(one).isascii() and str(one).isdigit() and int(one) > 0 for one in names):
            self.fail(f"{value!r} is no list of numbers from 1 on; give e.g. 1,2", param, ctx)
        return tuple(dict.fromkeys(int(one) for one in names))


class Duration(click.ParamType):  # type: ignore[type-arg]
    """`50ms` -> 50000000."""

    name = "50ms"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return duration_ns(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
