"""What is printed of comparisons: the whole text, Markdown and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable

import msgspec
import pytest

from edgebench.record import Record
from edgebench.reports.compare import markdown, render, to_json
from edgebench.reports.pairs import Matched, compare
from tests.reports.test_pairs import answered, peak, timed

TEXT = """\
A: tiny onnxruntime int8 1 thread
B: tiny tflite int8 1 thread
                     A        B  B against A
  median       2.05 ms  3.07 ms  1.500 times as long (1.500 to 1.500): slower; of two calls drawn at
                                 random B's is the slower in 100.0 %
  peak memory  80.4 MB  90.0 MB  +11.9 %: higher
  size         14.6 MB  14.6 MB  0.0 %
  accuracy      80.0 %   60.0 %  -20.0 points: no detectable difference (only A is right on 3, only
                                 B on 1, p = 0.62)
  verdict        valid    noisy  the time of B is noisy, which the ratio's interval takes in

time: 95 % interval by Student's t over pairs of processes (n = 2), A and B in turn
accuracy: McNemar's exact test on the examples that only one side got right
"""

FILES = """\
tiny onnxruntime fp32 1 thread
                     A        B  B against A
  median       2.00 ms  2.00 ms  1.000 times as long (1.000 to 1.000): no detectable difference; one of 1.0 % or more would have
                                 been seen
  peak memory  80.4 MB  80.4 MB  0.0 %: about the same
  size         14.6 MB  14.6 MB  0.0 %
  accuracy      91.0 %   91.0 %  0.0 points; not tested: the records do not hold what is right of the same examples
  verdict        valid    valid

tiny onnxruntime int8 1 thread
                     A       B  B against A
  median       1.20 ms       –  not compared
  peak memory  80.4 MB       –  not compared
  size         14.6 MB       –  not compared
  accuracy      91.0 %       –  not compared
  verdict        valid  failed  B: the process was killed by SIGSEGV

2 cells: 1 no detectable difference, 1 not compared
time: 95 % interval by Welch's t over processes (n = 4)
A and B were measured apart, A 2026-01-02 03:04 UTC, B 2026-01-02 03:04 UTC: the interval does not cover what changed between
differs: processor: A Test CPU, B is not known; it may differ (in 1 of 2 cells, of which this is the first)
differs: usable cores: A 4, B is not known; it may differ (in 1 of 2 cells, of which this is the first)
differs: labelled set: A sst2 (00), B is not known; it may differ (in 1 of 2 cells, of which this is the first)
differs: examples: A 872, B is not known; it may differ (in 1 of 2 cells, of which this is the first)
differs: engine: A onnxruntime 1.2, B is not known; it may differ (in 1 of 2 cells, of which this is the first)
only A has tiny tflite int8 1 thread (valid)
only B has tiny tflite * 1 thread (unsupported)
"""

MARKDOWN = r"""**A: tiny onnxruntime int8 1 thread**  
**B: tiny tflite int8 1 thread**

|  | A | B | B against A |
| --- | ---: | ---: | --- |
| median | 2.05 ms | 3.07 ms | 1.500 times as long (1.500 to 1.500): slower; of two calls drawn at random B's is the slower in 100.0 % |
| peak memory | 80.4 MB | 90.0 MB | \+11.9 %: higher |
| size | 14.6 MB | 14.6 MB | 0.0 % |
| accuracy | 80.0 % | 60.0 % | \-20.0 points: no detectable difference (only A is right on 3, only B on 1, p = 0.62) |
| verdict | valid | noisy | the time of B is noisy, which the ratio's interval takes in |

- time: 95 % interval by Student's t over pairs of processes (n = 2), A and B in turn
- accuracy: McNemar's exact test on the examples that only one side got right
"""


@pytest.fixture
def two(make: Callable[..., Record]) -> tuple[Record, Record]:
    a = make("onnxruntime", "int8", 1, latency=timed([2], [2.1]), accuracy=answered("ppppppppnn"))
    b = make("tflite", "int8", 1, latency=timed([3], [3.15]), accuracy=answered("nnnpppppnp"), memory=peak(90e6), verdict="noisy", reasons=["restless"])
    return a, b


def test_two_cells_in_turn(two: tuple[Record, Record]) -> None:
    assert render([compare(*two, paired=True)], Matched([two], [], []), paired=True, width=100) == TEXT


def test_two_cells_as_markdown(two: tuple[Record, Record]) -> None:
    assert markdown([compare(*two, paired=True)], Matched([two], [], []), paired=True) == MARKDOWN


def test_two_files(make: Callable[..., Record]) -> None:
    calm = {"latency": timed([2, 2], [2, 2])}
    same = make("onnxruntime", "fp32", 2, **calm)
    crashed = make("onnxruntime", "int8", verdict="failed", reasons=["the process was killed by SIGSEGV"])
    matched = Matched([(same, same), (make("onnxruntime", "int8", 1.2), crashed)], [make("tflite", "int8", 1)], [make("tflite", "*", verdict="unsupported")])
    assert render([compare(*pair) for pair in matched.pairs], matched, paired=False, width=132) == FILES


def test_of_many_cells_some_differ_by_chance_and_that_is_said(two: tuple[Record, Record]) -> None:
    found = compare(*two)
    said = "of cells that are alike about one in twenty is called different by chance"
    assert said in render([found] * 5, Matched([two] * 5, [], []), paired=False)
    assert said not in render([found] * 4, Matched([two] * 4, [], []), paired=False)


def test_a_difference_that_all_cells_share_is_said_once(two: tuple[Record, Record]) -> None:
    a, b = two
    other = msgspec.structs.replace(b, host={**b.host, "kernel": "9"}), msgspec.structs.replace(a, host={**a.host, "kernel": "8"})
    found = compare(other[1], other[0])
    text = render([found, found], Matched([other, other], [], []), paired=False)
    assert text.count("kernel") == 1
    assert "differs: kernel: A 8, B 9; the system may have worked otherwise\n" in text


def test_one_process_each_is_undecided(make: Callable[..., Record]) -> None:
    one = make("x", "int8", 1, latency=timed([2, 2]))
    assert "1.000 times as long: undecided, for one process gives no interval; measure more processes" in " ".join(
        render([compare(one, one)], Matched([(one, one)], [], []), paired=False).split()
    )


@pytest.mark.parametrize(
    ("b", "said"),
    [("ppppppppnn", "0.0 points: both are right about the same examples"), ("pppppppppp", "+20.0 points: no detectable difference (only A is right on 0"),
     ("nnnnnnnnnn", "-80.0 points: lower (only A is right on 8, only B on 0, p = 0.0078)")],
)
def test_accuracy_in_words(b: str, said: str, make: Callable[..., Record]) -> None:
    first, second = make("x", "int8", 1, accuracy=answered("ppppppppnn")), make("x", "int8", 1, accuracy=answered(b))
    assert said in markdown([compare(first, second)], Matched([(first, second)], [], []), paired=False).replace("\\", "")


def test_names_and_reasons_cannot_command_a_terminal_or_make_markdown(make: Callable[..., Record]) -> None:
    odd = make("a\x1b[31m|b", "int8", verdict="failed", reasons=["<b>\x1b[2J"])
    pair = (make("x", "int8", 1), odd)
    assert "\x1b" not in render([compare(*pair)], Matched([pair], [odd], []), paired=False)
    assert "<b>" not in markdown([compare(*pair)], Matched([pair], [], []), paired=False)


def test_json_is_one_document_in_base_units(two: tuple[Record, Record], make: Callable[..., Record]) -> None:
    text = to_json([compare(*two, paired=True)], Matched([two], [make("z", "int8", 1)], []), paired=True)
    found = json.loads(text)
    (pair,) = found["pairs"]
    assert text.count("\n") == 1
    assert (found["paired"], found["only_a"], found["only_b"]) == (True, ["tiny z int8 1 thread"], [])
    assert pair["a"] == {
        "id": "", "cell": "tiny onnxruntime int8 1 thread", "verdict": "valid", "time_ns": pytest.approx(2_049_390.2), "peak_bytes": 80_400_000,
        "size_bytes": 14_600_000, "accuracy": 0.8,
    }
    assert (pair["time"]["ratio"], pair["time"]["n"], pair["time"]["difference"]) == (pytest.approx(1.5), 2, "slower")
    assert pair["accuracy"] == {"difference": pytest.approx(-0.2), "only_a": 3, "only_b": 1, "p": 0.625}
    assert (pair["worse"], pair["unsure"]) == (["is slower", "needs more memory"], ["B is noisy"])
