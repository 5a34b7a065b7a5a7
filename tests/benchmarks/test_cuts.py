"""A line that is cut in the middle of a sweep, twenty times, each time at another moment: what is lost, and what is there twice."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from threading import Timer

import msgspec
import pytest

from edgebench.bench.journal import Entry, Journal
from edgebench.bench.plan import Model, Plan
from edgebench.bench.run import Sweep
from edgebench.devices.ssh import SshExecutor
from edgebench.models import card as cards
from edgebench.models.data import Labelled
from edgebench.record import Record, Spec
from tests.sshd import Sshd, started

pytestmark = pytest.mark.benchmark_figures

CUTS = 20
CELLS = 12
AT_ONCE = 3  # of the passes that are not timed
LABELLED = Labelled(("good", "bad"), (1, 0), ("negative", "positive"), "two", "dev", "made in a test", "ab12", "MIT", "")


def test_no_cell_is_lost_or_doubled_when_the_line_is_cut(bag_of_words: Path, home: Path, tmp_path: Path, figure: Callable[..., None]) -> None:
    """Sweeps of timed passes, one by one, and of memory passes, three at once, in turn. A sweep that ended before its cut does not count."""
    model, random = Model(cards.read(bag_of_words), None, LABELLED), Random(0)
    lost = doubled = failed = killed = asked_again = sweeps = 0
    lasts_s = {"cold": 12.0, "memory": 6.0}  # learnt from each sweep
    (tmp_path / "sshd").mkdir()
    with started(tmp_path / "sshd") as server:
        while killed < CUTS:
            part = ("cold", "memory")[sweeps % 2]
            sweeps += 1
            path, kept = tmp_path / f"{sweeps}.jsonl", list[Record]()
            cut, again, took_s = swept(server, plan(model, part), path, kept, after_s=random.uniform(0, lasts_s[part]))
            lasts_s[part] = took_s
            if not cut:
                continue
            killed, asked_again = killed + 1, asked_again + again
            cells = Counter(one.spec.seed for one in kept)
            lost += CELLS - len(cells)
            doubled += sum(cells.values()) - len(cells)
            failed += sum(one.outcome != "ok" for one in kept)
    assert sweeps < 2 * CUTS
    load = round(os.getloadavg()[0], 1)
    more = {"failed": failed, "sweeps of cells": CELLS, "passes asked for again": asked_again, "load": load}
    figure("cells lost or doubled where ssh's line is cut in the middle of a sweep", lost + doubled, "0", n=CUTS, **more)
    assert (lost, doubled, failed) == (0, 0, 0)


def plan(model: Model, part: str) -> Plan:
    usual = Spec(model="bag", format="onnx", precision="fp32", backend="onnxruntime", passes=(part,), processes=1, max_processes=1, timeout_s=120)
    return Plan([msgspec.structs.replace(usual, seed=seed) for seed in range(CELLS)], [], {"bag": model}, seed=0)


def swept(server: Sshd, cells: Plan, path: Path, kept: list[Record], *, after_s: float) -> tuple[int, int, float]:
    """Processes of sshd killed, passes that were asked for again, and seconds; every record goes into `kept`."""
    device, killed, runs = SshExecutor(server.profile, pauses_s=(0.1, 0.2, 0.4, 0.8, 1.6, 3.2)), list[int](), list[str]()
    once = device._once

    def counted(ask: object, *rest: object) -> object:
        if type(ask).__name__ == "Run":
            runs.append("")
        return once(ask, *rest)  # type: ignore[arg-type]

    device._once = counted  # type: ignore[method-assign, assignment]
    try:
        host = device.facts()
        timer = Timer(after_s, lambda: killed.append(server.cut()))
        begin = time.monotonic()
        timer.start()
        with Journal(path, device.run, machine="desk", resume=False) as journal:
            Sweep(cells, journal, host=host, keep=kept.append, tell=lambda _: None, at_once=AT_ONCE).run()
            seeds = [msgspec.json.decode(line, type=Entry).spec.seed for line in journal.path.read_bytes().splitlines()]
        took_s = time.monotonic() - begin
        timer.cancel()
        assert sorted(seeds) == list(range(CELLS))
        return sum(killed), len(runs) - CELLS, took_s
    finally:
        device.close()
