"""Accelerators in a study: what each was given and gains beside the same engine without it, and why others could not be had."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from edgebench.record import Record
from edgebench.study import report
from edgebench.study.acceleration import findings, lines
from edgebench.study.description import Model, Row, Study, Table
from edgebench.study.evidence import Evidence
from tests.reports.conftest import cell

TABLE = Table(name="a", title="Acceleration", kind="accelerators", figure="none", rows=(Row(model="tiny"),))
STUDY = Study(schema=1, name="one", title="One", about="a test", models=(Model(name="tiny", about="tiny"),), tables=(TABLE,))


def asked(backend: str, accelerator: str, ms: float | None, *, version: str = "1.2", details: Any = None, reason: str = "", **more: Any) -> Record:
    made = cell(backend, "fp32", ms, spec={"accelerator": accelerator, **more}, **({} if ms else {"verdict": "unsupported", "host": cell("x", "fp32", 1).host}))
    return msgspec.structs.replace(
        made, engine={"library": backend, "version": version, "details": details or {}} if ms else {}, reasons=[reason] if reason else [],
    )


RECORDS = [
    asked("onnxruntime", "cpu", 12.0), asked("onnxruntime", "cpu", 5.0, version="1.3"),
    asked("onnxruntime", "openvino", 4.0, details={"nodes": {"openvino": 3, "cpu": 1}, "stayed": ["Det second"]}),
    asked("tflite", "cpu", 6.0), asked("tflite", "builtin", 9.0), asked("tflite", "xnnpack", 6.0),
    asked("executorch", "xnnpack", 8.0, details={"nodes": {"xnnpack": 4, "cpu": 0}}),
    asked("onnxruntime", "cuda", None, reason="backend 'onnxruntime' has no accelerator 'cuda' here; it has cpu."),
]


def evidence(known: list[Record]) -> Evidence:
    return Evidence(study=STUDY, records=known)


def told(engine: str, accelerator: str) -> dict[str, Any]:
    found = [one.entries for one in lines(TABLE, evidence(RECORDS)).lines if one.entries["asked for"].text == accelerator]
    return next(one for one in found if one["engine"].text.startswith(engine))


def test_an_accelerator_stands_beside_the_same_version_of_the_engine_without_it() -> None:
    entries = told("onnxruntime", "openvino")
    assert (entries["without it"].text, entries["times as fast"].value) == ("12.0 ms", pytest.approx(3.0))


def test_what_stayed_behind_is_a_note_of_the_share() -> None:
    nodes = told("onnxruntime", "openvino")["nodes on it"]
    assert (nodes.text, nodes.why) == ("3 of 4", "stayed on the processor: Det second")
    assert told("executorch", "xnnpack")["nodes on it"].why == ""


def test_without_xnnpack_are_the_engines_own_kernels_where_it_has_a_name_for_them() -> None:
    assert told("tflite", "xnnpack")["without it"].text == "9.00 ms"


def test_a_file_that_is_always_accelerated_says_that_nothing_stands_beside_it() -> None:
    entries = told("executorch", "xnnpack")
    assert (entries["times as fast"].text, entries["times as fast"].why) == ("–", "the same version of the engine was not measured without it")


def test_one_that_could_not_be_had_is_a_line_with_the_engines_reason() -> None:
    entries = told("onnxruntime", "cuda")
    assert (entries["verdict"].text, entries["median"].why) == ("unsupported", "backend 'onnxruntime' has no accelerator 'cuda' here; it has cpu.")


def test_accelerated_records_are_none_of_an_engines_own() -> None:
    known = evidence(RECORDS)
    assert {one.spec.accelerator for one in known.of("tiny", "fp32")} == {"cpu"}
    assert known.refusal("tiny", "onnxruntime", "fp32") == ""


def test_two_versions_of_an_engine_do_not_meet_in_the_other_tables() -> None:
    known = evidence([asked("onnxruntime", "cpu", 5.0, version="1.3", threads=2), *RECORDS[:3], asked("onnxruntime", "cpu", 6.0, version="1.3", threads=4)])
    assert {one.engine["version"] for one in known.of("tiny", "fp32")} == {"1.3"}
    openvino = next(one for one in known.accelerated("tiny"))
    plain = known.plain(openvino)
    assert plain is not None
    assert plain.engine["version"] == "1.2"


def test_the_findings_name_the_best_and_what_is_not_there() -> None:
    best, missing = findings(lines(TABLE, evidence(RECORDS)))
    assert best.startswith("Of the accelerators at hand openvino in onnxruntime 1.2 on tiny in fp32 gains most: 3.00")
    assert missing == "Not to be had on this machine: cuda in onnxruntime."


def test_a_model_of_which_none_was_asked_for_is_one_line_that_says_how() -> None:
    (line,) = lines(TABLE, evidence(RECORDS[:1])).lines
    assert line.entries["median"].why == "no accelerator was asked for: `edgebench bench --accelerator NAME`"


def test_the_report_holds_the_table() -> None:
    assert "| tiny | fp32 | onnxruntime 1.2 | openvino | 3 of 4" in report.to_markdown(report.report(evidence(RECORDS)))
