"""The worker's end of a fleet: an order (JSON) -> the records of one cell, measured through this worker's own executor.

    edgebench devices worker raspberry-pi-5 tcp://desk:8786

A station stands for one device. It runs on the device itself, or beside it, where its profile says how the device is reached.
"""

from __future__ import annotations

import atexit
import io
import platform
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

import edgebench
from edgebench import catalog, plugins
from edgebench.bench.job import Answer, Failure, Job, failure
from edgebench.bench.plan import Model, Plan
from edgebench.bench.run import Sweep
from edgebench.devices import far
from edgebench.devices import profile as profiles
from edgebench.devices.far import Item
from edgebench.errors import DeviceError, EdgebenchError, MissingError
from edgebench.models import card as cards
from edgebench.models.data import Labelled
from edgebench.record import Record, Spec

if TYPE_CHECKING:
    from edgebench.devices.base import Executor

CONNECT_S = 30.0


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One cell, and what it needs. `card` is the place of the model's card in the store, as that of each item."""

    edgebench: str
    device: str  # the resource that was asked for
    cell: Spec
    card: str
    reference: Spec | None
    labelled: Labelled
    pictures: bool  # the labelled texts are places of files in the store
    items: list[Item]
    seed: int


class Reply(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The cell's records, or the items that have to be brought to `worker` first, or why there is neither."""

    records: list[Record] = []
    lacking: list[Item] = []
    worker: str = ""
    failure: Failure | None = None


class _Greeting(msgspec.Struct, frozen=True):
    """What every version's order has."""

    edgebench: str


def measured(order: bytes) -> bytes:
    """What a worker is asked to do: an Order -> a Reply."""
    from distributed import get_worker

    try:
        worker = get_worker()
        return msgspec.json.encode(_reply(_read(order), worker.address, getattr(worker, "edgebench_device", None), str(worker.name)))
    except EdgebenchError as error:
        return msgspec.json.encode(Reply(failure=failure(error)))


def put(items: list[Item], bodies: list[bytes]) -> int:
    """Files for the store of the worker that this runs on; how many there are now."""
    return far.put(items, io.BytesIO(b"".join(bodies)))


def serve(device: str, address: str, *, also: tuple[str, ...] = (), name: str | None = None) -> None:
    """Be the station of the profile `device` until the scheduler ends it, or goes.

    `also`: further names that cells find it by; `name`: what no other worker is called.
    """
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise MissingError("a fleet needs dask.distributed, which is not installed; install edgebench[fleet]") from error
    import asyncio

    executor(device)  # what is wrong with the profile is said now
    try:
        asyncio.run(_served(device, address, also, name or f"{device}@{platform.node()}"))
    except OSError as error:  # TimeoutError is one
        said = str(error) or type(error).__name__
        raise DeviceError(f"no scheduler answers at {address} ({said}); start one with `dask scheduler`, or correct the address") from error
    finally:
        executor(device).close()


async def _served(device: str, address: str, also: tuple[str, ...], name: str) -> None:
    from distributed import Worker

    # dask's own limit of memory would pause a worker while a model is measured beside it
    worker: Any = Worker(
        address, nthreads=1, name=name, resources=dict.fromkeys((device, *also), 1), memory_limit=0, dashboard=False,
        death_timeout=CONNECT_S,
    )
    worker.edgebench_device = device
    async with worker:
        await worker.finished()


@cache
def executor(device: str) -> Executor:
    """This process's own for the device; closed when it ends."""
    profile = profiles.read(catalog.find("devices", device))
    made: Executor = plugins.get("devices", profile.reach)(profile)
    atexit.register(made.close)
    return made


def _read(body: bytes) -> Order:
    try:
        version = msgspec.json.decode(body, type=_Greeting).edgebench
        if version != edgebench.__version__:
            raise DeviceError(f"edgebench of the worker is {edgebench.__version__} and here {version}; install {version} there")
        return msgspec.json.decode(body, type=Order)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DeviceError(f"edgebench of the worker does not understand the one here ({error}); install the same one on both") from error


def _reply(order: Order, address: str, device: str | None, name: str) -> Reply:
    lacking = [one for one in order.items if not _there(one)]
    if lacking:
        return Reply(lacking=lacking, worker=address)
    there, card = executor(device or order.device), far.place(order.card)
    texts = tuple(str(far.place(one)) for one in order.labelled.texts) if order.pictures else order.labelled.texts
    model = Model(cards.read(card), order.reference and _at(order.reference, card), replace(order.labelled, texts=texts))
    cell = _at(order.cell, card)
    plan = Plan([cell], [], {cell.model: model}, order.seed)
    facts = {**there.facts(), "worker": name}
    found = Sweep(plan, lambda job: _answer(there, job), host=facts, keep=lambda _: None, tell=lambda _: None).run()
    back = {"model": order.cell.model, "allow_code": order.cell.allow_code}
    return Reply(records=[msgspec.structs.replace(one, spec=msgspec.structs.replace(one.spec, **back)) for one in found])


def _at(spec: Spec, card: Path) -> Spec:
    """The spec with its model, and the operating point behind it, as this worker names it."""
    _, point = catalog.split(spec.model)
    return msgspec.structs.replace(spec, model=f"{card}@{point}" if point else str(card))


_seen: set[tuple[Path, str]] = set()
_answers: dict[bytes, Answer] = {}


def _there(item: Item) -> bool:
    """Whether it is in the store; looked at once, since its bytes are checked again before an engine sees them."""
    place = far.place(item.path), item.sha256
    if place not in _seen and far.has(item):
        _seen.add(place)
    return place in _seen


def _answer(there: Executor, job: Job) -> Answer:
    """Every cell is held against its reference's answers, which a device gives once."""
    if job.part != "accuracy":
        return there.run(job)
    key = msgspec.json.encode(job)
    if key not in _answers:
        _answers[key] = there.run(job)
    return _answers[key]
