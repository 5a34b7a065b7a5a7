"""What `edgebench doctor` tries out: engines on bundled models, the models' digests, packages, folders, meters, a fixed calculation."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import edgebench
from edgebench import catalog, plugins
from edgebench.bench import energy
from edgebench.bench.job import Answer, Job
from edgebench.bench.meters.base import Meter
from edgebench.bench.plan import QUICK, Ask, Plan, plan
from edgebench.errors import EdgebenchError, MissingError, UnsupportedError, UsageError
from edgebench.models import card as cards
from edgebench.models.artifact import verify
from edgebench.record import Spec

STEADY_S = 1.5
PIECES = 32
PLAYED = "fake"  # an engine for tests
FOR_US = ("all", "audit", "lint", "test")  # extras that are for making edgebench, or are others taken together


@dataclass(frozen=True)
class Engine:
    """One that was asked about a bundled model in a process of its own; `error` says why it did not answer."""

    name: str
    version: str | None = None
    model: str = ""
    first_answer_ns: int | None = None
    error: str = ""
    missing: bool = False
    install: str = ""


@dataclass(frozen=True)
class Model:
    """A bundled model; `error` says which of its files is wrong."""

    name: str
    files: int
    error: str = ""


@dataclass(frozen=True)
class Extra:
    """A pip extra of edgebench's that is no engine; a package that is not installed has the version None."""

    name: str
    packages: dict[str, str | None]
    install: str


@dataclass(frozen=True)
class Folder:
    """Where edgebench writes; it need not exist yet."""

    path: Path
    writable: bool


def engines(execute: Callable[[Job], Answer]) -> Iterator[Engine]:
    """Every engine there is. Each runs in a worker, as when it is measured: one that crashes takes nothing with it."""
    sweep = _sweep()
    for name in plugins.names("backends"):
        if name == PLAYED:
            continue
        fits = sorted((spec for spec in sweep.cells if spec.backend == name), key=lambda spec: spec.precision != "int8")
        yield _answered(fits[0], sweep, execute) if fits else _installed(name)


def models() -> list[Model]:
    """The bundled ones, every file read."""
    found = []
    for path in sorted(catalog.shipped_folder("models").glob("*.toml")):
        try:
            listed = cards.read(path).listed
            for file in listed:
                verify(path.parent / file.file, file.sha256, file.size_bytes)
            found.append(Model(path.stem, len(listed)))
        except EdgebenchError as error:
            found.append(Model(path.stem, 0, str(error)))
    return found


def extras() -> list[Extra]:
    """What pip can install besides engines, as edgebench's own metadata names it."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        wanted = requires("edgebench") or []
    except PackageNotFoundError:  # a checkout that is not installed
        return []
    packages: dict[str, list[str]] = {}
    for line in wanted:
        extra, name = re.search(r"extra == ['\"]([\w-]+)['\"]", line), re.match(r"[\w.-]+", line)
        if extra and name and extra[1] not in (*FOR_US, *(_extra(one) for one in plugins.BUILT_IN["backends"])):
            packages.setdefault(extra[1], []).append(name[0])
    return [Extra(name, {one: _version(one) for one in sorted(those)}, install(name)) for name, those in sorted(packages.items())]


def meter() -> Meter | str:
    """What a sweep would measure energy with, or why there is nothing."""
    return energy.find(Spec(model="", format="", precision="", backend=""))


def folders() -> list[Folder]:
    """For fetched files, for the user's own models, and for results."""
    return [Folder(path, _writable(path)) for path in (catalog.cache_folder(), catalog.user_folder("models"), Path("results"))]


def steadiness(clock: Callable[[], int] = time.perf_counter_ns, seconds: float = STEADY_S) -> list[int]:
    """ns of the same calculation again and again: SHA-256 of 2 MiB, made of 64 KiB that stay in the cache.

    It takes a millisecond or some: one of 45 µs slipped through between two turns of a neighbour, and at half the speed
    its p90 was 0.2 % above its median.
    """
    data = bytes(1 << 16)
    samples: list[int] = []
    begin = clock()
    while clock() - begin < seconds * 1e9:
        start = clock()
        digest = hashlib.sha256()
        for _ in range(PIECES):
            digest.update(data)
        samples.append(clock() - start)
    return samples


def install(extra: str) -> str:
    """The command that installs an extra, "" for none: in a checkout with its pinned versions, else from the package index."""
    checkout, wanted = Path(edgebench.__file__).resolve().parent.parent, f"[{extra}]" if extra else ""
    if (checkout / "constraints.txt").is_file():
        return f'cd {checkout} && python -m pip install -c constraints.txt -e ".{wanted}"'
    return f'python -m pip install "edgebench{wanted}"'


def _sweep() -> Plan:
    """One cell for each bundled file in each engine, and an example to ask it about."""
    try:
        return plan(Ask(effort=replace(QUICK, examples=1)))
    except UsageError:  # nothing is bundled
        return Plan([], [], {}, 0)


def _answered(spec: Spec, sweep: Plan, execute: Callable[[Job], Answer]) -> Engine:
    examples = list(sweep.models[spec.model].labelled.texts)
    try:
        answer = execute(Job(spec=spec, part="cold", examples=examples))
    except EdgebenchError as error:
        return _failed(spec.backend, error)
    found = answer.cold.total_ns if answer.cold else None
    return Engine(spec.backend, answer.engine.get("version"), f"{spec.model} {spec.precision}", found)


def _installed(name: str) -> Engine:
    """An engine for which no bundled model has a file: whether it is there."""
    try:
        return Engine(name, plugins.get("backends", name).version())
    except UnsupportedError as error:
        return _failed(name, error)


def _failed(name: str, error: EdgebenchError) -> Engine:
    ours = name in plugins.BUILT_IN["backends"]  # how another package is installed is for its message to say
    return Engine(name, error=str(error), missing=isinstance(error, MissingError), install=install(_extra(name)) if ours else "")


def _extra(backend: str) -> str:
    """The pip extra that brings one of our engines; "" for one that comes with edgebench."""
    return str(plugins.get("backends", backend).extra)


def _version(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _writable(path: Path) -> bool:
    """Whether it can be written, or made, by this user."""
    there = next(one for one in (path.absolute(), *path.absolute().parents) if one.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)
