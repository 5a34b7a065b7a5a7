"""JSON lines: everything that was recorded, as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgebench.record import Record, read_lines
from edgebench.reports.jsonl import render

LINE = (
    '{"schema":1,"spec":{"model":"tiny","format":"onnx","precision":"*","backend":"tflite","threads":1,"accelerator":"cpu","require":"any","profile":"host",'
    '"scenario":"single-stream","length":null,"batch":1,"rate_hz":null,"bound_ns":null,"rules":"edgebench","seed":0,"dataset":null,"examples":null,'
    '"processes":3,"max_processes":6,"min_runs":50,"min_time_s":2.0,"warm_up_cap_s":10.0,"cool_to_c":null,"cool_cap_s":120.0,"meter":null,'
    '"passes":["accuracy","latency","memory","cold"],"allow_code":false,"timeout_s":300.0},"outcome":"unsupported","verdict":"unsupported","cause":null,'
    '"reasons":["it is not “here”"],"notes":[],"latency":null,"cold":[],"cooling":[],"throughput":null,"sustained":null,"memory":null,'
    '"energy":null,"roof":null,"work":null,"accuracy":null,"parity":null,"engine":{},"artifact":{},"host":{},"started_at":"","id":""}\n'
)


def test_the_whole_text(make: Callable[..., Record]) -> None:
    assert render([make("tflite", "*", verdict="unsupported", reasons=["it is not “here”"])]) == LINE


def test_every_sample_is_read_back(sweep: list[Record], tmp_path: Path) -> None:
    (tmp_path / "records.jsonl").write_text(render(sweep), encoding="utf-8")
    assert read_lines(tmp_path / "records.jsonl") == sweep
