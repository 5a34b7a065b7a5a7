"""docs/measured/faults.jsonl -> docs/faults.md: each fault, what was expected, what happened, how long that took.

    python -m tests.faults.page           # write the page from the results that are there
    python -m tests.faults.page --try     # try every fault first, the slow ones too
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS, LOAD, PAGE = ROOT / "docs/measured/faults.jsonl", ROOT / "docs/measured/load.jsonl", ROOT / "docs/faults.md"
KINDS = {
    "model": "Model files", "process": "Processes", "machine": "The machine", "input": "Inputs", "peer": "Devices at the end of a line",
}
HEAD = """\
# Faults

What goes wrong on purpose in `tests/faults`, what should come of it, and what did. Each has one named outcome: the class of an error
(`edgebench.errors` has the tree), an exit status, or an answer. A record is lost where one should be in a file and is not, or is there
twice; an answer is wrong in silence where an error was expected and none came.

This page is made from `docs/measured/faults.jsonl` by `python -m tests.faults.page`; with `--try` every fault is tried first.
"""
TAIL = """
## Elsewhere

Faults of the page that a phone's browser opens, and of its server, are tried in the tests of that server; a lost worker of a fleet in
those of the fleet.

## Read with care

- A file's digest is what keeps out a flipped bit: of 200 in each format none got by. Under a card that somebody wrote *for* the damaged
  bytes nothing can tell: such records say `digest_from: the user's own card, unverified`.
- Between the check of a file and its opening by an engine another process of the same user could replace it. edgebench does not defend a
  user against himself.
- A process has no network only where the kernel has network namespaces that its user may enter; otherwise the record says why not.
"""


@dataclass(frozen=True)
class Row:
    """Faults that differ in a number only. `seconds` is the longest that any took."""

    fault: str
    expected: str
    happened: str
    tries: int
    survived: int
    lost: int
    seconds: float


def rows(results: Iterable[dict[str, Any]]) -> list[Row]:
    """In the order of the results."""
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for one in results:
        name = re.sub(r"\b\d+ %", "each share", one["fault"])
        groups.setdefault((name, one["expected"], one["happened"]), []).append(one)
    return [
        Row(
            name, expected, happened, sum(one["tries"] for one in many),
            sum(one["tries"] for one in many if one["happened"] == one["expected"] and not one["lost"]), sum(one["lost"] for one in many),
            max(one["seconds"] for one in many),
        )
        for (name, expected, happened), many in groups.items()
    ]


def render(lines: Iterable[str], more: Iterable[str] = ()) -> str:
    """The page; `more` are the results of load and of fuzzing."""
    head, *results = [json.loads(line) for line in lines]
    found = {kind: rows(one for one in results if one["kind"] == kind) for kind in KINDS}
    every = [row for many in found.values() for row in many]
    tried, survived, lost = (sum(getattr(row, name) for row in every) for name in ("tries", "survived", "lost"))
    silent = sum(row.tries for row in every if row.happened == "answers" and row.expected != "answers")
    text = HEAD + (
        f"\n**{len(results)} faults, tried {tried} times: {survived} survived, {lost} records lost or invented, {silent} silent wrong answers.** "
        f"{head['machine']}, {head['date']}, Python {head['python']}.\n"
    )
    for kind, title in KINDS.items():
        text += f"\n## {title}\n\n| fault | expected | happened | tries | lost | at most |\n| --- | --- | --- | ---: | ---: | ---: |\n"
        text += "".join(
            f"| {_cell(row.fault)} | {row.expected} | {row.happened} | {row.tries} | {row.lost} | {_time(row.seconds)} |\n" for row in found[kind]
        )
        text += "".join(f"\n{_cell(one['fault'])}: {_cell(one['note'])}.\n" for one in results if one["kind"] == kind and one.get("note"))
    return text + _more(list(map(json.loads, more))) + TAIL


def _more(results: list[dict[str, Any]]) -> str:
    text = ""
    threads = [one for one in results if one["kind"] == "threads"]
    if threads:
        text += (
            "\n## Under load\n\nOne pipeline called without a pause, each answer held against the first (`tests/faults/test_load.py`). Growth is the resident\n"
            "memory's slope by Theil and Sen over the second half, with its 95 % interval, in bytes a call: an object that is lost takes 16 at least.\n"
            "\n| engine | threads | seconds | calls | wrong | growth |\n| --- | ---: | ---: | ---: | ---: | ---: |\n"
        )
        text += "".join(
            f"| {one['engine']} | {one['threads']} | {one['seconds']:.0f} | {one['calls']} | {one['wrong']} "
            f"| {one['grows_bytes_a_call'][0]:.1f} ({one['grows_bytes_a_call'][1]:.1f} to {one['grows_bytes_a_call'][2]:.1f}) |\n" for one in threads
        )
        if not all(one["grows_bytes_a_call"][1] <= 0 <= one["grows_bytes_a_call"][2] for one in threads):
            text += "\nNot every interval contains 0: the process grows by less than an object a call, and why is not known.\n"
    reports = [one for one in results if one["kind"] == "report"]
    if reports:
        spent = ", ".join(f"{one['report']} {one['processor_s']:.1f} s" for one in reports)
        text += f"\nA file of {reports[0]['cells']} cells, read and reported, took of the processor's time: {spent}.\n"
    for one in (one for one in results if one["kind"] == "fuzz"):
        text += (
            f"\n## Fuzzed\n\natheris, guided by coverage, gave {one['parsers']} parsers {one['runs']} inputs from {one['seeds']} seeds on {one['date']} "
            f"({one['runs_per_s']} a second; the run was {one['ended']}).\n"
            f"Found, and now a test in `tests/faults/test_findings.py`: {'; '.join(one['findings'])}.\n"
        )
    return text


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"


def main() -> None:
    """Write the page; with --try, the results first."""
    if "--try" in sys.argv[1:]:
        part = RESULTS.with_suffix(".part")
        machine = f"{os.cpu_count()} virtual {os.uname().machine.replace('_', '-')} cores"
        head = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine, "python": sys.version.split()[0]}
        part.write_text(json.dumps(head) + "\n")
        # not the page's own test, which would hold the old page to the old results
        command = [sys.executable, "-m", "pytest", "-q", "-m", "", "--ignore", "tests/faults/test_page.py", "tests/faults"]
        subprocess.run(command, cwd=ROOT, env={**os.environ, "EDGEBENCH_FAULTS": str(part)}, check=False)
        part.replace(RESULTS)
    PAGE.write_text(render(RESULTS.read_text().splitlines(), LOAD.read_text().splitlines()))


if __name__ == "__main__":
    main()
