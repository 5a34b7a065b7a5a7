"""This machine with less of it: what a worker then has, which means the record names, and that it never passes for a device."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from edgebench.bench import conditions
from edgebench.bench.job import Job
from edgebench.devices import profile as profiles
from edgebench.devices.held import Held
from edgebench.devices.local import LocalExecutor
from edgebench.devices.profile import Hold, Profile
from edgebench.errors import CardError, OutOfMemoryError, UnsupportedError, WorkerError
from edgebench.record import Spec

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="hold is of Linux")

JOB = Job(spec=Spec(model="bag", format="onnx", precision="fp32", backend="onnxruntime", timeout_s=60), part="cold", examples=["good"])
FIRST = min(os.sched_getaffinity(0)) if sys.platform == "linux" else 0


def saying(words: str, hold: Hold) -> str:
    """What a worker that prints this says at its end, held."""
    code = f"import sys, time; sys.stdin.read(); time.sleep(0.5); import os, resource; print({words}); sys.exit(3)"
    one = LocalExecutor(Profile(1, "host-less", "less", "local", hold=hold), worker=("-c", code))
    try:
        with pytest.raises((OutOfMemoryError, WorkerError)) as said:
            one.run(JOB)
    finally:
        one.close()
    return str(said.value)


def test_a_worker_has_the_processors_and_the_priority_of_the_profile() -> None:
    assert saying("os.sched_getaffinity(0), os.nice(0)", Hold(cpus=str(FIRST), nice=5)).endswith(f"; its last words: {{{FIRST}}} 5")


def test_a_worker_that_takes_more_memory_than_it_may_is_killed_or_refused_it() -> None:
    said = saying("len(bytearray(400_000_000))", Hold(memory_bytes=150_000_000))
    assert "lack of memory" in said or "SIGKILL" in said or "MemoryError" in said


def test_where_no_control_group_may_be_made_it_is_a_limit_of_data_and_the_record_says_so(tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/user.slice\n")
    one = Held(Hold(memory_bytes=1 << 30), root=tmp_path)
    assert one.facts()["memory_by"] == "rlimit (RLIMIT_DATA)"



def test_a_record_says_that_the_machine_was_held() -> None:
    held = {"cpus": "0", "memory_bytes": 512_000_000, "memory_by": "control group", "nice": 0}
    (said,) = conditions.remarks(JOB.spec, [], {"held": held}, [])
    assert said == "this machine was held to processors 0, 512 MB of memory by control group: that is no other device, and its times are not one's"


@pytest.mark.parametrize("more", ['name = "pi"\nreach = "local"\n', 'name = "host-pi"\nreach = "ssh"\n', 'name = "host-pi"\nreach = "local"\ncores = 1\n'])
def test_a_held_machine_never_bears_a_devices_name(tmp_path: Path, more: str) -> None:
    (tmp_path / "one.toml").write_text(f'schema = 1\nabout = "x"\n{more}[hold]\ncpus = "0"\n')
    with pytest.raises(CardError, match="hold is for this machine with less of it, and that is no other device; call the profile host-"):
        profiles.read(tmp_path / "one.toml")


def test_a_processor_that_is_not_there_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="there is no processor 4095 here"):
        Held(Hold(cpus="4095"))
