"""A sweep's answers on the disk: nothing is asked twice, and nothing is taken from another machine, sweep or file."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebench.bench.job import Answer, Job, Pass
from edgebench.bench.journal import Journal
from edgebench.errors import DeviceError, EdgebenchError, UsageError, WorkerError
from edgebench.record import Spec


def job(part: Pass = "latency", **options: int) -> Job:
    return Job(spec=Spec(model="bag", format="onnx", precision="fp32", backend="onnxruntime", **options), part=part, examples=["good"])


class Machine:
    """Answers with the number of the question; a WorkerError at question `breaks_at`."""

    def __init__(self, breaks_at: int = 0) -> None:
        self.asked = list[Job]()
        self._breaks_at = breaks_at

    def __call__(self, job: Job) -> Answer:
        self.asked.append(job)
        if len(self.asked) == self._breaks_at:
            raise WorkerError("the process was killed by SIGSEGV")
        return Answer(engine={"question": len(self.asked)})


@pytest.fixture
def records(tmp_path: Path) -> Path:
    return tmp_path / "new" / "records.jsonl"


def cut_off(records: Path, *jobs: Job, machine: str = "here") -> None:
    """A sweep that did these jobs and was then interrupted."""
    journal = Journal(records, Machine(), machine=machine, resume=False)
    for one in jobs:
        journal(one)
    journal.close(ended=False)


def test_what_was_answered_before_is_not_asked_again_and_each_answer_serves_once(records: Path) -> None:
    cut_off(records, job(), job(), job("memory"))
    machine = Machine()
    with Journal(records, machine, machine="here", resume=True) as journal:
        assert [journal(job()).engine, journal(job("memory")).engine, journal(job()).engine] == [{"question": 1}, {"question": 3}, {"question": 2}]
        assert machine.asked == []
        assert journal(job()).engine == {"question": 1}
    assert machine.asked == [job()]


@pytest.mark.parametrize("other", [job("memory"), job(threads=2), job(seed=1), job(length=8)])
def test_another_pass_or_cell_is_asked(records: Path, other: Job) -> None:
    cut_off(records, job())
    machine = Machine()
    with Journal(records, machine, machine="here", resume=True) as journal:
        journal(other)
        assert (machine.asked, journal.recalled) == ([other], 1)


def test_a_number_written_without_a_point_is_the_same_cell(records: Path) -> None:
    cut_off(records, job(timeout_s=600))
    with Journal(records, Machine(), machine="here", resume=True) as journal:
        journal(job(timeout_s=600))
        assert journal.recalled == 0


def test_another_machines_answers_are_not_taken(records: Path) -> None:
    cut_off(records, job(), machine="there")
    with Journal(records, machine := Machine(), machine="here", resume=True) as journal:
        journal(job())
    assert machine.asked == [job()]


def test_without_resume_everything_is_asked_and_the_old_answers_go(records: Path) -> None:
    cut_off(records, job(), job("memory"))
    cut_off(records, job())
    with Journal(records, machine := Machine(), machine="here", resume=True) as journal:
        journal(job("memory"))
    assert machine.asked == [job("memory")]


def test_a_sweep_that_ended_leaves_no_journal(records: Path) -> None:
    with Journal(records, Machine(), machine="here", resume=False) as journal:
        journal(job())
        assert list(records.parent.iterdir()) == [journal.path]
    assert list(records.parent.iterdir()) == []


def test_one_that_was_cut_off_before_its_first_answer_leaves_none_either(records: Path) -> None:
    cut_off(records)
    assert list(records.parent.iterdir()) == []


def test_an_error_is_not_remembered(records: Path) -> None:
    with pytest.raises(WorkerError), Journal(records, Machine(breaks_at=1), machine="here", resume=False) as journal:
        journal(job())
    with Journal(records, machine := Machine(), machine="here", resume=True) as journal:
        journal(job())
    assert machine.asked == [job()]


@pytest.mark.parametrize(("error", "kept"), [(DeviceError("no route to it"), 1), (WorkerError("the process was killed by SIGSEGV"), 0)])
def test_what_a_lost_device_answered_is_kept_for_the_next_sweep(records: Path, error: EdgebenchError, kept: int) -> None:
    def execute(one: Job) -> Answer:
        if one.part == "memory":
            raise error
        return Answer()

    with Journal(records, execute, machine="here", resume=False) as journal:
        journal(job())
        with pytest.raises(type(error)):
            journal(job("memory"))
    assert journal.lost is bool(kept)
    with Journal(records, execute, machine="here", resume=True) as journal:
        assert journal.recalled == kept


def test_two_sweeps_do_not_write_to_one_file(records: Path) -> None:
    with Journal(records, Machine(), machine="here", resume=False) as journal:
        journal(job())
        with pytest.raises(UsageError, match=r"another sweep is writing to .*records\.jsonl now; wait for it, or name another file with -o"):
            Journal(records, Machine(), machine="here", resume=False)
        assert journal.path.stat().st_size > 0


def test_half_an_answer_that_a_crash_left_is_asked_again(records: Path) -> None:
    cut_off(records, job(), job())
    path = records.with_name("records.jsonl.parts")
    path.write_bytes(path.read_bytes()[:-20])
    with Journal(records, machine := Machine(), machine="here", resume=True) as journal:
        journal(job())
        journal(job())
    assert machine.asked == [job()]


def test_a_journal_that_is_none_is_one_clear_error(records: Path) -> None:
    records.parent.mkdir()
    records.with_name("records.jsonl.parts").write_bytes(b"[]\n")
    with pytest.raises(EdgebenchError, match=r"records\.jsonl\.parts line 1 is no answer of a pass: .*; delete the file to measure everything again"):
        Journal(records, Machine(), machine="here", resume=True)
