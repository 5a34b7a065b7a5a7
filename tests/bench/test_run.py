"""A sweep over a function that answers for every process: the order of the passes, the records, and what they are judged to be."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgebench.bench.job import Answer, Job
from edgebench.bench.plan import Model, Plan, refused
from edgebench.bench.run import Progress, Sweep
from edgebench.errors import CrashError, EdgebenchError, EngineError, MissingError, OvertimeError, RefusedError, WorkerError
from edgebench.models import card as cards
from edgebench.models.card import Score, Tolerance
from edgebench.models.data import Labelled
from edgebench.record import Accuracy, Cold, Latency, Memory, Record, Roof, Spec, Throughput

TEXTS = ("good", "bad", "fine", "dull")
LABELLED = Labelled(TEXTS, (1, 0, 1, 0), ("negative", "positive"), "four", "dev", "made in a test", "ab12", "MIT", "")
REFERENCE = Spec(model="bag", format="onnx", precision="fp32", backend="onnxruntime", examples=4)
COLD = Cold(process_start_ns=1, import_ns=2, load_ns=3, first_answer_ns=4, total_ns=10)
MEMORY = Memory(baseline_bytes=1, loaded_bytes=2, first_answer_bytes=3, peak_bytes=4, runs=50, method="VmHWM")


def cell(name: str = "one", **options: Any) -> Spec:
    """A cell whose engine is called `name`."""
    processes = options.get("processes", 1)
    return Spec(**{"model": "bag", "format": "onnx", "precision": "int8", "backend": name, "examples": 4, "processes": 1, "max_processes": processes} | options)


def accuracy(predictions: str = "pnpn") -> Accuracy:
    right = sum(one == other for one, other in zip(predictions, "pnpn", strict=True))
    return Accuracy(
        metric="accuracy", value=right / 4, low=0, high=1, interval="Wilson 95 %", n=4, dataset="four", dataset_sha256="ab12", dataset_source="",
        predictions=list(predictions), probabilities=[[0.25, 0.75] if one == "p" else [0.75, 0.25] for one in predictions],
    )


def latency(*samples: int) -> Latency:
    return Latency(processes_ns=[list(samples)], warm_up_ns=[[9]], tokens=[[3] * len(samples)], stages_ns={"run": [1], "decode": [2]})


class Machine:
    """Answers as `script` says for (backend, pass), each as the last of a list goes on; usually everything is well."""

    def __init__(self, **script: Any) -> None:
        self.jobs = list[Job]()
        self.kept = list[Record]()
        self.told = list[Progress]()
        self.seen = list[tuple[str, int]]()  # the pass, and how many records were kept before it
        self._script = script

    def execute(self, job: Job) -> Answer:
        self.jobs.append(job)
        self.seen.append((job.part, len(self.kept)))
        found = self._script.get(f"{job.spec.backend}_{job.part}")
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        if isinstance(found, BaseException):
            raise found
        return found or self._usual(job)

    def _usual(self, job: Job) -> Answer:
        facts: dict[str, Any] = {"engine": {"library": job.spec.backend, "threads": job.spec.threads}, "artifact": {"file": "bag.onnx"}}
        if job.part == "accuracy":
            return Answer(accuracy=accuracy(), **facts)
        if job.part == "memory":
            return Answer(memory=MEMORY, **facts)
        return Answer(cold=COLD, latency=latency(*[100] * 20) if job.part == "latency" else None, before={"temp_c": 40.0}, after={"temp_c": 50.0}, **facts)

    def order(self, *parts: str) -> list[str]:
        return [job.spec.backend for job in self.jobs if job.part in parts]


@pytest.fixture
def sweep(bag_of_words: Path) -> Callable[..., list[Record]]:
    """sweep(machine, cell, ...) -> records; the card allows one point of accuracy, as one does that says nothing."""

    def run(machine: Machine, *specs: Spec, at_once: int = 1, reference: Spec | None = REFERENCE, **more: Any) -> list[Record]:
        card = msgspec.structs.replace(cards.read(bag_of_words), **more.pop("card", {}))
        labelled = more.pop("labelled", LABELLED)
        model = Model(card, reference, labelled, more.pop("bundled", True))
        plan = Plan(list(specs), more.pop("rows", []), {"bag": model}, more.pop("seed", 0), more.pop("alternate", False))
        host = {"cpu": "a cpu"}
        return Sweep(plan, machine.execute, host=host, keep=machine.kept.append, tell=machine.told.append, at_once=at_once, **more).run()

    return run


# order


def test_all_that_is_not_timed_runs_before_anything_is(sweep: Callable[..., list[Record]]) -> None:
    machine = Machine()
    sweep(machine, cell("a"), cell("b"))
    assert [(job.part, job.spec.backend) for job in machine.jobs[:5]] == [
        ("accuracy", "onnxruntime"), ("accuracy", "a"), ("accuracy", "b"), ("memory", "a"), ("memory", "b"),
    ]
    assert [job.part for job in machine.jobs[5:]] == ["latency", "latency"]


def test_the_cells_take_turns(sweep: Callable[..., list[Record]]) -> None:
    machine = Machine()
    sweep(machine, *(cell(name, processes=3) for name in "abcd"))
    timed = machine.order("latency")
    assert [sorted(timed[at : at + 4]) for at in (0, 4, 8)] == [list("abcd")] * 3


def test_each_round_has_an_order_of_its_own_which_the_seed_draws(sweep: Callable[..., list[Record]]) -> None:
    orders = []
    for seed in (1, 1, 2):
        machine = Machine()
        sweep(machine, *(cell(name, processes=2) for name in "abcdefgh"), seed=seed)
        orders.append(machine.order("latency"))
    assert orders[0] == orders[1] != orders[2]
    assert orders[0][:8] != orders[0][8:]


def test_a_cell_of_fewer_processes_drops_out_of_the_later_rounds(sweep: Callable[..., list[Record]]) -> None:
    machine = Machine()
    sweep(machine, cell("a", processes=1), cell("b", processes=3))
    assert machine.order("latency")[2:] == ["b", "b"]


def test_what_is_not_timed_may_run_together_and_what_is_runs_alone(sweep: Callable[..., list[Record]]) -> None:
    machine, meet = Machine(), threading.Barrier(3)
    usual = machine.execute

    def execute(job: Job) -> Answer:
        if job.part == "memory":
            meet.wait(30)  # all three are here at once, or this breaks
        assert (threading.current_thread() is threading.main_thread()) == (job.part == "latency")
        return usual(job)

    machine.execute = execute  # type: ignore[method-assign]
    assert [one.verdict for one in sweep(machine, cell("a"), cell("b"), cell("c"), at_once=3)] == ["valid"] * 3


def test_cells_that_differ_only_in_length_share_one_accuracy(sweep: Callable[..., list[Record]]) -> None:
    machine = Machine()
    found = sweep(machine, cell("a", length=8), cell("a", length=16), cell("a", threads=2))
    assert [(job.spec.backend, job.spec.threads, job.spec.length) for job in machine.jobs if job.part == "accuracy"] == [
        ("onnxruntime", 1, None), ("a", 1, None), ("a", 2, None),
    ]
    assert all(one.accuracy == accuracy() for one in found)


def test_only_the_accuracy_pass_is_given_labels(sweep: Callable[..., list[Record]]) -> None:
    machine = Machine()
    sweep(machine, cell())
    assert all(job.examples == list(TEXTS) for job in machine.jobs)
    assert [job.expected.labels if job.expected else None for job in machine.jobs] == [["positive", "negative"] * 2] * 2 + [None, None]


def test_progress_counts_every_pass(sweep: Callable[..., list[Record]]) -> None:
    machine = Machine()
    sweep(machine, cell("a", processes=2))
    assert [(one.done, one.total) for one in machine.told] == [(0, 5), (1, 5), (1, 5), (2, 5), (2, 5), (3, 5), (3, 5), (4, 5), (4, 5), (5, 5)]
    assert machine.told[0].doing == "bag onnxruntime fp32 1 thread: accuracy"
    assert [one.doing for one in machine.told[1::2]] == [""] * 5


def test_the_time_left_falls_to_nothing(sweep: Callable[..., list[Record]]) -> None:
    machine = Machine()
    sweep(machine, cell("a", processes=2), cell("b", min_time_s=60.0))
    assert machine.told[0].left_s > 60
    assert machine.told[-1].left_s == 0


def test_a_failure_takes_its_passes_out_of_the_count(sweep: Callable[..., list[Record]]) -> None:
    machine = Machine(a_memory=WorkerError("killed"))
    sweep(machine, cell("a", processes=3), cell("b"))
    assert (machine.told[0].total, machine.told[-1].done, machine.told[-1].total) == (9, 6, 6)


# more processes, and what is beside the timing


def test_a_cell_whose_processes_differ_gets_more_of_them_up_to_its_limit(sweep: Callable[..., list[Record]]) -> None:
    restless = [Answer(latency=latency(*[time] * 20), cold=COLD) for time in (100, 130, 160, 190, 220)]
    found = sweep(Machine(a_latency=restless), cell("a", processes=2, max_processes=5), cell("b", processes=2, max_processes=5))
    assert [len(one.cold) for one in found] == [5, 2]


def test_no_more_processes_once_the_interval_is_narrow(sweep: Callable[..., list[Record]]) -> None:
    calm = [Answer(latency=latency(*[time] * 20), cold=COLD) for time in (100, 110, *[105] * 20)]
    (found,) = sweep(Machine(a_latency=calm), cell("a", processes=2, max_processes=20))
    assert 2 < len(found.cold) < 20


def test_two_cells_that_alternate_begin_in_turn(sweep: Callable[..., list[Record]]) -> None:
    machine = Machine()
    sweep(machine, cell("a", processes=4), cell("b", processes=4), alternate=True)
    assert "".join(machine.order("latency")) == "abbaabba"


def test_before_each_cold_start_the_files_are_dropped(sweep: Callable[..., list[Record]]) -> None:
    machine = Machine(a_drop=[Answer(dropped=True), Answer(dropped=False, notes=["3 MB stayed"])])
    (found,) = sweep(machine, cell("a", processes=2, passes=("drop", "cold")))
    assert [(job.part, job.file_cache) for job in machine.jobs] == [("drop", "warm"), ("cold", "dropped"), ("drop", "warm"), ("cold", "warm")]
    assert found.notes == ["3 MB stayed"]


def test_the_roofs_are_measured_once_for_each_number_of_threads_and_every_cell_has_them(sweep: Callable[..., list[Record]]) -> None:
    one, two = (Roof(threads=threads, ops_per_s={"fp32": 1.0}, bytes_per_s=1.0, method="m") for threads in (1, 2))
    machine = Machine(a_roof=Answer(roof=one), b_roof=Answer(roof=one), c_roof=Answer(roof=two))
    passes = ("latency", "roof", "work")
    found = sweep(machine, cell("a", passes=passes), cell("b", passes=passes), cell("c", passes=passes, threads=2))
    assert [record.roof for record in found] == [one, one, two]
    assert sorted(job.spec.threads for job in machine.jobs if job.part == "roof") == [1, 2]
    assert machine.order("work") == ["a", "b", "c"]


def test_what_a_roof_could_not_measure_is_noted_in_every_cell_under_it(sweep: Callable[..., list[Record]]) -> None:
    machine = Machine(a_roof=Answer(notes=["roof: int8 was not measured"]), b_roof=Answer(notes=["roof: int8 was not measured"]))
    found = sweep(machine, cell("a", passes=("latency", "roof")), cell("b", passes=("latency", "roof")))
    assert [record.notes for record in found] == [["roof: int8 was not measured"]] * 2


@pytest.mark.parametrize("part", ["energy", "roof", "work"])
def test_what_is_not_to_be_had_beside_the_timing_is_a_note_and_no_fault(part: str, sweep: Callable[..., list[Record]]) -> None:
    machine = Machine(**{f"a_{part}": EngineError("there is none")})
    (found,) = sweep(machine, cell("a", passes=("latency", part)))
    assert (found.verdict, found.notes) == ("valid", [f"{part}: there is none"])


def test_energy_is_measured_once_after_the_timing(sweep: Callable[..., list[Record]]) -> None:
    machine = Machine()
    sweep(machine, cell("a", processes=2, passes=("latency", "energy")))
    assert [job.part for job in machine.jobs] == ["latency", "latency", "energy"]


def test_no_reference_answers_where_no_cell_is_to_be_measured(sweep: Callable[..., list[Record]]) -> None:
    machine = Machine()
    sweep(machine, rows=[refused(cell("row"), "no")])
    assert machine.jobs == []


# records


def test_a_cell_that_went_well_is_a_valid_record_of_all_its_passes(sweep: Callable[..., list[Record]]) -> None:
    (found,) = sweep(Machine(), cell(processes=2))
    assert (found.outcome, found.verdict, found.reasons, found.notes) == ("ok", "valid", [], [])
    assert (found.accuracy, found.memory, found.cold) == (accuracy(), MEMORY, [COLD, COLD])
    assert (found.engine["library"], found.artifact) == ("one", {"file": "bag.onnx", "digest_from": "edgebench"})
    assert found.host == {"cpu": "a cpu", "before": [{"temp_c": 40.0}] * 2, "after": [{"temp_c": 50.0}] * 2}


def test_the_processes_of_a_cell_stay_apart_in_its_record(sweep: Callable[..., list[Record]]) -> None:
    machine = Machine(one_latency=[Answer(latency=latency(100, 101), cold=COLD), Answer(latency=latency(100, 102, 103), cold=COLD)])
    (found,) = sweep(machine, cell(processes=2))
    assert found.latency == Latency(
        processes_ns=[[100, 101], [100, 102, 103]], warm_up_ns=[[9], [9]], tokens=[[3, 3], [3, 3, 3]], stages_ns={"run": [1, 1], "decode": [2, 2]},
    )


def test_records_have_an_id_of_their_own_and_a_time(sweep: Callable[..., list[Record]]) -> None:
    found = sweep(Machine(), cell("a"), cell("b"), rows=[refused(cell("c"), "no")])
    assert len({one.id for one in found}) == 3
    assert all(one.started_at.endswith("Z") for one in found)


def test_records_come_in_the_plans_order_and_the_rows_last(sweep: Callable[..., list[Record]]) -> None:
    machine = Machine()
    found = sweep(machine, *(cell(name) for name in "abcdef"), rows=[refused(cell("row"), "no")])
    assert [one.spec.backend for one in found] == [*"abcdef", "row"]
    assert sorted(one.id for one in machine.kept) == sorted(one.id for one in found)


def test_a_record_is_kept_as_soon_as_it_is_complete(sweep: Callable[..., list[Record]]) -> None:
    machine = Machine(b_memory=EngineError("out of range"))
    sweep(machine, cell("a"), cell("b"), cell("c", processes=2), rows=[refused(cell("row"), "no")])
    timed = [kept for part, kept in machine.seen if part == "latency"]
    assert machine.seen[0] == ("accuracy", 1)  # the row
    assert (timed[0], timed[-1], len(machine.kept)) == (2, 3, 4)  # with the failed cell; with the cell of one process; in the end


def test_a_cell_of_cold_starts_alone_repeats_them(sweep: Callable[..., list[Record]]) -> None:
    machine = Machine()
    (found,) = sweep(machine, cell(processes=3, passes=("cold",)))
    assert [job.part for job in machine.jobs if job.spec.backend == "one"] == ["cold"] * 3
    assert (found.cold, found.latency, found.accuracy, found.memory) == ([COLD] * 3, None, None, None)


def test_a_cell_without_timing_is_complete_without_it(sweep: Callable[..., list[Record]]) -> None:
    (found,) = sweep(Machine(), cell(passes=("accuracy",)))
    assert (found.verdict, found.accuracy, found.latency, found.cold) == ("valid", accuracy(), None, [])


# verdicts


@pytest.mark.parametrize("part", ["accuracy", "memory", "latency"])
def test_a_pass_that_failed_makes_a_failed_record_and_the_rest_goes_on(part: str, sweep: Callable[..., list[Record]]) -> None:
    machine = Machine(**{f"a_{part}": WorkerError("the process was killed by SIGSEGV")})
    first, second = sweep(machine, cell("a", processes=2), cell("b", processes=2))
    assert (first.outcome, first.verdict, first.reasons) == ("failed", "failed", ["the process was killed by SIGSEGV"])
    assert second.verdict == "valid"
    assert [job.part for job in machine.jobs if job.spec.backend == "a"][-1] == part


def test_a_failed_record_keeps_what_was_measured_before(sweep: Callable[..., list[Record]]) -> None:
    machine = Machine(one_latency=[Answer(latency=latency(100, 100), cold=COLD), WorkerError("no answer in 3.00 s")])
    (found,) = sweep(machine, cell(processes=3))
    assert (found.verdict, found.accuracy, found.memory, found.cold) == ("failed", accuracy(), MEMORY, [COLD])
    assert found.latency is not None
    assert found.latency.processes_ns == [[100, 100]]


def test_an_error_that_is_not_ours_is_not_swallowed(sweep: Callable[..., list[Record]]) -> None:
    with pytest.raises(ZeroDivisionError):
        sweep(Machine(one_memory=ZeroDivisionError()), cell())


def test_accuracy_beyond_the_tolerance_makes_an_invalid_record(sweep: Callable[..., list[Record]]) -> None:
    first, second = sweep(Machine(a_accuracy=Answer(accuracy=accuracy("pnpp"))), cell("a"), cell("b"))
    assert (first.outcome, first.verdict, second.verdict) == ("ok", "invalid", "valid")
    assert first.reasons[0].startswith("accuracy is 75.0 % on 4 examples, 25.0 % below the reference; the card allows 1.0 %")


def test_the_cards_tolerance_for_the_precision_is_the_one_that_counts(sweep: Callable[..., list[Record]]) -> None:
    generous = {"int8": Tolerance(accuracy_loss=0.25), "fp32": Tolerance(agreement=1.0)}
    answers = {f"{name}_accuracy": Answer(accuracy=accuracy("pnpp")) for name in "ab"}
    first, second = sweep(Machine(**answers), cell("a"), cell("b", precision="fp32"), card={"tolerance": generous})
    assert (first.verdict, second.verdict) == ("valid", "invalid")


def test_a_time_that_is_not_to_be_relied_on_makes_a_noisy_record(sweep: Callable[..., list[Record]]) -> None:
    (found,) = sweep(Machine(one_latency=Answer(latency=latency(*[100, 200] * 30), cold=COLD)), cell())
    assert (found.outcome, found.verdict) == ("ok", "noisy")
    assert "the median of one process lies anywhere from 100 ns to 200 ns" in found.reasons[0]


@pytest.mark.parametrize(("rates", "verdict"), [((500.0, 501.0, 502.0), "valid"), ((500.0, 600.0, 700.0), "noisy")])
def test_a_server_is_judged_by_its_rates_and_not_by_its_queries(rates: tuple[float, ...], verdict: str, sweep: Callable[..., list[Record]]) -> None:
    restless = latency(*[100, 900] * 30)
    answers = [Answer(latency=restless, cold=COLD, throughput=Throughput(per_s=[rate])) for rate in rates]
    (found,) = sweep(Machine(one_latency=answers), cell(processes=3, scenario="server"))
    assert (found.verdict, found.throughput) == (verdict, Throughput(per_s=list(rates)))


def test_a_wrong_answer_outweighs_a_restless_one_and_both_are_told(sweep: Callable[..., list[Record]]) -> None:
    machine = Machine(one_accuracy=Answer(accuracy=accuracy("pnnn")), one_latency=Answer(latency=latency(*[100, 200] * 30), cold=COLD))
    (found,) = sweep(machine, cell())
    assert (found.verdict, len(found.reasons)) == ("invalid", 2)


def test_an_engine_that_is_not_installed_is_one_row_for_all_its_cells(sweep: Callable[..., list[Record]]) -> None:
    why = "backend 'a' needs ai-edge-litert, which is not installed; install edgebench[tflite]"
    machine = Machine(a_accuracy=MissingError(why))
    found = sweep(machine, cell("a", length=8), cell("a", precision="fp32"), cell("b"))
    assert [(one.spec.backend, one.spec.precision, one.verdict) for one in found] == [("b", "int8", "valid"), ("a", "*", "unsupported")]
    assert found[1].reasons == [why]
    assert len(machine.kept) == 2


def test_other_work_beside_the_timing_is_noted(sweep: Callable[..., list[Record]]) -> None:
    before, after = {"cpu_stall_us": 1_000, "monotonic_ns": 0}, {"cpu_stall_us": 1_300, "monotonic_ns": 1_000_000}
    (found,) = sweep(Machine(one_latency=Answer(latency=latency(100), cold=COLD, before=before, after=after)), cell())
    assert found.notes == ["other work ran beside the timing: for 30% of it some process waited for a processor"]


def test_what_is_odd_about_the_labelled_set_is_noted(sweep: Callable[..., list[Record]]) -> None:
    (found,) = sweep(Machine(), cell(), labelled=Labelled(TEXTS, (1, 0, 1, 0), ("negative", "positive"), "four", "dev", "", "", "", "not SST-2"))
    assert found.notes == ["four: not SST-2"]


# the reference


def test_the_reference_answers_even_where_it_is_not_in_the_sweep(sweep: Callable[..., list[Record]]) -> None:
    machine = Machine(one_accuracy=Answer(accuracy=accuracy("pnpn")))
    (found,) = sweep(machine, cell())
    assert [job.part for job in machine.jobs if job.spec == REFERENCE] == ["accuracy"]
    assert found.parity is not None
    assert (found.parity.reference, found.parity.agreement, found.parity.max_difference) == ("onnxruntime onnx/fp32", 1.0, 0.0)


def test_a_reference_that_is_in_the_sweep_answers_once(sweep: Callable[..., list[Record]]) -> None:
    machine = Machine()
    sweep(machine, REFERENCE, cell())
    assert machine.order("accuracy") == ["onnxruntime", "one"]


def test_without_a_reference_the_cards_own_figure_judges_and_that_is_noted(bag_of_words: Path, sweep: Callable[..., list[Record]]) -> None:
    scored = msgspec.structs.replace(cards.read(bag_of_words).variants[0], accuracy=Score("four", 4, 1.0, 0.5, 1.0))
    machine = Machine(onnxruntime_accuracy=EngineError("no kernel"), a_accuracy=Answer(accuracy=accuracy("pnpp")))
    first, second = sweep(machine, cell("a"), cell("b"), card={"variants": (scored,)})
    assert (first.verdict, second.verdict, first.parity) == ("invalid", "valid", None)
    assert second.notes == [
        "parity was not measured: the reference onnx/fp32 could not be run: no kernel; accuracy was judged by the card's own figure, 100.0 %"
    ]


@pytest.mark.parametrize(("reference", "why"), [(REFERENCE, "no kernel"), (None, "no engine here opens it")])
def test_with_neither_reference_nor_figure_a_record_is_unverified(reference: Spec | None, why: str, sweep: Callable[..., list[Record]]) -> None:
    (found,) = sweep(Machine(onnxruntime_accuracy=EngineError("no kernel")), cell(), reference=reference)
    assert found.notes == [
        f"unverified: parity was not measured: the reference onnx/fp32 could not be run: {why}, and the card has no figure for four with n = 4"
    ]


# an interruption


def test_an_interruption_keeps_the_cells_that_were_timed(sweep: Callable[..., list[Record]]) -> None:
    machine = Machine(a_latency=[Answer(latency=latency(100), cold=COLD), KeyboardInterrupt()], b_latency=[Answer(latency=latency(100), cold=COLD)])
    with pytest.raises(KeyboardInterrupt):
        sweep(machine, cell("a", processes=5), cell("b", processes=5))
    assert sorted(one.spec.backend for one in machine.kept) == ["a", "b"]
    assert all(one.notes[0] in ("interrupted after 1 of 5 timing processes", "interrupted after 2 of 5 timing processes") for one in machine.kept)


def test_an_interruption_before_any_timing_keeps_only_the_rows(sweep: Callable[..., list[Record]]) -> None:
    machine = Machine(a_memory=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        sweep(machine, cell("a"), rows=[refused(cell("row"), "no")])
    assert [one.spec.backend for one in machine.kept] == ["row"]


def test_every_error_of_ours_is_a_record(sweep: Callable[..., list[Record]]) -> None:
    kinds = [EdgebenchError, *EdgebenchError.__subclasses__()]
    machine = Machine(**{f"{kind.__name__}_memory": kind("so it was") for kind in kinds})
    found = sweep(machine, *(cell(kind.__name__) for kind in kinds))
    assert {one.spec.backend: one.reasons for one in found} == {kind.__name__: ["so it was"] for kind in kinds}
    assert {one.spec.backend for one in found if one.verdict == "unsupported"} == {"UnsupportedError"}


@pytest.mark.parametrize(("error", "cause"), [(CrashError("gone"), "crashed"), (OvertimeError("long"), "timeout"), (RefusedError("no"), "refused")])
def test_a_failed_record_says_in_one_word_why(sweep: Callable[..., list[Record]], error: EdgebenchError, cause: str) -> None:
    (failed,) = sweep(Machine(one_memory=error), cell())
    (well,) = sweep(Machine(), cell())
    assert (failed.cause, well.cause) == (cause, None)


@pytest.mark.parametrize(("bundled", "word"), [(True, "edgebench"), (False, "the user's own card, unverified")])
def test_a_record_says_whose_word_the_digest_is(sweep: Callable[..., list[Record]], bundled: bool, word: str) -> None:
    (found,) = sweep(Machine(), cell(), bundled=bundled)
    assert found.artifact["digest_from"] == word
