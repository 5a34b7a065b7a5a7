"""What is said of two records that were measured around different things, and which of these forbid comparing them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from edgebench.record import Record
from edgebench.reports.contexts import FACTS, differences

HOST: dict[str, Any] = {
    "machine": "x86_64", "board": "Desk 1", "cpu": "Test CPU", "cores": 8, "usable_cores": 4, "cpu_flags": ["avx2"], "governor": "performance",
    "energy_preference": "performance", "turbo": True, "freq_max_hz": 3_000_000_000, "smt": True, "cpus_allowed": "0-3", "cpu_limit_cores": None,
    "memory_bytes": 8_000_000_000, "memory_limit_bytes": None, "swap_bytes": 0, "huge_pages": "always", "container": None, "os": "Linux 1", "kernel": "6.1",
    "libc": "glibc 2.36", "python": "3.11.2", "packages": {"edgebench": "1", "numpy": "2", "tokenizers": "3"}, "commit": "a" * 40, "power_source": "mains",
    "clock_source": "tsc", "before": [{"load_average": 0.1, "temp_c": 40.0}], "after": [{"freq_hz": 3_000_000_000, "throttled": False}],
}


@pytest.fixture
def record(make: Callable[..., Record]) -> Callable[..., Record]:
    """A cell on `HOST` with changes, and other changes of its spec, artifact, ..."""

    def made(host: dict[str, Any] | None = None, **more: Any) -> Record:
        return make("onnxruntime", "int8", 2, host=HOST | (host or {}), artifact={"sha256": "ab" * 32, "size_bytes": 1}, **more)

    return made


def names(a: Record, b: Record) -> list[str]:
    return [one.name for one in differences(a, b)]


def test_what_was_measured_alike_differs_in_nothing(record: Callable[..., Record]) -> None:
    assert differences(record(), record()) == []


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"machine": "aarch64"}, "machine: A x86_64, B aarch64; another machine"), ({"board": "Desk 2"}, "board: A Desk 1, B Desk 2; another machine"),
        ({"cpu": "Other CPU"}, "processor: A Test CPU, B Other CPU; another machine"), ({"cores": 4}, "cores: A 8, B 4; another machine"),
        ({"usable_cores": 2}, "usable cores: A 4, B 2; another machine"),
    ],
)
def test_another_machine_forbids_comparing(change: dict[str, Any], text: str, record: Callable[..., Record]) -> None:
    (found,) = differences(record(), record(change))
    assert (str(found), found.refuses) == (text, True)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"scenario": "offline"}, "scenario: A single-stream, B offline; another question was asked"),
        ({"length": 32}, "length: A own, B 32; another question was asked"), ({"batch": 8}, "batch: A 1, B 8; another question was asked"),
        ({"rules": "mlperf"}, "rules: A edgebench, B mlperf; another question was asked"),
        ({"rate_hz": 9.0}, "offered rate: A sought, B 9.0; another question was asked"), ({"bound_ns": 9}, "bound: A own, B 9; another question was asked"),
    ],
)
def test_another_question_forbids_comparing(change: dict[str, Any], text: str, record: Callable[..., Record]) -> None:
    (found,) = differences(record(), record(spec=change))
    assert (str(found), found.refuses) == (text, True)


def test_another_labelled_set_forbids_comparing(record: Callable[..., Record]) -> None:
    first, second = record(), record()
    other = msgspec.structs.replace(second, accuracy=msgspec.structs.replace(second.accuracy, dataset_sha256="12" * 32))
    (found,) = differences(first, other)
    assert (str(found), found.refuses) == ("labelled set: A sst2 (00), B sst2 (12121212); other inputs were timed, and other examples judged", True)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"governor": "powersave"}, "governor: A performance, B powersave; the clock may have been another"),
        ({"energy_preference": "power"}, "energy preference: A performance, B power; the clock may have been another"),
        ({"turbo": False}, "turbo: A on, B off; the clock may have been another"),
        ({"freq_max_hz": 2_400_000_000}, "highest clock: A 3.00 GHz, B 2.40 GHz; the clock may have been another"),
        ({"after": [{"freq_hz": 2_000_000_000, "throttled": False}]}, "clock at the end: A 3.00 GHz, B 2.00 GHz; the clock may have been another"),
        ({"after": [{"freq_hz": 3_000_000_000, "throttled": True}, {"throttled": False}]}, "throttled: A no, B yes; one side was held back"),
        ({"before": [{"load_average": 0.1, "temp_c": 51.0}]}, "temperature at the start: A 40.0 °C, B 51.0 °C; the clock may have been another"),
        ({"before": [{"load_average": 2.1, "temp_c": 40.0}]}, "load at the start: A 0.10, B 2.10; other work may have run beside one side"),
        ({"power_source": "battery"}, "power source: A mains, B battery; the clock may have been another"),
        ({"smt": False}, "multithreaded cores: A on, B off; the system may have worked otherwise"),
        ({"cpus_allowed": "0-1"}, "allowed processors: A 0-3, B 0-1; less may have been to be had"),
        ({"cpu_limit_cores": 1.5}, "processor limit: A none, B 1.5; less may have been to be had"),
        ({"memory_limit_bytes": 10**9}, "memory limit: A none, B 1.00 GB; less may have been to be had"),
        ({"memory_bytes": 4 * 10**9}, "memory: A 8.00 GB, B 4.00 GB; less may have been to be had"),
        ({"swap_bytes": 10**9}, "swap: A 0 B, B 1.00 GB; the system may have worked otherwise"),
        ({"huge_pages": "never"}, "huge pages: A always, B never; the system may have worked otherwise"),
        ({"container": "docker"}, "container: A none, B docker; the system may have worked otherwise"),
        ({"os": "Linux 2"}, "system: A Linux 1, B Linux 2; the system may have worked otherwise"),
        ({"kernel": "6.2"}, "kernel: A 6.1, B 6.2; the system may have worked otherwise"),
        ({"libc": "musl"}, "libc: A glibc 2.36, B musl; other code may have run"),
        ({"python": "3.13.0"}, "python: A 3.11.2, B 3.13.0; other code may have run"),
        ({"packages": {"edgebench": "2", "numpy": "2", "tokenizers": "3"}}, "edgebench: A 1, B 2; other code may have run"),
        ({"packages": {"edgebench": "1", "numpy": "3", "tokenizers": "3"}}, "numpy: A 2, B 3; other code may have run"),
        ({"packages": {"edgebench": "1", "numpy": "2", "tokenizers": "4"}}, "tokenizers: A 3, B 4; other code may have run"),
        ({"commit": "b" * 40}, "commit of edgebench: A aaaaaaaaaa, B bbbbbbbbbb; other code may have run"),
        ({"cpu_flags": ["avx2", "avx512f"]}, "instructions: A avx2, B avx2 avx512f; engines choose their kernels by them"),
        ({"clock_source": "hpet"}, "clock source: A tsc, B hpet; the clock may have another resolution"),
    ],
)
def test_what_may_have_changed_the_number_is_named_with_both_values(change: dict[str, Any], text: str, record: Callable[..., Record]) -> None:
    (found,) = differences(record(), record(change))
    assert (str(found), found.refuses) == (text, False)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"spec": {"seed": 1}}, "seed: A 0, B 1; inputs came in another order"),
        ({"spec": {"profile": "desk"}}, "profile: A host, B desk; it may be another device"),
        ({"engine": {"library": "onnxruntime", "version": "1.3"}}, "engine: A onnxruntime 1.2, B onnxruntime 1.3; other code may have run"),
    ],
)
def test_so_are_seed_profile_and_the_engines_version(change: dict[str, Any], text: str, record: Callable[..., Record]) -> None:
    (found,) = differences(record(), record(**change))
    assert (str(found), found.refuses) == (text, False)


def test_fewer_examples_are_named(record: Callable[..., Record]) -> None:
    first, second = record(), record()
    other = msgspec.structs.replace(second, accuracy=msgspec.structs.replace(second.accuracy, n=256))
    assert [str(one) for one in differences(first, other)] == ["examples: A 872, B 256; not all inputs were the same"]


def test_a_changed_file_of_the_same_variant_is_named_and_another_variant_is_what_is_compared(record: Callable[..., Record]) -> None:
    changed = msgspec.structs.replace(record(), artifact={"sha256": "cd" * 32})
    assert [str(one) for one in differences(record(), changed)] == [
        "model file: A abababababab…, B cdcdcdcdcdcd…; the file changed, which may be what you compare"
    ]
    assert names(record(), msgspec.structs.replace(changed, spec=msgspec.structs.replace(changed.spec, precision="fp32"))) == []


def test_two_engines_have_two_versions_and_that_is_what_is_compared(record: Callable[..., Record]) -> None:
    assert names(record(), record(engine={"library": "tflite", "version": "9"})) == []


@pytest.mark.parametrize(
    "change",
    [
        {"before": [{"load_average": 1.0, "temp_c": 49.9}]}, {"after": [{"freq_hz": 2_900_000_000, "throttled": None}, {"throttled": False}]},
        {"memory_bytes": 7_900_000_000},
    ],
)
def test_small_differences_of_what_always_varies_are_none(change: dict[str, Any], record: Callable[..., Record]) -> None:
    assert names(record(), record(change)) == []


@pytest.mark.parametrize("name", ["cpu", "governor", "memory_limit_bytes"])
def test_what_one_side_does_not_know_is_said_and_forbids_nothing(name: str, record: Callable[..., Record]) -> None:
    known = record({name: "known"} if name != "memory_limit_bytes" else {name: 1})
    unknown = msgspec.structs.replace(known, host={key: value for key, value in known.host.items() if key != name})
    (found,) = differences(unknown, known)
    assert (found.a, found.means, found.refuses) == ("is not known", "it may differ", False)
    assert differences(unknown, unknown) == []


def test_what_forbids_comes_first(record: Callable[..., Record]) -> None:
    found = differences(record(), record({"kernel": "7", "cpu": "other", "clock_source": "x", "board": "other"}))
    assert [one.refuses for one in found] == [True, True, False, False]


def test_every_fact_has_a_name_of_its_own_and_a_meaning() -> None:
    assert len({one.name for one in FACTS}) == len(FACTS)
    assert all(one.means for one in FACTS)
