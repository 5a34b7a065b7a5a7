"""Two records -> what differed around them: which facts, the value on either side, what that means, and whether it forbids comparing.

A number belongs to the machine, the inputs and the question it was measured with. Where one of these is another, a ratio
of two times says nothing of the cells. Everything else is named beside the ratio, and what one side does not know, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

from edgebench.record import Record
from edgebench.reports.base import model
from edgebench.units import bytes_text, celsius_text, hertz_text, three_digits

WARMER_C = 10.0  # than this apart, heat may have changed the clock
LOADED = 1.0  # more runnable processes than on the other side
FASTER = 0.05  # of the clock
MEMORY = 0.02  # kernels of one machine keep more or less of its memory for themselves


@dataclass(frozen=True)
class Fact:
    """`read` gives None for what is not known. `alike`: whether two known values count as the same."""

    name: str
    read: Callable[[Record], Any]
    means: str  # what it means where the two differ
    refuses: bool = False
    alike: Callable[[Any, Any], bool] = lambda a, b: bool(a == b)
    text: Callable[[Any], str] = str


@dataclass(frozen=True)
class Difference:
    """One fact with its two values as texts."""

    name: str
    a: str
    b: str
    means: str
    refuses: bool

    def __str__(self) -> str:
        return f"{self.name}: A {self.a}, B {self.b}; {self.means}"


def differences(a: Record, b: Record) -> list[Difference]:
    """What differed, what forbids comparing first. What neither side knows is no difference; what one does not know forbids nothing."""
    found = []
    for fact in FACTS:
        mine, theirs = fact.read(a), fact.read(b)
        if mine is None and theirs is None:
            continue
        unknown = mine is None or theirs is None
        if unknown or not fact.alike(mine, theirs):
            first, second = ("is not known" if one is None else fact.text(one) for one in (mine, theirs))
            found.append(Difference(fact.name, first, second, "it may differ" if unknown else fact.means, fact.refuses and not unknown))
    return found


def _host(name: str) -> Callable[[Record], Any]:
    return lambda record: record.host.get(name)


def _limit(name: str) -> Callable[[Record], Any]:
    """Where the machine has none it says null; where nobody looked there is no such key."""
    return lambda record: record.host[name] or "none" if name in record.host else None


def _spec(name: str) -> Callable[[Record], Any]:
    return lambda record: getattr(record.spec, name)


def _package(name: str) -> Callable[[Record], Any]:
    return lambda record: record.host.get("packages", {}).get(name)


def _at_start(name: str) -> Callable[[Record], Any]:
    """The median over the timing processes, as each began."""
    return _over("before", name)


def _over(when: str, name: str) -> Callable[[Record], Any]:
    def read(record: Record) -> Any:
        values = [one[name] for one in record.host.get(when, []) if one.get(name) is not None]
        return median(values) if values else None

    return read


def _throttled(record: Record) -> bool | None:
    values = [one["throttled"] for one in record.host.get("after", []) if one.get("throttled") is not None]
    return any(values) if values else None


def _inputs(record: Record) -> str | None:
    return f"{record.accuracy.dataset} ({record.accuracy.dataset_sha256[:8]})" if record.accuracy else None


def _examples(record: Record) -> int | None:
    return record.accuracy.n if record.accuracy else None


def _file(record: Record) -> Any:
    """Only of a model in the same format and precision; otherwise another file is what is compared."""
    return model(record), record.spec.format, record.spec.precision, record.artifact.get("sha256")


def _same_file(a: Any, b: Any) -> bool:
    return bool(a[:3] != b[:3] or a == b)


def _engine(record: Record) -> Any:
    return (record.engine["library"], record.engine.get("version")) if "library" in record.engine else None


def _same_engine(a: Any, b: Any) -> bool:
    return bool(a[0] != b[0] or a == b)


def _switch(value: bool) -> str:
    return "on" if value else "off"


def _within(share: float) -> Callable[[Any, Any], bool]:
    return lambda a, b: bool(abs(a - b) <= share * max(abs(a), abs(b)))


def _near(distance: float) -> Callable[[Any, Any], bool]:
    return lambda a, b: bool(abs(a - b) <= distance)


MACHINE, QUESTION, CLOCK, LIMIT = "another machine", "another question was asked", "the clock may have been another", "less may have been to be had"
CODE, SYSTEM = "other code may have run", "the system may have worked otherwise"

FACTS = (  # what refuses comes first
    Fact("machine", _host("machine"), MACHINE, refuses=True),
    Fact("board", _host("board"), MACHINE, refuses=True),
    Fact("processor", _host("cpu"), MACHINE, refuses=True),
    Fact("cores", _host("cores"), MACHINE, refuses=True),
    Fact("usable cores", _host("usable_cores"), MACHINE, refuses=True),
    Fact("scenario", _spec("scenario"), QUESTION, refuses=True),
    Fact("rules", _spec("rules"), QUESTION, refuses=True),
    Fact("length", lambda record: record.spec.length or "own", QUESTION, refuses=True),
    Fact("batch", _spec("batch"), QUESTION, refuses=True),
    Fact("offered rate", lambda record: record.spec.rate_hz or "sought", QUESTION, refuses=True),
    Fact("bound", lambda record: record.spec.bound_ns or "own", QUESTION, refuses=True),
    Fact("labelled set", _inputs, "other inputs were timed, and other examples judged", refuses=True),
    Fact("examples", _examples, "not all inputs were the same"),
    Fact("profile", _spec("profile"), "it may be another device"),
    Fact("seed", _spec("seed"), "inputs came in another order"),
    Fact("model file", _file, "the file changed, which may be what you compare", alike=_same_file, text=lambda one: f"{str(one[3])[:12]}…"),
    Fact("engine", _engine, CODE, alike=_same_engine, text=lambda one: f"{one[0]} {one[1]}"),
    Fact("edgebench", _package("edgebench"), CODE),
    Fact("commit of edgebench", _host("commit"), CODE, text=lambda one: str(one)[:10]),
    Fact("numpy", _package("numpy"), CODE),
    Fact("tokenizers", _package("tokenizers"), CODE),
    Fact("python", _host("python"), CODE),
    Fact("libc", _host("libc"), CODE),
    Fact("system", _host("os"), SYSTEM),
    Fact("kernel", _host("kernel"), SYSTEM),
    Fact("instructions", _host("cpu_flags"), "engines choose their kernels by them", text=lambda one: " ".join(one)),
    Fact("governor", _host("governor"), CLOCK),
    Fact("energy preference", _host("energy_preference"), CLOCK),
    Fact("turbo", _host("turbo"), CLOCK, text=_switch),
    Fact("highest clock", _host("freq_max_hz"), CLOCK, alike=_within(FASTER), text=hertz_text),
    Fact("clock at the end", _over("after", "freq_hz"), CLOCK, alike=_within(FASTER), text=hertz_text),
    Fact("throttled", _throttled, "one side was held back", text=lambda one: "yes" if one else "no"),
    Fact("temperature at the start", _at_start("temp_c"), CLOCK, alike=_near(WARMER_C), text=celsius_text),
    Fact("power source", _host("power_source"), CLOCK),
    Fact("load at the start", _at_start("load_average"), "other work may have run beside one side", alike=_near(LOADED), text=three_digits),
    Fact("multithreaded cores", _host("smt"), SYSTEM, text=_switch),
    Fact("allowed processors", _host("cpus_allowed"), LIMIT),
    Fact("processor limit", _limit("cpu_limit_cores"), LIMIT),
    Fact("memory", _host("memory_bytes"), LIMIT, alike=_within(MEMORY), text=bytes_text),
    Fact("memory limit", _limit("memory_limit_bytes"), LIMIT, text=lambda one: bytes_text(one) if one != "none" else "none"),
    Fact("swap", _host("swap_bytes"), SYSTEM, text=bytes_text),
    Fact("huge pages", _host("huge_pages"), SYSTEM),
    Fact("container", _limit("container"), SYSTEM),
    Fact("clock source", _host("clock_source"), "the clock may have another resolution"),
)
