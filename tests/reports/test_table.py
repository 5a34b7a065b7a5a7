"""The table for a terminal, as whole text."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from edgebench.record import Record
from edgebench.reports.table import render

WIDE = """\
tiny, 1 thread, real inputs of 5 to 60 tokens, accuracy on sst2 (n = 872)
Test CPU, 4 cores, 2026-01-02 03:04 UTC

engine       precision          median      p90     accuracy     parity     size     peak  first answer  verdict
────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
onnxruntime  fp32       2.00 ms ±0.0 %  4.00 ms  91.0 % ±2.0  reference  14.6 MB  80.4 MB        123 ms  valid
onnxruntime  int8       1.20 ms ±0.0 %  2.40 ms  91.0 % ±2.0     99.5 %  14.6 MB  80.4 MB        123 ms  valid, fastest
onnxruntime  int4        500 µs ±0.0 %  1.00 ms  60.0 % ±2.0     99.5 %  14.6 MB  80.4 MB        123 ms  invalid [1]
torchscript  fp32       1.00 ms ±0.0 %        –  91.0 % ±2.0     99.5 %  14.6 MB  80.4 MB        123 ms  noisy [2]
torchscript  int8                    –        –            –          –        –        –             –  failed [3]
tflite       any                     –        –            –          –        –        –             –  unsupported [4]

[1] accuracy is lost; answers differ
[2] the median lies anywhere
[3] the process was killed by SIGSEGV
[4] backend 'tflite' needs ai-edge-litert, which is not installed; install edgebench[tflite]
median and p90: whole calls, input to answer; 60 to 100 calls in 2 fresh processes a cell; p90 by nearest rank, from 64
  calls on
first answer: from before the process starts, files in the cache
±: how far the 95 % interval reaches, the median's over the processes, accuracy's over the examples
tiny torchscript fp32 1 thread has a lower median than the fastest valid cell, but is noisy; measure again to know
note on onnxruntime int8 1 thread: sst2: 872 of 67349 examples
"""

NARROW = """\
tiny, 1 thread, real inputs of 5 to 60 tokens, accuracy on sst2 (n = 872)
Test CPU, 4 cores, 2026-01-02 03:04 UTC

engine       precision          median     accuracy     peak  verdict
─────────────────────────────────────────────────────────────────────────────
onnxruntime  fp32       2.00 ms ±0.0 %  91.0 % ±2.0  80.4 MB  valid
onnxruntime  int8       1.20 ms ±0.0 %  91.0 % ±2.0  80.4 MB  valid, fastest
onnxruntime  int4        500 µs ±0.0 %  60.0 % ±2.0  80.4 MB  invalid [1]
torchscript  fp32       1.00 ms ±0.0 %  91.0 % ±2.0  80.4 MB  noisy [2]
torchscript  int8                    –            –        –  failed [3]
tflite       any                     –            –        –  unsupported [4]

[1] accuracy is lost; answers differ
[2] the median lies anywhere
[3] the process was killed by SIGSEGV
[4] backend 'tflite' needs ai-edge-litert, which is not installed; install
  edgebench[tflite]
median and p90: whole calls, input to answer; 60 to 100 calls in 2 fresh
  processes a cell; p90 by nearest rank, from 64 calls on
first answer: from before the process starts, files in the cache
±: how far the 95 % interval reaches, the median's over the processes,
  accuracy's over the examples
tiny torchscript fp32 1 thread has a lower median than the fastest valid cell,
  but is noisy; measure again to know
note on onnxruntime int8 1 thread: sst2: 872 of 67349 examples
not shown for lack of room: p90, parity, size, first answer; --format md shows
  all
"""


@pytest.mark.parametrize(("width", "text"), [(120, WIDE), (80, NARROW)])
def test_the_whole_table(sweep: list[Record], width: int, text: str) -> None:
    assert render(sweep, width=width) == text


def test_colour_changes_nothing_else(sweep: list[Record]) -> None:
    coloured = render(sweep, colour=True)
    assert "\x1b[1;32mvalid, fastest" in coloured
    without = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert [line.rstrip() for line in without.splitlines()] == WIDE.splitlines()


def test_an_engine_that_is_missing_alone_is_a_row_with_its_reason(make: Callable[..., Record]) -> None:
    assert render([make("tflite", "*", verdict="unsupported", reasons=["it is not installed"])]) == (
        "tiny, 1 thread, real inputs\n\n"
        "engine  precision  median  p90  accuracy  parity  size  peak  first answer  verdict\n"
        "───────────────────────────────────────────────────────────────────────────────────────────\n"
        "tflite  any             –    –         –       –     –     –             –  unsupported [1]\n\n"
        "[1] it is not installed\n"
    )


def test_no_name_or_reason_reaches_the_terminal_as_a_command(make: Callable[..., Record]) -> None:
    text = render([make("\x1b[31mred", "[bold]int8[/]", verdict="failed", reasons=["gone\x07\r\nnext\x9b31m"])])
    assert not [one for one in text if not one.isprintable() and one != "\n"]
    assert "[bold]int8[/]" in text
    assert "[1] gone   next 31m\n" in text


def test_nothing_measured_is_said_so() -> None:
    assert render([]) == "nothing was measured\n"


@pytest.mark.parametrize("width", [120, 77])
def test_many_rows_are_laid_out_as_few_are(sweep: list[Record], monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    few = render(sweep, width=width)
    monkeypatch.setattr("edgebench.reports.table.MANY", 0)
    assert render(sweep, width=width) == few
