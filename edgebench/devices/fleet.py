"""A sweep's cells -> records, measured by the workers of a dask.distributed cluster, each of which carries a device's name as a resource.

    dask scheduler                                                   # on one machine, called desk here
    edgebench devices worker raspberry-pi-5 tcp://desk:8786          # on each board
    edgebench bench --profile raspberry-pi-5 --fleet tcp://desk:8786

`spread` knows no cells: it sends any work to workers, one item at a time to each, and gives back an item whose worker is lost.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

import edgebench
from edgebench import catalog
from edgebench.bench.job import raised
from edgebench.bench.plan import Plan
from edgebench.bench.verdict import new_id, utc
from edgebench.devices import parcel, station
from edgebench.devices.far import Item
from edgebench.errors import DeviceError, EdgebenchError, MissingError, UsageError
from edgebench.record import Record, Spec

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT_S = 10.0
PATIENCE_S = 60.0  # so long a fleet without a single worker is waited for: a board restarts in that time
POLL_S = 1.0
COPIES = 20  # so many workers a cell may come to that lack its files

T = TypeVar("T")
R = TypeVar("R")


@contextlib.contextmanager
def connected(address: str) -> Iterator[Client]:
    """A client of the scheduler at tcp://host:port. Whoever reaches a scheduler may run code on its workers: see docs/fleet.md."""
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingError("a fleet needs dask.distributed, which is not installed; install edgebench[fleet]") from error
    try:
        client = Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:  # TimeoutError is an OSError
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DeviceError(f"no scheduler answers at {address} ({said}); start one with `dask scheduler`, or correct the address") from error
    with client:
        yield client


def spread(
    client: Client, work: Callable[[T], R], waiting: deque[T], *, device: str | None = None, patience_s: float = PATIENCE_S,
) -> Iterator[tuple[T, R | EdgebenchError]]:
    """Each item of `waiting` with what `work` returned for it on some worker, in the order they come; more may be added meanwhile.

    Only workers with the resource `device` are asked, each for one item at a time; new ones are used as they come. An item
    whose worker is lost goes to another one, until it has lost as many as the scheduler allows (allowed-failures, 3). Then,
    where `work` raised, or where there was no worker for `patience_s`, the item comes with a DeviceError.
    """
    running: dict[str, tuple[Future, T]] = {}
    done: SimpleQueue[Future] = SimpleQueue()
    seen_at = time.monotonic()
    try:
        while waiting or running:
            there = workers(client, device)
            seen_at = time.monotonic() if there else seen_at
            while waiting and len(running) < there:  # no more than that: what waits on a worker would be suspected when it is lost
                item = waiting.popleft()
                future = client.submit(work, item, resources={device: 1} if device else None, pure=False)
                running[future.key] = future, item
                future.add_done_callback(done.put)
            try:
                future = done.get(timeout=POLL_S)
            except Empty:
                if time.monotonic() - seen_at < patience_s:
                    continue
                who = f"worker that carries {device}" if device else "worker"
                gone = DeviceError(f"no {who} has been at the scheduler for {patience_s:.0f} s; begin one: {begin(device)}")
                for item in [*(item for _, item in running.values()), *waiting]:
                    yield item, gone
                waiting.clear()
                return
            if future.status in ("finished", "error"):
                item = running.pop(future.key)[1]
                yield item, _outcome(future)
            else:  # its worker was lost before the result was fetched, so it is done anew
                future.add_done_callback(done.put)
    finally:
        client.cancel([future for future, _ in running.values()])


def workers(client: Client, device: str | None) -> int:
    """How many there are now that carry it."""
    return sum(device is None or one.get("resources", {}).get(device, 0) >= 1 for one in client.scheduler_info()["workers"].values())


def begin(device: str | None) -> str:
    """The command that begins a worker."""
    return f"edgebench devices worker {device or 'PROFILE'} tcp://..."


def _outcome(future: Any) -> Any:
    """What the work returned, or why it did not."""
    if future.status == "finished":
        return future.result()
    error = future.exception()
    if isinstance(error, EdgebenchError):
        return error
    if type(error).__name__ == "KilledWorker":
        return DeviceError(f"its worker was lost each time it was measured ({future.key.rpartition('-')[2][:8]}): {error}".split("\n")[0])
    return DeviceError(f"the worker could not do it ({type(error).__name__}: {error}); install the same edgebench there, and see its log")


def measure(
    client: Client, plan: Plan, device: str, *, keep: Callable[[Record], None], done: Callable[[int], None] = lambda _: None, patience_s: float = PATIENCE_S,
) -> list[Record]:
    """The plan's records. A cell is measured whole on one device, with its reference's answers, and its record says on which.

    `keep` gets each as soon as it is there, `done` how many cells have ended. UsageError where no worker carries `device` now.
    """
    if not workers(client, device):
        others = sorted({name for one in client.scheduler_info()["workers"].values() for name in one.get("resources", {})})
        there = f"those there carry {', '.join(others)}" if others else "there is none at all"
        raise UsageError(f"no worker of the fleet carries {device!r}; {there}. Begin one: {begin(device)}")
    found = [msgspec.structs.replace(row, started_at=utc(), id=new_id()) for row in plan.rows]
    for row in found:
        keep(row)
    orders = {one.body: one for one in (_order(plan, spec, device) for spec in plan.cells)}
    waiting, ended = deque(orders), 0
    Random(plan.seed).shuffle(waiting)
    for body, outcome in spread(client, station.measured, waiting, device=device, patience_s=patience_s):
        order, reply = orders[body], outcome if isinstance(outcome, EdgebenchError) else _reply(outcome)
        if isinstance(reply, station.Reply) and reply.lacking:
            if len(order.copied) < COPIES:
                order.copied.append(reply.worker)
                _copy(client, order.files, reply)
                waiting.appendleft(body)
                continue
            reply = DeviceError(f"files do not arrive at {reply.worker}; see whether its disk is full")
        ended += 1
        for record in [_failed(order.spec, reply)] if isinstance(reply, EdgebenchError) else reply.records:
            if all((record.spec, record.reasons) != (one.spec, one.reasons) for one in found):  # an engine that is not installed is one row for all its cells
                found.append(record)
                keep(record)
        done(ended)
    return found


@dataclass(frozen=True)
class Order:
    """A cell's order as it is sent, its spec here, and where its files are here by their places there. `copied`: to which workers they were brought."""

    spec: Spec
    body: bytes
    files: dict[str, Path]
    copied: list[str] = field(default_factory=list)


def _failed(spec: Spec, error: EdgebenchError) -> Record:
    return Record(spec=spec, outcome="failed", verdict="failed", reasons=[str(error)], started_at=utc(), id=new_id())


def _order(plan: Plan, spec: Spec, device: str) -> Order:
    model = plan.models[spec.model]
    card_path = catalog.find("models", spec.model)
    files: dict[Path, Item] = {}
    for one in (spec, *([model.reference] if model.reference else [])):
        files |= parcel.files(card_path, one, counted="work" in spec.passes)
    texts = parcel.pictures(model.labelled.texts)
    pictures = {Path(one): parcel.picture(Path(one)) for one in texts}
    labelled = replace(model.labelled, texts=tuple(pictures[Path(one)].path for one in texts)) if pictures else model.labelled
    may = {"allow_code": spec.allow_code or parcel.is_bundled(card_path)}
    order = station.Order(
        edgebench=edgebench.__version__, device=device, cell=msgspec.structs.replace(spec, **may), card=files[card_path].path,
        reference=model.reference and msgspec.structs.replace(model.reference, **may), labelled=labelled, pictures=bool(pictures),
        items=[*files.values(), *pictures.values()], seed=plan.seed,
    )
    return Order(spec, msgspec.json.encode(order), {item.path: path for path, item in (files | pictures).items()})


def _reply(body: bytes) -> station.Reply | EdgebenchError:
    try:
        reply = msgspec.json.decode(body, type=station.Reply)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return DeviceError(f"the worker answered what is no answer here ({error}); install the same edgebench on both")
    return raised(reply.failure) if reply.failure else reply


def _copy(client: Client, files: dict[str, Path], reply: station.Reply) -> None:
    """Bring the worker what it lacks; whether it arrived shows when a cell is ordered again."""
    for item in reply.lacking:  # one by one: a board has room in memory for one
        body = files[item.path].read_bytes()
        client.run(station.put, [item], [body], workers=[reply.worker], on_error="ignore")
