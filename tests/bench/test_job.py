"""Jobs and answers cross as JSON; errors cross by the name of their class."""

from __future__ import annotations

import inspect

import msgspec
import pytest

from edgebench import errors
from edgebench.bench.job import Answer, Failure, Job, Labels, failure, raised
from edgebench.record import Cold, Spec

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.EdgebenchError)]


def test_a_job_comes_back_as_it_was_sent() -> None:
    spec = Spec(model="bag", format="onnx", precision="fp32", backend="onnxruntime", length=8)
    labels = Labels(labels=["positive"], dataset="sst2", sha256="ab", source="a file")
    job = Job(spec=spec, part="accuracy", examples=["a good film 🎬"], expected=labels)
    assert msgspec.json.decode(msgspec.json.encode(job), type=Job) == job


def test_an_answer_comes_back_as_it_was_sent() -> None:
    cold = Cold(process_start_ns=1, import_ns=2, load_ns=3, first_answer_ns=4, total_ns=10)
    answer = Answer(cold=cold, engine={"threads": 2}, before={"temp_c": None})
    assert msgspec.json.decode(msgspec.json.encode(answer), type=Answer) == answer


@pytest.mark.parametrize("text", ['{"latncy": null}', '{"cold": {}}', "[]", ""])
def test_what_is_no_answer_is_refused(text: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(text, type=Answer)


def test_a_pass_that_does_not_exist_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="Invalid enum value 'speed'"):
        msgspec.json.decode(b'{"spec": {"model": "m", "format": "f", "precision": "p", "backend": "b"}, "part": "speed", "examples": []}', type=Job)


@pytest.mark.parametrize("kind", KINDS)
def test_each_of_our_errors_is_raised_again_as_itself(kind: type[errors.EdgebenchError]) -> None:
    found = raised(failure(kind("what happened")))
    assert (type(found), str(found)) == (kind, "what happened")


@pytest.mark.parametrize("kind", ["ZeroDivisionError", "did_you_mean", "Iterable", ""])
def test_a_kind_that_is_none_of_ours_is_a_worker_error(kind: str) -> None:
    found = raised(Failure(kind, "what happened"))
    assert (type(found), str(found)) == (errors.WorkerError, "what happened")
