"""Small programs in the worker's place: what happened to each is one sentence, and nothing of it is left running."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import psutil
import pytest

from edgebench.bench import host
from edgebench.bench.job import Answer, Job
from edgebench.devices.local import KEPT_BYTES, LocalExecutor, _what_happened
from edgebench.devices.profile import Profile
from edgebench.errors import InputError, WorkerError
from edgebench.record import Memory, Spec

HERE = Profile(1, "host", "this machine", "local")
LONG_S = 60.0  # for what should never take so long
ANSWER = 'Path(sys.argv[1]).write_text("{}")\n'
HANG_S = 4.0  # for what should; a child starts and prints well within it
NONE_LEFT_S = 10.0

Run = Callable[..., Answer]


def job(timeout_s: float = LONG_S) -> Job:
    return Job(spec=Spec(model="bag", format="onnx", precision="fp32", backend="onnxruntime", timeout_s=timeout_s), part="cold", examples=["good"])


def executor(group: Path, program: str) -> LocalExecutor:
    """Its workers run `program`, after each has written down the number of its process group."""
    begin = f"import os, signal, subprocess, sys, time\nfrom pathlib import Path\nPath({str(group)!r}).write_text(str(os.getpgrp()))\n"
    return LocalExecutor(HERE, worker=("-c", begin + program))


def members(group: int) -> list[int]:
    """Its processes that still run; a zombie does not."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def none_left(group: Path) -> bool:
    """Whether the whole group ends; a killed process takes a moment to."""
    number = int(group.read_text())
    assert number != os.getpgrp()
    deadline = time.monotonic() + NONE_LEFT_S
    while members(number) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not members(number)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """run(program) -> the answer; whatever comes of it, the process group has to be gone."""

    def one(program: str, timeout_s: float = LONG_S) -> Answer:
        with_group = tmp_path / "group"
        try:
            return executor(with_group, program).run(job(timeout_s))
        finally:
            assert none_left(with_group)

    return one


def sentence(run: Run, program: str, timeout_s: float = LONG_S) -> str:
    with pytest.raises(WorkerError) as said:
        run(program, timeout_s)
    return str(said.value)


# answers


def test_the_answer_in_the_file_is_the_answer(run: Run) -> None:
    memory = '{"baseline_bytes": 1, "loaded_bytes": 2, "first_answer_bytes": 3, "peak_bytes": 4, "runs": 5, "method": "VmHWM"}'
    found = run(f"Path(sys.argv[1]).write_text('{{\"memory\": {memory}}}')")
    assert found == Answer(memory=Memory(baseline_bytes=1, loaded_bytes=2, first_answer_bytes=3, peak_bytes=4, runs=5, method="VmHWM"))


def test_the_job_comes_on_stdin_and_the_time_of_the_spawn_as_an_argument(run: Run) -> None:
    before = time.monotonic_ns()
    said = sentence(run, "print(sys.stdin.read()[:20]); print(sys.argv[2])")
    (first, second) = said.split("last words: ")[1].split(";")[0].split(" | ")
    assert first == '{"spec":{"model":"ba'
    assert before <= int(second) <= time.monotonic_ns()


def test_garbage_on_stdout_does_not_harm_the_answer(run: Run) -> None:
    assert run('print("{}\\x00 not an answer"); os.write(2, b"\\xff\\xfe")\n' + ANSWER) == Answer()


def test_a_child_that_prints_more_than_a_pipe_holds_is_not_held_up(run: Run) -> None:
    assert run('print("x" * 1_000_000)\nprint("y" * 1_000_000, file=sys.stderr)\n' + ANSWER) == Answer()


@pytest.mark.parametrize("end", ["sys.exit(3)", "os.abort()", "os.kill(os.getpid(), signal.SIGSEGV)"])
def test_an_answer_that_arrived_whole_counts_however_the_process_ends(end: str, run: Run) -> None:
    assert run(ANSWER + end) == Answer()


def test_an_answer_counts_even_where_the_process_then_hangs(run: Run) -> None:
    assert run(ANSWER + "time.sleep(600)", timeout_s=HANG_S) == Answer()


def test_an_error_of_ours_is_raised_as_itself(run: Run) -> None:
    with pytest.raises(InputError, match="^example 3 is bytes$"):
        run('Path(sys.argv[1]).write_text(\'{"failure": {"kind": "InputError", "message": "example 3 is bytes"}}\')')


def test_the_jobs_folder_is_removed(run: Run, tmp_path: Path) -> None:
    run(f"Path({str(tmp_path / 'folder')!r}).write_text(sys.argv[1])\n" + ANSWER)
    answer = Path((tmp_path / "folder").read_text())
    assert answer.name == "answer.json"
    assert not answer.parent.exists()


# no answer


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGKILL", "SIGABRT"])
def test_a_child_killed_by_a_signal_is_told_by_its_name(name: str, run: Run) -> None:
    said = sentence(run, f'print("loading", flush=True)\nos.kill(os.getpid(), signal.{name})')
    assert said == f"the process was killed by {name}; its last words: loading; the model file or the engine is broken here"


def test_a_child_that_hangs_is_killed_and_told_by_its_limit(run: Run) -> None:
    said = sentence(run, 'print("waiting", flush=True)\ntime.sleep(600)', timeout_s=HANG_S)
    assert said == "no answer in 4.00 s, so the process was killed; its last words: waiting; allow more with --timeout, or leave this cell out"


def test_a_child_that_ignores_polite_signals_is_ended_all_the_same(run: Run) -> None:
    said = sentence(run, "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\ntime.sleep(600)", timeout_s=HANG_S)
    assert said.startswith("no answer in 4.00 s")


def test_a_child_that_ends_well_without_an_answer_gave_none(run: Run) -> None:
    assert sentence(run, "os._exit(0)") == "the process ended with status 0 but gave no answer; the engine may have called exit"


def test_a_child_that_raised_is_told_by_its_status_and_its_last_lines(run: Run) -> None:
    said = sentence(run, 'print("first")\nprint("second")\nraise MemoryError("too much")')
    assert said.startswith("the process ended with status 1; its last words: ")
    assert said.endswith(" | MemoryError: too much")
    assert "first" not in said


@pytest.mark.parametrize("garbage", [b"", b"\xff\x00\xfe", b'{"latncy": null}', b'{"cold": {"total_ns": 1}}', b"[]", b'{"memory"'])
def test_garbage_in_the_answers_place_is_no_answer(garbage: bytes, run: Run) -> None:
    said = sentence(run, f'print("done")\nPath(sys.argv[1]).write_bytes({garbage!r})')
    assert said.startswith("the process answered with something that is no answer (")
    assert said.endswith("; its last words: done; reinstall edgebench there")


def test_half_an_answer_under_its_first_name_is_none(run: Run) -> None:
    assert "gave no answer" in sentence(run, 'Path(sys.argv[1]).with_suffix(".part").write_text("{}")')


def test_last_words_are_three_lines_of_text_that_a_terminal_can_bear(run: Run) -> None:
    said = sentence(run, 'os.write(1, b"zero\\n one\\n\\n  \\ntwo \\x1b[31m\\xff\\n\\nthree\\n")')
    assert "; its last words: one | two  [31m\ufffd | three; " in said


def test_last_words_are_the_end_of_what_was_said(run: Run) -> None:
    said = sentence(run, f'print("x" * {3 * KEPT_BYTES} + "END")')
    assert f"; its last words: {'x' * 397}END; " in said


def test_a_kill_for_lack_of_memory_is_told_apart() -> None:
    assert str(_what_happened(-9, True, "")) == (
        "the process was killed for lack of memory (SIGKILL, and the kernel counted an out-of-memory kill); take a smaller model or free memory"
    )


def test_a_signal_without_a_name_is_told_by_its_number() -> None:
    assert str(_what_happened(-99, False, "")).startswith("the process was killed by signal 99; ")


# nothing is left


def test_children_of_a_child_do_not_outlive_it(run: Run) -> None:
    assert run('subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])\n' + ANSWER) == Answer()  # `run` looks for them


def test_closing_ends_what_runs_and_says_so(tmp_path: Path) -> None:
    one, said = executor(tmp_path / "group", "time.sleep(600)"), list[str]()

    def measure() -> None:
        try:
            one.run(job())
        except WorkerError as error:
            said.append(str(error))

    thread = Thread(target=measure, daemon=True)
    thread.start()
    while not (tmp_path / "group").exists() or not (tmp_path / "group").read_text():
        assert thread.is_alive()
        time.sleep(0.01)
    one.close()
    thread.join(NONE_LEFT_S)
    assert said == ["the process was ended because the sweep was; measure again"]
    assert none_left(tmp_path / "group")


def test_a_closed_executor_starts_nothing(tmp_path: Path) -> None:
    one = executor(tmp_path / "group", ANSWER)
    one.close()
    with pytest.raises(WorkerError, match="this executor is closed; open another"):
        one.run(job())
    assert not (tmp_path / "group").exists()


def test_jobs_of_several_threads_do_not_meet(tmp_path: Path) -> None:
    one = executor(tmp_path / "group", "job = sys.stdin.read()\nprint(job)\n" + ANSWER)
    answers = list[Answer]()
    threads = [Thread(target=lambda: answers.append(one.run(job()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [Answer()] * 4


def test_its_facts_are_this_machines() -> None:
    assert LocalExecutor(HERE).facts().keys() == host.facts().keys()
