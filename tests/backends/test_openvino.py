"""OpenVINO against the contract, on a graph of three nodes: the sum of (id, -id) / 8 over the unmasked tokens."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgebench.backends import conformance
from edgebench.backends.base import Options
from edgebench.backends.conformance import Case
from edgebench.backends.openvino import BACKEND
from edgebench.errors import InputError, MissingError, UnsupportedError
from tests.summed import write_graph

IDS = np.array([[3, 4, 5, 6], [1, 2, 9, 9]], np.int64)
MASK = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], np.int64)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    pytest.importorskip("openvino", reason="openvino is not installed; install edgebench[openvino]")
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


def test_one_session_takes_texts_of_every_length(case: Case) -> None:
    session = BACKEND.open(case.path, Options())
    for length in (5, 1, 17, 5):
        ones = np.ones((1, length), np.int64)
        assert session.run({"input_ids": ones, "attention_mask": ones})["logits"].tolist() == [[length / 8, -length / 8]]


def test_facts_are_the_sessions_own(case: Case) -> None:
    facts = BACKEND.open(case.path, Options(threads=2)).facts
    assert (facts.library, facts.threads, facts.accelerator) == ("openvino", 2, "cpu")
    assert (facts.details["precision"], facts.details["streams"]) == ("f32", 1)


def test_float32_is_computed_in_float32_whatever_the_processor_has(case: Case) -> None:
    assert BACKEND.open(case.path, Options()).facts.details["precision"] == "f32"
    asked = BACKEND.open(case.path, Options(settings={"precision": "engine"})).facts.details
    assert asked["settings"] == {"precision": "engine"}


def test_tune_is_not_offered_what_changes_answers() -> None:
    assert "precision" not in BACKEND.knobs


def test_a_setting_is_the_engines(case: Case) -> None:
    assert BACKEND.open(case.path, Options(settings={"pinning": False})).facts.details["pinning"] is False


@pytest.mark.parametrize(
    ("settings", "said"), [({"pining": True}, r"Did you mean 'pinning'"), ({"precision": "f8"}, "expected one of 'f32', 'bf16', 'f16', 'engine'")]
)
def test_a_setting_there_is_not_says_which_there_are(case: Case, settings: dict[str, object], said: str) -> None:
    with pytest.raises(UnsupportedError, match=said):
        BACKEND.open(case.path, Options(settings=settings))


def test_an_accelerator_that_is_not_there_names_those_that_are(case: Case) -> None:
    with pytest.raises(UnsupportedError, match=r"backend 'openvino' has no accelerator 'npu7' here; it has .*cpu"):
        BACKEND.open(case.path, Options(accelerator="npu7"))


def test_each_operator_says_where_it_ran_and_what_it_took(case: Case) -> None:
    nodes = BACKEND.nodes(case.path, Options(), [case.feeds, case.feeds])
    assert {"Gather"} <= {one.operator for one in nodes}
    assert {one.accelerator for one in nodes} == {"cpu"}
    assert len({one.name for one in nodes}) == len(nodes)


def test_sizes_that_do_not_fit_each_other_are_refused_where_the_engine_answers(case: Case) -> None:
    session = BACKEND.open(case.path, Options())
    with pytest.raises(InputError, match=r"input 'attention_mask' has shape \(2, 3\); expected 4 \(length\) where it has 3"):
        session.run({"input_ids": IDS, "attention_mask": MASK[:, :3]})
    with pytest.raises(InputError, match=r"expected 2 \(batch\) where it has 1"):
        session.run({"input_ids": IDS, "attention_mask": MASK[:1]})


def test_without_the_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    for call in (BACKEND.version, lambda: BACKEND.open(tmp_path / "model.onnx", Options())):
        with pytest.raises(MissingError, match=r"backend 'openvino' needs openvino.*; install edgebench\[openvino\]"):
            call()


def test_asking_for_its_version_imports_no_engine() -> None:
    pytest.importorskip("openvino", reason="openvino is not installed; install edgebench[openvino]")
    code = "import sys; from edgebench.backends.openvino import BACKEND; BACKEND.version(); sys.exit('openvino' in sys.modules or 'numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
