"""Two engines on one file, in turns in one process -> lines of docs/measured/engines.jsonl, and from these the tables of docs/engines.md.

    EDGEBENCH_DATA=~/datasets python -m tests.benchmarks.engines tinybert-sst2 fp32 onnxruntime openvino    # adds a line
    python -m tests.benchmarks.engines opening tinybert-sst2 int8 onnxruntime executorch                   # adds a line for each engine
    python -m tests.benchmarks.engines                                                                     # the tables
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

import edgebench
from edgebench import catalog
from edgebench.bench import host
from edgebench.bench.ratio import Ratio, ratio, verdict_of
from edgebench.models import card as cards
from edgebench.models import data
from edgebench.units import bytes_text, duration_text

RECORDS = Path(__file__).parents[2] / "docs/measured/engines.jsonl"
ACCELERATORS = RECORDS.with_name("accelerators.jsonl")
TURNS, CALLS = 24, 5
EXAMPLES = {"text-classification": 872, "image-classification": 200, "object-detection": 64, "segmentation": 50}
HEAD = "| model | file | engines | time of the second / the first | 95 % interval | turns | medians of a call | equal answers | n |\n"
RULE = "|---|---|---|--:|--:|--:|--:|--:|--:|\n"

ASKED = "| engine | asked | file | used | nodes | share of time | said |\n|---|---|---|---|--:|--:|---|\n"
CONVERTED = "| model | engine | time / onnxruntime's | 95 % interval | turns | equal labels | largest difference | n |\n|---|---|--:|--:|--:|--:|--:|--:|\n"
OPENED = "| engine | file | import, open and first answer | most memory of the process | processes |\n|---|---|--:|--:|--:|\n"
OPENING = """
import sys, time
started = time.perf_counter_ns()
import edgebench
pipe = edgebench.load(sys.argv[1], precision=sys.argv[2], backend=sys.argv[3], allow_code=True)
pipe("a gripping film")
first = time.perf_counter_ns() - started
for _ in range(30):
    pipe("a gripping film, and one that goes on for a good while longer than the first")
print(first, next(int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
TRIED = "| first, and second | time of the second / the first | 95 % interval | turns | medians of a run | equal answers |\n|---|--:|--:|--:|--:|--:|\n"


def measure(model: str, precision: str, first: str, second: str) -> dict[str, Any]:
    """Whole calls of both engines on the same examples, A B and B A in turn, and how many of the examples they answer alike."""
    path = catalog.find("models", model)
    card = cards.read(path)
    examples = data.load(cards.dataset_of(card, path), "dev", offline=True, limit=EXAMPLES[card.task], seed=0).texts
    with (
        edgebench.load(model, backend=first, precision=precision, allow_code=True) as a,
        edgebench.load(model, backend=second, precision=precision, allow_code=True) as b,
    ):
        equal = sum(_alike(a(one), b(one)) for one in examples) / len(examples)
        inputs = cycle(examples)
        times: dict[str, list[list[int]]] = {first: [], second: []}
        for turn in range(TURNS):
            drawn = list(islice(inputs, CALLS))
            for name, pipe in ((first, a), (second, b)) if turn % 2 else ((second, b), (first, a)):
                times[name].append([_timed(pipe, one) for one in drawn])
        found = ratio(times[first], times[second], paired=True)
        facts = host.facts()
        return {
            "model": card.name, "precision": precision, "engines": [first, second], "versions": [a.facts.version, b.facts.version],
            "details": dict(b.facts.details), "ratio": [found.value, found.low, found.high], "turns": TURNS, "calls": CALLS,
            "median_ns": [median(ns for turn in times[name] for ns in turn) for name in (first, second)], "equal": equal, "n": len(examples),
            "date": f"{datetime.now(UTC):%Y-%m-%d}", "host": {key: facts[key] for key in ("cpu", "cpu_flags", "usable_cores", "os", "python")},
        }  # fmt: skip


def opening(model: str, precision: str, *engines: str) -> list[dict[str, Any]]:
    """What a fresh process of each engine takes until its first answer, and the most memory it had after thirty more; five of each, in turn."""
    name, found = cards.read(catalog.find("models", model)).name, {engine: list[list[int]]() for engine in engines}
    for _ in range(5):
        for engine in engines:
            said = subprocess.run([sys.executable, "-c", OPENING, model, precision, engine], capture_output=True, text=True, check=True).stdout
            found[engine].append([int(one) for one in said.split()])
    date = f"{datetime.now(UTC):%Y-%m-%d}"
    return [
        {"opened": engine, "model": name, "precision": precision, "first_ns": [one[0] for one in some], "peak_bytes": [one[1] for one in some], "date": date}
        for engine, some in found.items()
    ]


def opened(path: Path = RECORDS) -> str:
    """The medians of these."""
    found = [one for one in map(json.loads, path.read_text().splitlines()) if "opened" in one]
    return OPENED + "".join(
        f"| {one['opened']} | {one['model']} {one['precision']} | {duration_text(median(one['first_ns']))} ({duration_text(min(one['first_ns']))} to "
        f"{duration_text(max(one['first_ns']))}) | {bytes_text(median(one['peak_bytes']))} | {len(one['first_ns'])} |\n"
        for one in found
    )


def _timed(pipe: Any, example: Any) -> int:
    started = time.perf_counter_ns()
    pipe(example)
    return time.perf_counter_ns() - started


def _alike(a: Any, b: Any) -> float:
    """1 where both say the same label or the same things; of masks the share of equal pixels."""
    if hasattr(a, "mask"):
        return float((a.mask == b.mask).mean())
    if hasattr(a, "boxes"):
        return float([one.label for one in a.believed] == [one.label for one in b.believed])
    return float(a.label == b.label)


def table(second: str, path: Path = RECORDS) -> str:
    """The lines of a file that set others beside the engine `second`, as Markdown, in the order they were measured."""
    found = [one for one in map(json.loads, path.read_text().splitlines()) if one.get("engines", [""])[-1] == second]
    return HEAD + RULE + "".join(map(_row, found))


def tried(path: Path = RECORDS) -> str:
    """What was tried to make quantised texts faster, of sessions alone and in turns as above."""
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return TRIED + "".join(
        f"| {one['tried']} | {one['ratio'][0]:.2f} | {one['ratio'][1]:.2f} to {one['ratio'][2]:.2f} | {one['turns']} "
        f"| {', '.join(map(duration_text, one['median_ns']))} | {one['equal']:.1%} of {one['n']} |\n"
        for one in found if "tried" in one
    )  # fmt: skip


def converted(path: Path = RECORDS) -> str:
    """ONNX Runtime beside an engine that read the same graph converted, on the same prepared pictures, of sessions alone."""
    found = [one for one in map(json.loads, path.read_text().splitlines()) if "converted" in one]
    return CONVERTED + "".join(
        f"| {one['model']} | {one['converted']} | {one['ratio'][0]:.2f}, {verdict_of(Ratio(*one['ratio'], one['turns'], ''))} "
        f"| {one['ratio'][1]:.2f} to {one['ratio'][2]:.2f} | {one['turns']} | {one['equal']:.1%} | {one['difference']:.1e} | {one['n']} |\n"
        for one in found
    )


def accelerators(path: Path = ACCELERATORS) -> str:
    """What was asked for, and what a session was then given."""
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return ASKED + "".join(
        f"| {one['engine']} | {one['asked']} | {one['file']} | {one['used']} | {one['nodes']} | {one['time']} | {one['said']} |\n" for one in found
    )


def _row(one: dict[str, Any]) -> str:
    value, low, high = one["ratio"]
    said = verdict_of(Ratio(value, low, high, one["turns"], ""))
    first, second = (duration_text(ns) for ns in one["median_ns"])
    engines = f"{one['engines'][0]}, {one['engines'][1]}"
    return (
        f"| {one['model']} | {one['precision']} | {engines} | {value:.2f}, {said} | {low:.2f} to {high:.2f} | {one['turns']} | {first}, {second} "
        f"| {one['equal']:.1%} | {one['n']} |\n"
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        lines = opening(*sys.argv[2:]) if sys.argv[1] == "opening" else [measure(*sys.argv[1:])]
        with RECORDS.open("a") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
    else:
        print(table("openvino"), tried(), table("executorch"), opened(), converted(), accelerators(), sep="\n", end="")
