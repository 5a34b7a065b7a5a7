"""Work sent to a cluster: one item at a time on each worker, what comes of a lost one, and a cell measured by a station."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

distributed = pytest.importorskip("distributed", reason="a fleet needs edgebench[fleet]")

from edgebench.bench.plan import Model, Plan  # noqa: E402
from edgebench.devices import fleet, station  # noqa: E402
from edgebench.errors import DeviceError, UsageError  # noqa: E402
from edgebench.models import card as cards  # noqa: E402
from edgebench.models.data import Labelled  # noqa: E402
from edgebench.record import Record, Spec  # noqa: E402
from tests.sleeper import local_cluster  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of what distributed imports and leaves open

LABELLED = Labelled(("good", "bad"), (1, 0), ("negative", "positive"), "two", "dev", "made in a test", "ab12", "MIT", "")


def bag(**options: object) -> Spec:
    spec = Spec(model="bag", format="onnx", precision="fp32", backend="onnxruntime", processes=1, max_processes=1, passes=("cold",), timeout_s=60)
    return msgspec.structs.replace(spec, **options)


def plan(card: Path, cells: list[Spec], **more: Any) -> Plan:
    return Plan(cells, [], {"bag": Model(cards.read(card), more.get("reference"), LABELLED)}, seed=0)


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Of a scheduler and one worker in this process, which carries "host"."""
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, resources={"host": 1}, dashboard_address=None, protocol="tcp", host="127.0.0.1",
    ) as cluster, fleet.connected(cluster.scheduler_address) as one:
        yield one


def doubled(number: int) -> int:
    if number == 3:
        raise ValueError("three is refused")
    if number == 4:
        raise UsageError("four is no number")
    return 2 * number


def test_each_item_comes_back_with_its_result_and_errors_name_what_went_wrong(client: Any) -> None:
    found = dict(fleet.spread(client, doubled, deque([1, 2, 3, 4]), device="host"))
    assert (found[1], found[2], str(found[4])) == (2, 4, "four is no number")
    assert isinstance(found[3], DeviceError)
    assert "ValueError: three is refused" in str(found[3])


def test_items_may_be_added_while_it_runs(client: Any) -> None:
    waiting = deque([1])
    for item, _ in fleet.spread(client, doubled, waiting):
        if item < 100:
            waiting.append(item + 99)
            last = item
    assert last == 1


def test_where_no_worker_carries_the_device_the_items_come_with_what_to_do(client: Any) -> None:
    (item, error), = fleet.spread(client, doubled, deque([1]), device="phone", patience_s=0.0)
    assert item == 1
    assert str(error) == (
        "no worker that carries phone has been at the scheduler for 0 s; begin one: edgebench devices worker phone tcp://..."
    )


def test_a_plan_for_a_device_that_nobody_carries_is_wrong_usage(client: Any, bag_of_words: Path) -> None:
    with pytest.raises(UsageError, match="^no worker of the fleet carries 'phone'; those there carry host. Begin one: edgebench devices worker phone tcp"):
        fleet.measure(client, plan(bag_of_words, []), "phone", keep=lambda _: None)


def test_a_cell_is_measured_with_files_that_are_brought_there(client: Any, home: Path, bag_of_words: Path) -> None:
    kept = list[Record]()
    found = fleet.measure(client, plan(bag_of_words, [bag()]), "host", keep=kept.append)
    assert found == kept
    assert [(one.spec, one.outcome, len(one.cold)) for one in found] == [(bag(), "ok", 1)]
    assert found[0].host["worker"]
    assert sorted(path.name for path in (home / "cache/far/models").rglob("*") if path.is_file()) == ["bag.onnx", "bag.toml", "tokenizer.json"]


def test_the_references_answers_are_asked_for_once_on_each_device(client: Any, home: Path, bag_of_words: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[tuple[str, int]]()
    there = station.executor("host")
    run = there.run
    monkeypatch.setattr(there, "run", lambda job: asked.append((job.part, job.spec.seed)) or run(job))
    monkeypatch.setattr(station, "_answers", {})
    cells = [bag(seed=seed, passes=("accuracy",)) for seed in (1, 2)]
    found = fleet.measure(client, plan(bag_of_words, cells, reference=bag(seed=9, threads=2, passes=("accuracy",))), "host", keep=lambda _: None)
    assert sorted(asked) == [("accuracy", 1), ("accuracy", 2), ("accuracy", 9)]
    assert [one.parity.agreement for one in found if one.parity] == [1.0, 1.0]


def test_another_edgebench_is_refused_with_both_versions() -> None:
    with pytest.raises(DeviceError, match=r"edgebench of the worker is .* and here 9\.9; install 9\.9 there"):
        station._read(b'{"edgebench": "9.9"}')


def test_a_scheduler_that_is_not_there_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "CONNECT_S", 0.2)
    with pytest.raises(DeviceError, match=r"^no scheduler answers at tcp://127\.0\.0\.1:1 "), fleet.connected("tcp://127.0.0.1:1"):
        pass


# processes of their own


def sleepy(cells: int, seconds: float) -> list[Spec]:
    return [bag(profile="sleeper", seed=seed, min_time_s=seconds) for seed in range(cells)]


@pytest.mark.slow
def test_a_lost_workers_cell_goes_to_another(home: Path, bag_of_words: Path, tmp_path: Path) -> None:
    with local_cluster(tmp_path, workers=2) as cluster, fleet.connected(cluster.address) as client:
        cluster.until(client, 2)
        kept = list[Record]()

        def keep(record: Record) -> None:
            kept.append(record)
            if len(kept) == 2:
                cluster.kill(0)

        fleet.measure(client, plan(bag_of_words, sleepy(8, 0.5)), "sleeper", keep=keep)
        assert sorted(one.spec.seed for one in kept) == list(range(8))
        assert {one.outcome for one in kept} == {"ok"}


@pytest.mark.slow
def test_when_all_workers_are_lost_each_cell_is_a_row_with_its_reason(home: Path, bag_of_words: Path, tmp_path: Path) -> None:
    with local_cluster(tmp_path, workers=1) as cluster, fleet.connected(cluster.address) as client:
        cluster.until(client, 1)
        kept = list[Record]()

        def keep(record: Record) -> None:
            kept.append(record)
            if len(kept) == 1:
                cluster.kill(0)

        fleet.measure(client, plan(bag_of_words, sleepy(3, 0.5)), "sleeper", keep=keep, patience_s=3.0)
        assert sorted(one.spec.seed for one in kept) == [0, 1, 2]
        assert [one.outcome for one in kept] == ["ok", "failed", "failed"]
        assert kept[1].reasons[0].startswith("no worker that carries sleeper has been at the scheduler for 3 s; begin one:")
