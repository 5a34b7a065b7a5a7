"""edgebench roofline: its whole text over measured roofs that the test sets, and each part that may be missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebench.bench.job import Answer, Job
from edgebench.cli import status
from edgebench.devices.local import LocalExecutor
from edgebench.errors import WorkerError
from edgebench.record import Record, Roof, Spec, Work, append

TEXT = """\
threads         fp32         int8       memory  from here on arithmetic is the bound
      1   80.0 Gop/s    160 Gop/s    8.00 GB/s  fp32 10.0 op/B, int8 20.0 op/B
      2    160 Gop/s    320 Gop/s    16.0 GB/s  fp32 10.0 op/B, int8 20.0 op/B

a test

tinybert-sst2 onnx/fp32 in onnxruntime: 1.20 Gop fp32, 100 MB, 12.0 op/B; counted from a.onnx
  1 thread: 15.0 ms at the roof, bound by arithmetic
  2 threads: 7.50 ms at the roof, bound by arithmetic

tinybert-sst2 onnx/int8 in onnxruntime: 1.20 Gop int8, 100 MB, 12.0 op/B; counted from a.onnx
  1 thread: 12.5 ms at the roof, bound by memory
  2 threads: 6.25 ms at the roof, bound by memory
  note: NonZero is left out
"""


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Answer]:
    """Of passes by name, "work" by its precision; without one the process crashes."""
    given: dict[str, Answer] = {}

    def run(self: LocalExecutor, job: Job) -> Answer:
        if job.part == "roof" and "roof" not in given:
            times = job.spec.threads
            return Answer(roof=Roof(threads=times, ops_per_s={"fp32": times * 80e9, "int8": times * 160e9}, bytes_per_s=times * 8e9, method="a test"))
        name = "roof" if job.part == "roof" else job.spec.precision
        if name not in given:
            raise WorkerError("the process was killed by SIGSEGV")
        return given[name]

    monkeypatch.setattr(LocalExecutor, "run", run)
    return given


def asks(precision: str) -> Work:
    return Work(ops=1.2e9, bytes=100e6, precision=precision, counted="a.onnx")


def test_the_whole_text(answers: dict[str, Answer], capsys: pytest.CaptureFixture[str]) -> None:
    answers |= {"fp32": Answer(work=asks("fp32")), "int8": Answer(work=asks("int8"), notes=["work: NonZero is left out"])}
    assert status(["roofline", "tinybert-sst2", "--threads", "1,2", "--backend", "onnxruntime"]) == 0
    assert capsys.readouterr().out == TEXT


def test_without_a_model_only_the_roofs_are_shown(answers: dict[str, Answer], capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["roofline", "--threads", "1,2"]) == 0
    assert capsys.readouterr().out == TEXT[: TEXT.index("\ntinybert")]


def test_a_variant_that_cannot_be_counted_says_why_and_the_others_stand(answers: dict[str, Answer], capsys: pytest.CaptureFixture[str]) -> None:
    answers["int8"] = Answer(work=asks("int8"))
    assert status(["roofline", "tinybert-sst2", "--threads", "1", "--backend", "onnxruntime"]) == 0
    out = capsys.readouterr().out
    assert "tinybert-sst2 onnx/fp32 in onnxruntime: not counted: the process was killed by SIGSEGV\n" in out
    assert "12.5 ms at the roof" in out


def test_a_precision_without_a_roof_is_named(answers: dict[str, Answer], capsys: pytest.CaptureFixture[str]) -> None:
    answers["fp32"] = Answer(work=asks("fp16"))
    assert status(["roofline", "tinybert-sst2", "--threads", "1", "--backend", "onnxruntime", "--precision", "fp32"]) == 0
    assert "1 thread: no roof of fp16 was measured\n" in capsys.readouterr().out


def test_without_a_roof_the_command_fails_in_one_sentence(answers: dict[str, Answer], capsys: pytest.CaptureFixture[str]) -> None:
    answers["roof"] = Answer()
    assert status(["roofline", "--threads", "1"]) == 1
    assert capsys.readouterr().err == "error: the process measured no roof with 1 threads; measure again\n"


def test_the_text_goes_into_a_file_where_one_is_named(answers: dict[str, Answer], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answers |= {"fp32": Answer(work=asks("fp32")), "int8": Answer(work=asks("int8"), notes=["work: NonZero is left out"])}
    place = tmp_path / "new" / "roof.txt"
    assert status(["roofline", "tinybert-sst2", "--threads", "1,2", "--backend", "onnxruntime", "-o", str(place)]) == 0
    told = capsys.readouterr()
    assert (place.read_text(), told.out, told.err) == (TEXT, "", f"report: {place}\n")


def test_a_dash_is_standard_output(answers: dict[str, Answer], capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["roofline", "--threads", "1,2", "-o", "-"]) == 0
    assert capsys.readouterr().out == TEXT[: TEXT.index("\ntinybert")]


def test_records_are_not_replaced_by_a_text(answers: dict[str, Answer], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "records.jsonl"
    append(place, Record(spec=Spec(model="a", format="onnx", precision="fp32", backend="onnxruntime"), outcome="ok", verdict="valid"))
    before = place.read_bytes()
    assert status(["roofline", "--threads", "1", "-o", str(place)]) == 2
    assert "holds records, which a report must not replace" in capsys.readouterr().err
    assert place.read_bytes() == before
