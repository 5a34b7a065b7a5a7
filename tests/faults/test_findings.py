"""What fuzzing found (tests/faults/fuzz.py): each finding is a test named for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebench.errors import UnsupportedError
from edgebench.models import onnx_graph
from tests.faults.test_model_faults import inside


def test_a_float_of_another_size_in_an_onnx_attribute(tmp_path: Path) -> None:
    (tmp_path / "one.onnx").write_bytes(inside(7, inside(1, inside(5, inside(2, b"\0\0\0")))))
    with pytest.raises(UnsupportedError, match="3 bytes where a float was expected"):
        onnx_graph.read(tmp_path / "one.onnx")
