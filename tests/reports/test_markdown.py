"""The Markdown section, as whole text; nothing in a record is taken for Markdown or HTML."""

from __future__ import annotations

from collections.abc import Callable

from edgebench.record import Record
from edgebench.reports.markdown import render

SECTION = r"""tiny, 1 thread, real inputs of 5 to 60 tokens, accuracy on sst2 (n = 872)

Test CPU, 4 cores, 2026-01-02 03:04 UTC

| engine | precision | median | p90 | accuracy | parity | size | peak | first answer | verdict |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |
| onnxruntime | fp32 | 2.00 ms ±0.0 % | 4.00 ms | 91.0 % ±2.0 | reference | 14.6 MB | 80.4 MB | 123 ms | valid |
| **onnxruntime** | **int8** | **1.20 ms ±0.0 %** | **2.40 ms** | **91.0 % ±2.0** | **99.5 %** | **14.6 MB** | **80.4 MB** | **123 ms** | **valid, fastest** |
| onnxruntime | int4 | 500 µs ±0.0 % | 1.00 ms | 60.0 % ±2.0 | 99.5 % | 14.6 MB | 80.4 MB | 123 ms | invalid \[1\] |
| torchscript | fp32 | 1.00 ms ±0.0 % | – | 91.0 % ±2.0 | 99.5 % | 14.6 MB | 80.4 MB | 123 ms | noisy \[2\] |
| torchscript | int8 | – | – | – | – | – | – | – | failed \[3\] |
| tflite | any | – | – | – | – | – | – | – | unsupported \[4\] |

- \[1\] accuracy is lost; answers differ
- \[2\] the median lies anywhere
- \[3\] the process was killed by SIGSEGV
- \[4\] backend 'tflite' needs ai-edge-litert, which is not installed; install edgebench\[tflite\]
- median and p90: whole calls, input to answer; 60 to 100 calls in 2 fresh processes a cell; p90 by nearest rank, from 64 calls on
- first answer: from before the process starts, files in the cache
- ±: how far the 95 % interval reaches, the median's over the processes, accuracy's over the examples
- tiny torchscript fp32 1 thread has a lower median than the fastest valid cell, but is noisy; measure again to know
- note on onnxruntime int8 1 thread: sst2: 872 of 67349 examples
"""

HOSTILE = r"""\# \*a\* \~\~b\~\~, 1 thread, real inputs

| engine | precision | median | p90 | accuracy | parity | size | peak | first answer | verdict |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |
| &lt;script&gt;x&amp;lt; | a\|b\`c\\ | – | – | – | – | – | – | – | failed \[1\] |

- \[1\] \[click\](http://x) \_\_now\_\_ 31m
"""


def test_the_whole_section(sweep: list[Record]) -> None:
    assert render(sweep) == SECTION


def test_nothing_in_a_record_is_taken_for_markdown_or_html(make: Callable[..., Record]) -> None:
    record = make("<script>x&lt;", "a|b`c\\", verdict="failed", spec={"model": "# *a* ~~b~~"}, reasons=["[click](http://x)\n__now__\x9b31m"])
    assert render([record]) == HOSTILE


def test_a_title_line_begins_no_list_and_no_heading(make: Callable[..., Record]) -> None:
    for mark in "#-+=":
        assert render([make("tflite", "*", verdict="unsupported", spec={"model": f"{mark} x"})]).startswith(f"\\{mark} x, 1 thread")


def test_nothing_measured_is_said_so() -> None:
    assert render([]) == "nothing was measured\n"
