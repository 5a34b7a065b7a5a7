"""Which cell is to be taken, which are as good, and why each other one was not."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from edgebench.bench.budgets import Budget
from edgebench.record import Accuracy, Energy, Record
from edgebench.reports.recommend import Recommendation, apart, recommend, render, strangers, to_json
from tests.reports.conftest import accuracy, cell
from tests.reports.test_pairs import answered, peak, timed

TEXT = """\
tiny, 1 thread, real inputs, accuracy on sst2 (n = 872)
Test CPU, 4 cores, 2026-01-02 03:04 UTC
limits: median <= 3.00 ms, peak <= 90.0 MB; preferred: latency

take tiny b int8 1 thread: 1.00 ms (95 %: 938 µs to 1.07 ms), 80.0 MB at its peak, accuracy 90.0 %
  (95 %: 88.0 % to 91.8 %), a file of 14.6 MB

not tiny a fp32 1 thread: keeps the limits, too: 100.0 % slower, 1.0 points more accurate than the
  one to take
not tiny c int8 1 thread: 190.0 % slower, 6.2 % more memory, 1.0 points less accurate than tiny b
  int8 1 thread, and better in nothing
not tiny d int8 1 thread: median is 4.00 ms, 1.00 ms (33.3 %) over the 3.00 ms of its budget; peak
  is 95.0 MB, 5.00 MB (5.6 %) over the 90.0 MB of its budget
not tiny e int8 1 thread: invalid: accuracy is lost
not tiny f int8 1 thread: noisy: restless
not tiny g * 1 thread: unsupported: it is not here
"""

NONE = """\
tiny, 1 thread, real inputs, accuracy on sst2 (n = 872)
Test CPU, 4 cores, 2026-01-02 03:04 UTC
limits: peak <= 75.0 MB, accuracy >= 85.0 %, energy <= 1.00 mJ; preferred: latency

take none: no valid cell keeps every limit
peak <= 75.0 MB: nearest is tiny b int8 1 thread: peak is 80.0 MB, 5.00 MB (6.7 %) over the 75.0 MB of its budget
accuracy >= 85.0 %: kept by 2 of 2 valid cells
energy <= 1.00 mJ: it was not measured

not tiny a int8 1 thread: peak is 85.0 MB, 10.0 MB (13.3 %) over the 75.0 MB of its budget; energy <= 1.00 mJ cannot be
  shown: it was not measured
not tiny b int8 1 thread: peak is 80.0 MB, 5.00 MB (6.7 %) over the 75.0 MB of its budget; energy <= 1.00 mJ cannot be
  shown: it was not measured
not tiny c int8 1 thread: noisy: restless
"""


def of(name: str, ms: float, megabytes: float = 80, right: float | Accuracy = 0.9, *, precision: str = "int8", **facts: Any) -> Record:
    """A cell of the engine `name`, two processes whose medians are 1 % apart."""
    judged = right if isinstance(right, Accuracy) else accuracy(right)
    return cell(name, precision, 1, **{"latency": timed([0.995 * ms], [1.005 * ms]), "memory": peak(1e6 * megabytes), "accuracy": judged, **facts})


def limits(*texts: str) -> list[Budget]:
    return [Budget.parse(text) for text in texts]


def only(*records: Record, prefer: str = "latency", within: tuple[str, ...] = ()) -> Recommendation:
    (found,) = recommend(records, limits(*within), prefer)
    return found


def picked(*records: Record, **asked: Any) -> str | None:
    found = only(*records, **asked)
    return found.pick.spec.backend if found.pick else None


def why(found: Recommendation, name: str) -> str:
    (said,) = [said for record, said in found.rejected if record.spec.backend == name]
    return said


# the whole text


def test_what_is_printed_of_a_choice() -> None:
    records = [
        of("a", 2, right=0.91, precision="fp32"), of("b", 1), of("c", 2.9, 85, 0.89), of("d", 4, 95),
        of("e", 0.5, verdict="invalid", reasons=["accuracy is lost"]), of("f", 0.5, verdict="noisy", reasons=["restless", "and more"]),
        cell("g", "*", verdict="unsupported", reasons=["it is not here"]),
    ]
    asked = limits("median <= 3 ms", "peak <= 90 MB")
    assert render(recommend(records, asked), asked, "latency", width=100) == TEXT


def test_where_nothing_can_be_taken_it_is_told_how_near_each_limit_is() -> None:
    records = [of("a", 1, 85), of("b", 2), of("c", 1, 70, verdict="noisy", reasons=["restless"])]
    asked = limits("peak <= 75 MB", "accuracy >= 0.85", "energy <= 1 mJ")
    assert render(recommend(records, asked), asked, "latency") == NONE


def test_where_no_cell_is_valid_that_is_said() -> None:
    found = only(of("a", 1, verdict="noisy"), of("b", 1, verdict="invalid"))
    assert (found.pick, found.nearest) == (None, ["no cell is valid; measure again, longer or on a quieter machine"])


# the pick


@pytest.mark.parametrize(
    ("prefer", "name"), [("latency", "fast"), ("memory", "small"), ("accuracy", "right"), ("size", "short"), ("energy", "frugal")]
)
def test_the_best_in_what_is_preferred_is_taken(prefer: str, name: str) -> None:
    def energy(joules: float) -> Energy:
        return Energy(method="rapl", scope="package-0", idle_j=0, idle_s=1, run_j=joules, run_s=1, runs=1)

    records = [
        of("fast", 1, energy=energy(9)), of("small", 2, 60, energy=energy(9)), of("right", 3, right=0.95, energy=energy(9)),
        of("short", 4, artifact={"size_bytes": 1}, energy=energy(9)), of("frugal", 5, energy=energy(1)),
    ]
    assert picked(*records, prefer=prefer) == name


def test_what_is_faster_but_beyond_a_limit_is_not_taken() -> None:
    assert picked(of("a", 1, 300), of("b", 2), within=("peak <= 200 MB",)) == "b"


@pytest.mark.parametrize("verdict", ["noisy", "invalid", "failed", "unsupported"])
def test_what_is_not_valid_is_never_taken(verdict: str) -> None:
    assert picked(of("a", 1, verdict=verdict), of("b", 2)) == "b"


def test_among_times_that_cannot_be_told_apart_the_smaller_is_taken_and_that_is_said() -> None:
    found = only(of("a", 1.0, 90, 0.92), of("b", 1.02, 80))
    assert found.pick is not None
    assert found.pick.spec.backend == "b"
    assert why(found, "a") == "keeps the limits, too: no detectable difference in time, 12.5 % more memory, 2.0 points more accurate than the one to take"


def test_a_cell_that_ties_in_time_but_is_worse_in_the_rest_is_dominated() -> None:
    found = only(of("a", 1.0, 90), of("b", 1.02, 80))
    assert why(found, "a") == "no detectable difference in time, 12.5 % more memory than tiny b int8 1 thread, and better in nothing"


def test_accuracies_that_cannot_be_told_apart_are_a_tie_and_the_faster_is_taken() -> None:
    by_chance = [of("a", 2, right=answered("pppppppppp")), of("b", 1, right=answered("pppppppnnn"))]
    assert picked(*by_chance, prefer="accuracy") == "b"
    clearly = [of("a", 2, right=answered("pppppppppp")), of("b", 1, right=answered("ppnnnnnnnn"))]
    assert picked(*clearly, prefer="accuracy") == "a"


def test_what_was_not_measured_in_what_is_preferred_is_not_taken() -> None:
    found = only(of("a", 1, memory=None), of("b", 2), prefer="memory")
    assert why(found, "a") == "its memory was not measured"


def test_of_two_that_are_alike_in_everything_one_is_taken() -> None:
    assert picked(of("a", 1), of("b", 1)) in ("a", "b")


def test_a_dominated_cell_names_the_one_to_take_where_that_dominates_it() -> None:
    found = only(of("a", 2, 90), of("b", 1, 80), of("c", 3, 95))
    assert why(found, "c").startswith("200.0 % slower, 18.8 % more memory than tiny b int8 1 thread, ")


def test_what_one_of_two_does_not_know_makes_neither_better() -> None:
    found = only(of("a", 1), of("b", 2, memory=None))
    assert why(found, "b") == "100.0 % slower than tiny a int8 1 thread, and better in nothing"


# which records


def test_each_question_has_an_answer_of_its_own() -> None:
    found = recommend([of("a", 1), of("b", 2, spec={"length": 32}), of("c", 1, spec={"length": 32}), of("d", 1, spec={"scenario": "offline"})], [])
    assert [one.pick.spec.backend for one in found if one.pick] == ["a", "c", "d"]


def test_a_cell_that_was_measured_again_counts_once() -> None:
    old, new = (of("a", ms, started_at=f"2026-01-0{day}T00:00:00Z") for ms, day in ((1, 1), (3, 2)))
    found = only(new, old, of("b", 2))
    assert [one.spec.backend for one in found.records] == ["a", "b"]
    assert found.pick is not None
    assert found.pick.spec.backend == "b"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"host": {"cpu": "Other CPU", "usable_cores": 4}}, ["2 machines (None Other CPU 4 | None Test CPU 4)"]),
        ({"right": msgspec.structs.replace(accuracy(0.9), n=256)}, ["2 labelled sets (sst2 00 n = 256 | sst2 00 n = 872)"]),
        ({}, []),
    ],
)
def test_records_of_other_machines_or_sets_are_strangers(change: dict[str, Any], said: list[str]) -> None:
    failed = cell("x", "int8", verdict="failed")
    assert strangers([of("a", 1), of("b", 1, **change), failed]) == said


def test_json_is_one_document_in_base_units(make: Callable[..., Record]) -> None:
    asked = limits("peak <= 90 MB")
    text = to_json(recommend([of("a", 1), of("b", 2, 100)], asked), asked, "latency")
    found = json.loads(text)
    (question,) = found["questions"]
    assert (found["limits"], found["prefer"], text.count("\n")) == (["peak <= 90.0 MB"], "latency", 1)
    assert question["pick"] == {
        "id": "", "cell": "tiny a int8 1 thread", "verdict": "valid", "time_ns": pytest.approx(1e6, rel=1e-4), "peak_bytes": 80_000_000, "accuracy": 0.9,
        "size_bytes": 14_600_000, "energy_j": None,
    }
    assert question["rejected"][0]["why"].startswith("peak is 100 MB, 10.0 MB (11.1 %) over")


def test_records_of_other_machines_and_labelled_sets_stand_apart_and_what_failed_with_its_machine() -> None:
    here, there = {"cpu": "here"}, {"cpu": "there"}
    first, second = of("a", 1), of("b", 2)
    assert first.accuracy
    other = msgspec.structs.replace(first.accuracy, dataset="imdb")
    records = [
        msgspec.structs.replace(second, host=there), msgspec.structs.replace(first, host=here),
        msgspec.structs.replace(first, host=here, accuracy=other), msgspec.structs.replace(first, host=there, accuracy=None), cell("c", "*", verdict="failed"),
    ]  # fmt: skip
    assert [[records.index(one) for one in part] for part in apart(records)] == [[0, 3, 4], [1], [2]]
