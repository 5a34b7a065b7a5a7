"""ONNX Runtime against the contract, on a graph of three nodes: the sum of (id, -id) / 8 over the unmasked tokens."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from edgebench.backends import conformance
from edgebench.backends.base import Options
from edgebench.backends.conformance import Case
from edgebench.backends.onnxruntime import BACKEND
from edgebench.errors import EngineError, MissingError, UnsupportedError
from tests.summed import write_graph

IDS = np.array([[3, 4, 5, 6], [1, 2, 9, 9]], np.int64)
MASK = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], np.int64)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    path = tmp_path_factory.mktemp("onnx") / "summed.onnx"
    write_graph(path)
    return Case(BACKEND, path, {"input_ids": IDS, "attention_mask": MASK}, {"logits": np.array([[1.5, -1.5], [0.375, -0.375]], np.float32)})


@pytest.mark.parametrize("check", conformance.CHECKS)
def test_contract(check: str, case: Case) -> None:
    conformance.CHECKS[check](case)


def test_open_sizes_are_none(case: Case) -> None:
    session = BACKEND.open(case.path, Options())
    assert {spec.name: spec.shape for spec in session.inputs} == {"input_ids": (None, None), "attention_mask": (None, None)}
    assert [(spec.name, spec.dtype, spec.shape) for spec in session.outputs] == [("logits", "float32", (None, 2))]


def test_facts_are_the_sessions_own(case: Case) -> None:
    facts = BACKEND.open(case.path, Options(threads=2)).facts
    assert (facts.library, facts.threads, facts.accelerator) == ("onnxruntime", 2, "cpu")
    assert facts.details["providers"] == ["CPUExecutionProvider"]
    assert facts.details["inter_op_threads"] == 1


def test_an_accelerator_that_is_not_there_names_those_that_are(case: Case) -> None:
    with pytest.raises(UnsupportedError, match=r"backend 'onnxruntime' has no accelerator 'qnn' here; it has .*cpu"):
        BACKEND.open(case.path, Options(accelerator="qnn"))


def test_a_web_service_is_no_accelerator(case: Case) -> None:
    with pytest.raises(UnsupportedError):
        BACKEND.open(case.path, Options(accelerator="azure"))


class Placed:
    """A session of an engine that has an accelerator: it takes the first node and leaves the second."""

    given: ClassVar[list[str]] = []

    def __init__(self, path: str, settings: Any, providers: list[str]) -> None:
        type(self).given = providers

    def get_providers(self) -> list[str]:
        return ["ChipExecutionProvider", "CPUExecutionProvider"]

    def get_provider_graph_assignment_info(self) -> list[Any]:
        nodes = {"ChipExecutionProvider": SimpleNamespace(name="first", op_type="Relu"), "CPUExecutionProvider": SimpleNamespace(name="second", op_type="Det")}
        return [SimpleNamespace(ep_name=name, get_nodes=lambda node=node: [node]) for name, node in nodes.items()]


def test_in_full_means_that_the_nodes_left_behind_are_named(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["ChipExecutionProvider", "CPUExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", Placed)
    with pytest.raises(UnsupportedError, match=r"chip takes 1 of the 2 nodes of summed\.onnx; Det second would stay on cpu; allow it with require 'any'"):
        BACKEND.open(case.path, Options(accelerator="chip", require="full"))
    assert Placed.given == ["ChipExecutionProvider"]  # the engine refuses to be given the processor, too, where nothing may fall back to it


def test_a_part_left_behind_is_in_the_facts_of_a_real_accelerator(tmp_path: Path) -> None:
    import onnxruntime

    if "OpenVINOExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has no accelerator; onnxruntime-openvino has one on any processor of x86-64")
    from onnx import TensorProto, helper, save

    nodes = [helper.make_node("Relu", ["x"], ["a"], name="first"), helper.make_node("Det", ["a"], ["y"], name="second")]
    tensors = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3, 3]), helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])]
    graph = helper.make_graph(nodes, "parted", tensors[:1], tensors[1:])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(tmp_path / "parted.onnx"))
    facts = BACKEND.open(tmp_path / "parted.onnx", Options(accelerator="openvino")).facts
    assert (facts.details["nodes"], facts.details["stayed"]) == ({"openvino": 1, "cpu": 1}, ["Det second"])
    with pytest.raises(UnsupportedError, match="openvino takes 1 of the 2 nodes"):
        BACKEND.open(tmp_path / "parted.onnx", Options(accelerator="openvino", require="full"))


def test_sizes_that_do_not_fit_each_other_are_the_engines_error(case: Case) -> None:
    with pytest.raises(EngineError, match=r"onnxruntime failed while running summed\.onnx"):
        BACKEND.open(case.path, Options()).run({"input_ids": IDS, "attention_mask": MASK[:, :3]})


def test_a_failing_run_says_nothing_on_stderr(case: Case, capfd: pytest.CaptureFixture[str]) -> None:
    session = BACKEND.open(case.path, Options())
    capfd.readouterr()
    with pytest.raises(EngineError):
        session.run({"input_ids": IDS, "attention_mask": MASK[:, :3]})
    assert capfd.readouterr() == ("", "")


def test_without_the_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingError, match=r"backend 'onnxruntime' needs onnxruntime.*; install edgebench"):
        BACKEND.version()


def test_importing_the_backend_imports_no_engine() -> None:
    code = "import sys, edgebench.backends.onnxruntime; sys.exit('onnxruntime' in sys.modules or 'numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
