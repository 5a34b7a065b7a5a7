"""edgebench doctor: its whole text over a recorded laptop, its JSON, and its exit status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgebench.bench import doctor, energy, host, state, tryout
from edgebench.bench.tryout import Engine, Extra, Folder, Model
from edgebench.cli import doctor as cli
from edgebench.cli import status
from edgebench.record import Spec
from tests.machines import LAPTOP, tree

WORKS = Engine("onnxruntime", "1.32.0", "tinybert-sst2 int8", 302_000_000)
LACKS = Engine("tflite", error="backend 'tflite' needs ai-edge-litert, which is not installed; install it", missing=True, install="pip install it")
TEXT = """\
edgebench 0.1.0, Python 3.11.2
LENOVO 20XW004AGE, Intel(R) Core(TM) i7-1165G7 @ 2.80GHz, 2 cores, 16.8 MB, Debian GNU/Linux 12 (bookworm)

Works here
  ok       onnxruntime    1.32.0: opens tinybert-sst2 int8 and answers, the first time after 302 ms
  missing  tflite         backend 'tflite' needs ai-edge-litert, which is not installed
                          -> pip install it
  ok       tinybert-sst2  bundled, 5 files with the right digests
  ok       extra train    torch 2.13.0
  ok       folders        can be written: results

Sensors
  ok       temperature    63.0 °C
  ok       frequency      3.10 GHz of 4.60 GHz
  ok       throttling     the processor's counters
  ok       energy         rapl: package-0
  ok       shared memory  told apart, as proportional set size
  missing  pressure       the kernel does not count how long processes wait
                          -> boot with psi=1 (Raspberry Pi: add it to the line in /boot/firmware/cmdline.txt, as root)
  ok       clock          steps of 1.00 ns

Noise
  ok       steadiness     60 times SHA-256 of 2 MiB: median 1.00 µs, p90 0.0 % above it
  warn     governor       powersave: the clock follows the load
                          -> echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor
  warn     turbo          on: the clock depends on heat and on what the other cores do
                          -> echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo
  warn     power          battery: clocks may be held down
                          -> plug it in, except to measure energy by its gauge
  ok       heat           63.0 °C
  ok       throttling     not now
  ok       swap           3.15 MB in use

1 of 2 engines work here; 3 warnings, 2 missing"""


def test_the_whole_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    root = tree(tmp_path, LAPTOP)
    fixed = {"cores": 2, "usable_cores": 2, "os": "Debian GNU/Linux 12 (bookworm)", "python": "3.11.2", "clock_resolution_ns": 1.0}
    facts = host.facts(root) | fixed | {"packages": {"edgebench": "0.1.0"}}
    before = host.now(root)
    after = host.now(root, since=before)
    meter = energy.find(Spec(model="m", format="onnx", precision="int8", backend="onnxruntime"), root)
    works = doctor.works([WORKS, LACKS], [Model("tinybert-sst2", 5)], [Extra("train", {"torch": "2.13.0"}, "")], [Folder(Path("results"), True)])
    findings = [*works, *doctor.sensors(facts, after, meter, 1), *doctor.noise(facts, before, after, [1000] * 60)]
    assert cli._text(facts, findings, [WORKS, LACKS]) == TEXT


@pytest.mark.parametrize(("engines", "code", "last"), [
    ([WORKS, LACKS], 0, "1 of 2 engines work here; "), ([LACKS], 3, "0 of 1 engines work here; "),
])
def test_the_command_succeeds_where_an_engine_works(
    engines: list[Engine], code: int, last: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(tryout, "engines", lambda execute: iter(engines))
    monkeypatch.setattr(tryout, "steadiness", lambda: [1000] * 60)
    assert status(["doctor"]) == code
    assert capsys.readouterr().out.splitlines()[-1].startswith(last)


def test_the_state_after_the_calculation_is_read_beside_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    read = list[dict[str, Any]]()
    monkeypatch.setattr(host, "now", lambda **options: read.append(options) or state.now(**options))
    monkeypatch.setattr(tryout, "engines", lambda execute: iter([WORKS]))
    monkeypatch.setattr(tryout, "steadiness", lambda: [1000] * 60)
    assert status(["doctor"]) == 0
    assert [list(one) for one in read] == [[], ["since"]]


def test_json_is_one_document_of_findings_and_facts(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(tryout, "engines", lambda execute: iter([WORKS, LACKS]))
    monkeypatch.setattr(tryout, "steadiness", lambda: [1000] * 60)
    assert status(["doctor", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["schema"], found["engines"]) == (1, ["onnxruntime"])
    assert {one["group"] for one in found["findings"]} == {"works here", "sensors", "noise"}
    assert {one["state"] for one in found["findings"]} <= {"ok", "warn", "missing"}
    assert found["host"].keys() == host.facts().keys()
    assert "load_average" in found["now"]
