"""What an engine's profiler says of a graph's nodes, summed by operator."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebench.backends.base import Node, Options
from edgebench.bench.operators import Operator, operators, shares, summed
from edgebench.errors import UnsupportedError, UsageError

NODES = [Node("a", "MatMul", "cpu", 10.0), Node("b", "Add", "cpu", 30.0), Node("c", "MatMul", "npu", 60.0), Node("d", "MatMul", "cpu", 25.0)]


def test_nodes_are_summed_by_operator_and_accelerator_the_slowest_first() -> None:
    assert summed(NODES) == [Operator("MatMul", "npu", 1, 60.0), Operator("MatMul", "cpu", 2, 35.0), Operator("Add", "cpu", 1, 30.0)]


def test_an_accelerators_share_is_of_the_nodes_and_of_the_time() -> None:
    found = shares(summed(NODES))
    assert list(found) == ["npu", "cpu"]
    assert found["npu"] == (0.25, 60 / 125)
    assert found["cpu"] == (0.75, 65 / 125)


def asked(model: str = "bag", **options: object) -> list[Operator]:
    given = {"backend": "onnxruntime", "precision": "fp32", "options": Options(), "length": None, "seed": 0} | options
    return operators(model, ["good film", "a dull film"], **given)  # type: ignore[arg-type]


def test_onnxruntime_tells_every_operator_that_it_ran(home: Path) -> None:
    found = {one.name: one for one in asked()}
    assert {"Gather", "Mul", "ReduceSum"} <= set(found)
    assert all(one.ns > 0 and one.accelerator == "cpu" and one.nodes == 1 for one in found.values())


def test_an_engine_that_tells_nothing_is_named(home: Path) -> None:
    with pytest.raises(UnsupportedError, match="tflite does not say what each operator takes; onnxruntime does"):
        asked(backend="tflite")


def test_a_requirement_that_is_none_is_named(home: Path) -> None:
    with pytest.raises(UsageError, match="require is 'most'; expected 'any' or 'full'"):
        asked(options=Options(require="most"))
