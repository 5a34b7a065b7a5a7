"""What four stations gain over one, and what is lost with one of them: cells that sleep, so that cores are not what is shared."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("distributed", reason="a fleet needs edgebench[fleet]")

from edgebench.bench.plan import Model, Plan
from edgebench.devices import fleet
from edgebench.models import card as cards
from edgebench.models.data import Labelled
from edgebench.record import Record, Spec
from tests.sleeper import local_cluster

pytestmark = [pytest.mark.benchmark_figures, pytest.mark.filterwarnings("ignore")]

CELLS = 24
CELL_S = 1.0
WORKERS = 4
LABELLED = Labelled(("good", "bad"), (1, 0), ("negative", "positive"), "two", "dev", "made in a test", "ab12", "MIT", "")


def test_four_stations_share_the_work_and_lose_none_of_it(bag_of_words: Path, home: Path, tmp_path: Path, figure: Callable[..., None]) -> None:
    usual: dict[str, Any] = {"model": "bag", "format": "onnx", "precision": "fp32", "backend": "onnxruntime", "processes": 1, "max_processes": 1}
    cells = [Spec(**usual, passes=("cold",), profile="sleeper", min_time_s=CELL_S, seed=seed) for seed in range(CELLS)]
    plan = Plan(cells, [], {"bag": Model(cards.read(bag_of_words), None, LABELLED)}, seed=0)
    took_s = dict[int, float]()
    for workers in (1, WORKERS):
        folder = tmp_path / str(workers)
        with local_cluster(folder, workers=workers) as cluster, fleet.connected(cluster.address) as client:
            cluster.until(client, workers)
            begin = time.monotonic()
            found = fleet.measure(client, plan, "sleeper", keep=lambda _: None)
            took_s[workers] = time.monotonic() - begin
            assert {one.outcome for one in found} == {"ok"}
    load = round(os.getloadavg()[0], 1)
    share = took_s[WORKERS] / took_s[1]
    figure(
        f"a fleet of {WORKERS} local workers / one, {CELLS} cells that sleep {CELL_S:.0f} s", share, "<= 0.35", n=1,
        seconds={workers: round(one, 1) for workers, one in took_s.items()}, load=load,
    )
    kept = list[Record]()
    with local_cluster(tmp_path / "killed", workers=WORKERS) as cluster, fleet.connected(cluster.address) as client:
        cluster.until(client, WORKERS)

        def keep(record: Record) -> None:
            kept.append(record)
            if len(kept) == CELLS // 3:
                cluster.kill(0)

        fleet.measure(client, plan, "sleeper", keep=keep)
    seeds = sorted(one.spec.seed for one in kept if one.outcome == "ok")
    wrong = len(set(range(CELLS)) - set(seeds)) + len(seeds) - len(set(seeds))
    figure(f"cells lost or doubled by a fleet of {WORKERS} with one killed", wrong, "0", n=CELLS, load=load)
    assert share <= 0.35
    assert wrong == 0
