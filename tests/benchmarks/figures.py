"""Measured figures as JSON lines, and as the table of docs/figures.md.

    pytest tests/benchmarks -m benchmark_figures --figures docs/measured/figures.jsonl
    python -m tests.benchmarks.figures docs/measured/figures.jsonl      # the table
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edgebench.bench import host


def append(path: Path, name: str, value: float, reach: str, **how: object) -> None:
    """Add one figure with what it was measured on, and when."""
    facts = host.facts()
    where = {key: facts[key] for key in ("cpu", "cpu_flags", "usable_cores", "memory_bytes", "os", "python", "packages")}
    line = {"figure": name, "value": value, "reach": reach, "how": how, "date": f"{datetime.now(UTC):%Y-%m-%d}", "host": where}
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")


def table(path: Path) -> str:
    """The figures of a file as Markdown, in the order they were measured."""
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return "\n".join(["| figure | measured | quartiles | to reach | n | details | date |", "|---|--:|--:|--:|--:|---|---|", *map(_row, found)]) + "\n"


def _row(one: dict[str, Any]) -> str:
    how = dict(one["how"])
    n, quartiles = how.pop("n"), " to ".join(f"{value:.3g}" for value in how.pop("quartiles", ()))
    details = "; ".join(f"{key} {_text(value)}" for key, value in how.items())
    return f"| {one['figure']} | {one['value']:.3g} | {quartiles} | {one['reach']} | {n} | {details} | {one['date']} |"


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {one}" for key, one in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


if __name__ == "__main__":
    print(table(Path(sys.argv[1])), end="")
