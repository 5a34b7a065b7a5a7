"""Records as JSON lines: whole, in order, kept apart from a line that was cut short, and read back as they were."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench import record
from edgebench.errors import CardError, EdgebenchError
from edgebench.record import Accuracy, Cold, Latency, Memory, Outcome, Parity, Record, Spec, Verdict

FULL = Record(
    spec=Spec(model="tiny", format="onnx", precision="int8", backend="onnxruntime", threads=2, length=32),
    outcome="ok", verdict="noisy", reasons=["the median lies anywhere"], notes=["line\nbreak, “quotes” and \\"],
    latency=Latency(processes_ns=[[3, 1], [2]], warm_up_ns=[[9], []], tokens=[[32, 32], [32]], stages_ns={"tokenise": [1], "run": [2]}),
    cold=[Cold(process_start_ns=1, import_ns=2, load_ns=3, first_answer_ns=4, total_ns=10)],
    memory=Memory(baseline_bytes=1, loaded_bytes=2, first_answer_bytes=3, peak_bytes=4, runs=50, method="VmHWM"),
    accuracy=Accuracy(
        metric="accuracy", value=0.5, low=0.1, high=0.9, interval="Wilson 95 %", n=2, dataset="sst2", dataset_sha256="00", dataset_source="a test",
        predictions=["positive", "negative"], probabilities=[[0.25, 0.75], [1.0, 0.0]],
    ),
    parity=Parity(reference="onnxruntime onnx/fp32", n=2, max_difference=0.01, agreement=1.0),
    engine={"library": "onnxruntime", "threads": 2}, artifact={"size_bytes": 5}, host={"board": None, "before": [{"load": 0.5}]},
    started_at="2026-01-02T03:04:05Z", id="abc",
)
BARE = Record(spec=Spec(model="tiny", format="*", precision="*", backend="tflite"), outcome="unsupported", verdict="unsupported")

short = st.text(max_size=20)
count = st.integers(0, 2**63 - 1)
share = st.floats(0, 1, allow_subnormal=False)  # training in the same process has the processor take them for zero
specs = st.builds(
    Spec, model=short, format=short, precision=short, backend=short, threads=st.integers(1, 999), length=st.none() | count, dataset=st.none() | short,
    seed=st.integers(), min_time_s=share, passes=st.lists(short, max_size=3).map(tuple),
)
latencies = st.builds(
    Latency, processes_ns=st.lists(st.lists(count, max_size=3), max_size=2), warm_up_ns=st.just([[1]]), tokens=st.none() | st.just([[5]]),
    stages_ns=st.dictionaries(short, st.lists(count, max_size=3), max_size=2),
)
facts = st.dictionaries(short, st.none() | st.booleans() | count | short, max_size=3)
records = st.builds(
    Record, spec=specs, outcome=st.sampled_from(get_args(Outcome)), verdict=st.sampled_from(get_args(Verdict)), reasons=st.lists(short, max_size=2),
    notes=st.lists(short, max_size=2), latency=st.none() | latencies,
    parity=st.none() | st.builds(Parity, reference=short, n=count, max_difference=share, agreement=share),
    engine=facts, artifact=facts, host=facts, started_at=short, id=short,
)


@given(records)
def test_every_record_is_one_line_that_reads_as_it_was(one: Record) -> None:
    line = record.to_json(one)
    assert b"\n" not in line
    assert msgspec.json.decode(line, type=Record) == one


@given(specs)
def test_every_spec_survives_the_way_to_a_device(spec: Spec) -> None:
    assert msgspec.json.decode(msgspec.json.encode(spec), type=Spec) == spec


def test_what_was_appended_is_read_in_order(tmp_path: Path) -> None:
    for one in (FULL, BARE, FULL):
        record.append(tmp_path / "new" / "records.jsonl", one)
    assert record.read_lines(tmp_path / "new" / "records.jsonl") == [FULL, BARE, FULL]
    assert (tmp_path / "new" / "records.jsonl").read_bytes() == record.write_lines([FULL, BARE, FULL])


def test_what_was_not_measured_is_null_and_not_zero() -> None:
    row = msgspec.json.decode(record.to_json(BARE))
    assert [row[key] for key in ("latency", "memory", "accuracy", "parity")] == [None] * 4
    assert row["schema"] == 1


def test_half_a_line_that_a_crash_left_is_taken_for_none(tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    file.write_bytes(record.write_lines([FULL, FULL])[:-100])
    assert record.read_lines(file) == [FULL]
    record.append(file, BARE)
    assert record.read_lines(file) == [FULL, BARE]


@pytest.mark.parametrize(
    "line",
    [
        record.to_json(FULL)[:100], b"", b"[]", record.to_json(BARE).replace(b'"id"', b'"di"'), record.to_json(BARE).replace(b'"tiny"', b'"t\xff"'),
        record.to_json(BARE).replace(b'"host":{', b'"host":{"deep":' + b"[" * 100_000),
    ],
    ids=["cut short", "empty", "no object", "unknown key", "no UTF-8", "too deep"],
)
def test_a_line_that_is_no_record_is_named_by_its_number(line: bytes, tmp_path: Path) -> None:
    (tmp_path / "records.jsonl").write_bytes(record.write_lines([FULL]) + line + b"\n" + record.write_lines([BARE]))
    with pytest.raises(CardError, match=r"records\.jsonl line 2 is no record of schema 1: .*; delete that line, or measure again"):
        record.read_lines(tmp_path / "records.jsonl")


def test_a_record_of_another_schema_is_not_read_as_if_it_were_of_this_one(tmp_path: Path) -> None:
    (tmp_path / "records.jsonl").write_bytes(record.to_json(BARE).replace(b'"schema":1', b'"schema":2'))
    with pytest.raises(CardError, match="line 1 is no record of schema 1: its schema is 2"):
        record.read_lines(tmp_path / "records.jsonl")


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(CardError, match=r"none\.jsonl cannot be read: No such file or directory; name a file of records"):
        record.read_lines(tmp_path / "none.jsonl")


def test_a_place_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(EdgebenchError, match="a record cannot be written to .*: Is a directory; name another file with -o, or make room"):
        record.append(tmp_path, BARE)
    with pytest.raises(EdgebenchError, match="a record cannot be written to .*: Is a directory"):
        record.check_writable(tmp_path)


def test_asking_whether_a_place_can_be_written_changes_no_file(tmp_path: Path) -> None:
    record.append(tmp_path / "old.jsonl", BARE)
    record.check_writable(tmp_path / "old.jsonl")
    record.check_writable(tmp_path / "folder" / "new.jsonl")
    assert record.read_lines(tmp_path / "old.jsonl") == [BARE]
    assert list((tmp_path / "folder").iterdir()) == []


def test_samples_of_all_processes_are_one_series() -> None:
    assert FULL.latency is not None
    assert FULL.latency.samples_ns == [3, 1, 2]


@pytest.mark.parametrize(("spec", "name"), [(FULL.spec, "tiny onnxruntime int8 2 threads 32 tokens"), (BARE.spec, "tiny tflite * 1 thread")])
def test_a_spec_has_a_name_to_say(spec: Spec, name: str) -> None:
    assert spec.name == name


@pytest.mark.parametrize("size", [b'"large"', b"-1", b"1.5", b"true"])
def test_a_size_that_is_none_is_refused_where_it_is_read(tmp_path: Path, size: bytes) -> None:
    (tmp_path / "records.jsonl").write_bytes(record.to_json(BARE).replace(b'"artifact":{}', b'"artifact":{"size_bytes":' + size + b"}"))
    with pytest.raises(CardError, match="its artifact.size_bytes is"):
        record.read_lines(tmp_path / "records.jsonl")
