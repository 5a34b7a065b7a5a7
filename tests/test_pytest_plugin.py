"""The pytest plug-in, in real inner runs of pytest on a real small model."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgebench import pytest_plugin

pytest_plugins = ["pytester"]

SHORT = "backend='onnxruntime', processes=1, max_processes=1, min_runs=70, min_time_s=0.01, warm_up_cap_s=0.05, examples=8"
MEASURED = f"""
import pytest

@pytest.mark.edgebench_budget("bag", "p90 <= 10 s", "peak <= 9 GB", {SHORT})
def test_fits():
    pass

@pytest.mark.edgebench_budget("bag", "median <= 1 ns", "energy <= 1 J", {SHORT})
def test_is_too_slow():
    raise AssertionError("the budgets come before the body")

@pytest.mark.edgebench_budget("bag", "parity >= 1", {SHORT})
@pytest.mark.edgebench_budget("bag", "accuracy >= 1", {SHORT})
def test_has_two_markers():
    pass

def test_own_assertion(edgebench_measure):
    record = edgebench_measure("bag", precision="fp32", {SHORT})
    assert record.spec.backend == "onnxruntime"
    assert record.latency.samples_ns
    assert edgebench_measure("bag", {SHORT}) is edgebench_measure("bag", {SHORT})

@pytest.mark.edgebench_budget("beg", "p90 <= 10 s")
def test_has_no_model():
    pass

def test_cannot_be_measured_here(edgebench_measure):
    edgebench_measure("bag", backend="tflite")
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, home: Path) -> Any:
    """run(text of a test file, options) -> the result of pytest over it, with our plug-in and no other."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("EDGEBENCH_DATA", raising=False)

    def start(text: str, *options: str) -> pytest.RunResult:
        pytester.makepyfile(text)
        return pytester.runpytest_subprocess("-p", "edgebench.pytest_plugin", "-p", "no:cacheprovider", "-W", "error", *options)

    return start


def test_tests_hold_cells_to_their_budgets(run: Any, pytester: pytest.Pytester) -> None:
    result = run(MEASURED, "--strict-markers", "--edgebench-json", "cells.json")
    result.assert_outcomes(passed=2, failed=4)
    text = result.stdout.str()
    assert re.search(r"bag onnxruntime fp32 1 thread: median is .* over the 1.00 ns of its budget", text)
    assert "bag onnxruntime fp32 1 thread: energy <= 1.00 J cannot be shown: it was not measured" in text
    assert "the budgets come before the body" not in text
    assert re.search(r"bag onnxruntime fp32 1 thread: accuracy is .* below the 100.0 % of its budget", text)
    assert "edgebench: there is no model 'beg'; there are bag" in text
    assert "edgebench: tflite opens tflite files and card 'bag' has none; it has onnx/fp32" in text
    assert "During handling" not in text
    assert re.search(r"=+ edgebench =+\nbag onnxruntime fp32 1 thread: (valid|noisy|invalid), .* at its peak, accuracy .*\n", text)
    (cell,) = json.loads((pytester.path / "cells.json").read_text())["benchmarks"]
    assert (cell["name"], cell["stats"]["rounds"]) == ("bag onnxruntime fp32 1 thread", len(cell["stats"]["data"]))


def test_where_no_test_asks_for_it_nothing_is_imported_or_said(run: Any) -> None:
    result = run(
        """
        import sys

        def test_alone():
            ours = {one for one in sys.modules if one.partition(".")[0] in ("edgebench", "numpy", "msgspec", "click")}
            assert ours == {"edgebench", "edgebench.errors", "edgebench.pytest_plugin"}
        """
    )
    result.assert_outcomes(passed=1)
    assert "edgebench" not in result.stdout.str()


def test_a_wrong_marker_is_one_error_before_any_test_runs(run: Any) -> None:
    result = run(
        """
        import pytest

        def test_first(): raise AssertionError("it was run")

        @pytest.mark.edgebench_budget("bag", "peek <= 200 MB")
        def test_it(): pass
        """
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    said = result.stderr.str() + result.stdout.str()
    assert re.search(r"ERROR: test_\w+\.py::test_it: edgebench_budget: budget 'peek <= 200 MB': there is no metric 'peek'", said)
    assert "it was run" not in said


def test_the_marker_and_the_option_are_explained(run: Any) -> None:
    assert "@pytest.mark.edgebench_budget(model, *budgets, **cell): measure the cell and fail" in run("", "--markers").stdout.str()
    assert "--edgebench-json=FILE" in run("", "--help").stdout.str()


@pytest.mark.parametrize(
    ("args", "kwargs", "said"),
    [
        ((), {}, "expected a model and at least one budget as texts, found nothing"),
        (("bag",), {}, "expected a model and at least one budget as texts, found 'bag'"),
        (("bag", 50), {}, "expected a model and at least one budget as texts, found 'bag', 50"),
        (("bag", "p90 < 5 ms"), {}, "budget 'p90 < 5 ms': expected <=; write 'p90 <= 5 ms'"),
        (("bag", "p90 <= 5 ms"), {"effort": "quik"}, "there is no effort 'quik'; there are quick, usual, full. Did you mean 'quick'?"),
        (("bag", "p90 <= 5 ms"), {"bakend": "tflite"}, "there is no option 'bakend'; there are "),
        (("bag", "p90 <= 5 ms"), {"format": "onnx"}, "there is no option 'format'"),
        (("bag", "p90 <= 5 ms"), {"threads": "two"}, "an option is of the wrong type: Expected `int`, got `str` - at `$.threads`"),
    ],
)
def test_what_is_wrong_with_a_marker_is_said_with_its_test(args: tuple[Any, ...], kwargs: dict[str, Any], said: str) -> None:
    item: Any = SimpleNamespace(nodeid="test_a.py::test_b")
    mark: Any = SimpleNamespace(args=args, kwargs=kwargs)
    with pytest.raises(pytest.UsageError, match=re.escape(f"test_a.py::test_b: edgebench_budget: {said}")):
        pytest_plugin._budgets(item, mark)


def test_the_options_of_a_cell_are_those_of_a_spec() -> None:
    asked = pytest_plugin._ask(
        "bag", backend="tflite", precision="int8", threads=2, length=32, scenario="offline", effort="full", seed=3, timeout_s=9.0, batch=4, examples=7
    )
    assert (asked.models, asked.backends, asked.precisions, asked.threads, asked.lengths) == (("bag",), ("tflite",), ("int8",), (2,), (32,))
    assert (asked.scenarios, asked.effort.min_time_s, asked.effort.examples, asked.seed, asked.timeout_s) == (("offline",), 60.0, 7, 3, 9.0)
    assert asked.options == {"batch": 4, "examples": 7}


def test_pytest_finds_the_plug_in_by_its_entry_point() -> None:
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"edgebench": "edgebench.pytest_plugin"}
