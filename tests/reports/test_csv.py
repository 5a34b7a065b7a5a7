"""Comma-separated values, as whole text: base units, empty where absent, nothing that a spreadsheet would compute."""

from __future__ import annotations

import csv
from collections.abc import Callable
from io import StringIO

import pytest

from edgebench.record import Record
from edgebench.reports.csv import render

TEXT = """\
model,backend,format,precision,threads,accelerator,scenario,length,batch,outcome,verdict,fastest,n,median_ns,median_low_ns,median_high_ns,p90_ns,\
p95_ns,p99_ns,mean_ns,cv,outliers,processes,per_s,metric,accuracy,accuracy_low,accuracy_high,examples,dataset,parity_difference,parity_agreement,\
size_bytes,rss_baseline_bytes,rss_peak_bytes,first_answer_ns,energy_j,ops,work_bytes,of_roof,library,version,board,cpu,usable_cores,seed,started_at,id,\
reasons,notes
tiny,onnxruntime,onnx,int8,1,cpu,single-stream,,1,ok,valid,1,100,1200000,1200000,1200000,2400000,,,1440000.0,0.335012605086404,20,2,,accuracy,0.91,\
0.89,0.928,872,sst2,0.01,0.995,14600000,50000000,80400000,123000000,,,,,onnxruntime,1.2,,Test CPU,4,0,2026-01-02T03:04:05Z,,,\
sst2: 872 of 67349 examples
tiny,torchscript,onnx,fp32,1,cpu,single-stream,,1,ok,noisy,0,60,1000000,1000000,1000000,,,,1200000.0,0.3361463227264072,12,2,,accuracy,0.91,0.89,\
0.928,872,sst2,0.01,0.995,14600000,50000000,80400000,123000000,,,,,torchscript,1.2,,Test CPU,4,0,2026-01-02T03:04:05Z,,the median lies anywhere,
tiny,tflite,onnx,*,1,cpu,single-stream,,1,unsupported,unsupported,0,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,0,,,"backend 'tflite' needs ai-edge-litert,\
 which is not installed; install edgebench[tflite]",
"""


def test_the_whole_text(sweep: list[Record]) -> None:
    assert render([sweep[1], sweep[3], sweep[5]]) == TEXT


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(text, newline="")))


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@sum(a1)", " =1"])
def test_no_text_is_taken_for_a_formula(make: Callable[..., Record], name: str) -> None:
    (row,) = rows(render([make("tflite", name, verdict="failed", spec={"model": name}, reasons=[name], engine={"library": name})]))
    assert [row[key] for key in ("model", "precision", "reasons", "library")] == [f"'{name}"] * 4
    assert row["outcome"] == "failed"


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\t", "\u2028", "\x1b"])
def test_a_reason_of_several_lines_stays_in_its_row_and_begins_no_formula(make: Callable[..., Record], end: str) -> None:
    text = render([make("tflite", "int8", verdict="failed", reasons=[f"{end}=1{end}+2"])])
    assert len(text.splitlines()) == 2
    (row,) = rows(text)
    assert row["reasons"] == f"'{' ' * len(end)}=1{' ' * len(end)}+2"


def test_a_name_with_commas_and_quotes_is_read_back_whole(make: Callable[..., Record]) -> None:
    (row,) = rows(render([make("tflite", 'a,"b"', verdict="failed")]))
    assert row["precision"] == 'a,"b"'


def test_only_the_fastest_valid_cell_has_a_one(sweep: list[Record]) -> None:
    assert [row["fastest"] for row in rows(render(sweep))] == ["0", "1", "0", "0", "0", "0"]


def test_no_records_are_no_text() -> None:
    assert render([]) == ""
