"""Real worker processes from end to end: every pass over the bag of words, and scripts that crash, hang and refuse."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgebench.bench import worker
from edgebench.bench.job import Answer, Job, Labels, Pass
from edgebench.bench.plan import Ask, Effort, plan
from edgebench.bench.run import Sweep
from edgebench.devices.local import LocalExecutor
from edgebench.devices.profile import Profile
from edgebench.errors import EngineError, IntegrityError, UsageError, WorkerError
from edgebench.record import Record, Spec, read_lines, write_lines

pytestmark = pytest.mark.usefixtures("home")

HERE = Profile(1, "host", "this machine", "local")
BAG = Spec(model="bag", format="onnx", precision="fp32", backend="onnxruntime", min_runs=30, min_time_s=0.0, warm_up_cap_s=0.0, timeout_s=60.0)
LABELS = Labels(labels=["positive", "negative"], dataset="two", sha256="ab12", source="made in a test")
HASTE = Effort(processes=2, max_processes=2, min_runs=20, min_time_s=0.0, warm_up_cap_s=0.0, examples=20)


def answer(part: Pass, spec: Spec = BAG) -> Answer:
    job = Job(spec=spec, part=part, examples=["a good film", "bad"], expected=LABELS if part == "accuracy" else None)
    return LocalExecutor(HERE).run(job)


def played(card: Path, **options: Any) -> Spec:
    return msgspec.structs.replace(BAG, model=str(card), format="fake", backend="fake", **options)


# the passes


def test_an_accuracy_process_answers_with_its_predictions() -> None:
    found = answer("accuracy").accuracy
    assert found is not None
    assert (found.value, found.predictions) == (1.0, ["positive", "negative"])


def test_a_memory_process_starts_from_its_own_books() -> None:
    found = answer("memory").memory
    assert found is not None
    assert 0 < found.baseline_bytes < found.loaded_bytes <= found.peak_bytes


def test_a_cold_process_counts_from_before_it_was_started() -> None:
    found = answer("cold").cold
    assert found is not None
    phases = (found.process_start_ns, found.import_ns, found.load_ns, found.first_answer_ns)
    assert min(phases) > 0
    assert sum(phases) == found.total_ns


def test_a_latency_process_answers_with_every_sample() -> None:
    found = answer("latency")
    assert found.latency is not None
    assert found.cold is not None
    assert len(found.latency.processes_ns[0]) >= 30
    assert (found.memory, found.accuracy) == (None, None)


# what goes wrong


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGKILL"])
def test_an_engine_that_crashes_is_a_worker_error_with_the_signals_name(name: str, scripted: Callable[..., Path]) -> None:
    card = scripted(f'failures = [{{ run = 3, how = "crash", signal = "{name}" }}]\n')
    with pytest.raises(WorkerError, match=f"^the process was killed by {name}"):
        answer("latency", played(card))


def test_an_engine_that_hangs_is_a_worker_error_with_the_limit(scripted: Callable[..., Path]) -> None:
    with pytest.raises(WorkerError, match=r"^no answer in 2.00 s, so the process was killed"):
        answer("cold", played(scripted('failures = [{ run = 1, how = "hang" }]\n'), timeout_s=2.0))


def test_an_engine_that_refuses_is_its_own_error_here(scripted: Callable[..., Path]) -> None:
    with pytest.raises(EngineError, match=r"^fake failed in run 0 of scripted\.fake"):
        answer("memory", played(scripted('failures = [{ run = 0, how = "raise" }]\n')))


def test_an_altered_file_is_not_opened(scripted: Callable[..., Path]) -> None:
    card = scripted()
    (card.parent / "scripted.fake").write_text("something else")
    with pytest.raises(IntegrityError, match="scripted.fake has 14 bytes"):
        answer("cold", played(card))


def test_a_model_the_device_does_not_have_is_said_in_its_words() -> None:
    with pytest.raises(UsageError, match="there is no model 'bog'"):
        answer("cold", msgspec.structs.replace(BAG, model="bog"))


def test_a_worker_whose_parent_is_gone_ends_itself(scripted: Callable[..., Path], tmp_path: Path) -> None:
    spec = played(scripted('failures = [{ run = 1, how = "hang" }]\n'), timeout_s=2.0 - worker.GRACE_S)  # two seconds in all
    job = msgspec.json.encode(Job(spec=spec, part="cold", examples=["good"]))
    ended = subprocess.run([sys.executable, "-m", "edgebench.bench.worker", str(tmp_path / "answer.json"), "0"], input=job, timeout=60)
    assert ended.returncode == -signal.SIGALRM
    assert not (tmp_path / "answer.json").exists()


def test_what_is_no_job_gets_no_answer(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edgebench.bench.worker", str(tmp_path / "answer.json"), "0"]
    assert subprocess.run(command, input=b'{"spec": {}}', stderr=subprocess.DEVNULL).returncode == 1
    assert not (tmp_path / "answer.json").exists()


# a whole sweep


def test_a_sweep_from_plan_to_records_and_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scripted: Callable[..., Path]) -> None:
    monkeypatch.delenv("EDGEBENCH_DATA", raising=False)
    broken = str(scripted('failures = [{ run = 15, how = "crash", signal = "SIGSEGV" }]\n'))
    kept = list[Record]()
    executor = LocalExecutor(HERE)
    cells = plan(Ask(models=("bag", broken), backends=("onnxruntime", "fake"), effort=HASTE, timeout_s=60.0))
    found = Sweep(cells, executor.run, host=executor.facts(), keep=kept.append, tell=lambda *_: None).run()
    verdicts = {one.spec.backend: one.verdict for one in found if one.outcome != "unsupported"}
    assert verdicts["fake"] == "failed"
    assert verdicts["onnxruntime"] in ("valid", "noisy")
    (tmp_path / "records.jsonl").write_bytes(write_lines(found))
    assert read_lines(tmp_path / "records.jsonl") == found
    assert {one.id for one in kept} == {one.id for one in found}
