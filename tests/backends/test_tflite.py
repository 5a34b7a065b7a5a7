"""TFLite against the contract, on a file of two signatures: the sum of (id, -id) / 8 over the unmasked of 8 or 16 tokens."""

from __future__ import annotations

import shutil
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from edgebench.backends import conformance
from edgebench.backends.base import Options
from edgebench.backends.conformance import Case
from edgebench.backends.tflite import BACKEND
from edgebench.errors import EngineError, InputError, MissingError, UnsupportedError

MODEL = Path(__file__).with_name("data") / "two_lengths.tflite"
PLAIN = MODEL.with_name("no_signature.tflite")
INSTALLED = [name for name in ("ai_edge_litert", "tflite_runtime") if find_spec(name)]
needs_engine = pytest.mark.skipif(not INSTALLED, reason="neither ai-edge-litert nor tflite-runtime is installed; install edgebench[tflite]")


def feeds(length: int, real: int = 5) -> dict[str, np.ndarray]:
    ids = np.arange(length, dtype=np.int32)[None]
    return {"input_ids": ids, "attention_mask": (ids < real).astype(np.int32)}


def logits(total: int) -> np.ndarray:
    return np.array([[total / 8, -total / 8]], np.float32)


@pytest.fixture(params=["8", "16", "no_signature"])
def case(request: pytest.FixtureRequest) -> Case:
    if request.param == "no_signature":
        return Case(BACKEND, PLAIN, {f"b_{name}": array for name, array in feeds(8).items()}, {"b_logits_output": logits(10)})
    return Case(BACKEND, MODEL, feeds(int(request.param)), {"logits": logits(10)})


@needs_engine
@pytest.mark.parametrize("check", conformance.CHECKS)
def test_contract(check: str, case: Case) -> None:
    conformance.CHECKS[check](case)


@needs_engine
def test_lengths_are_those_of_the_signatures_whatever_their_names() -> None:
    session = BACKEND.open(MODEL, Options())
    assert session.lengths == (8, 16)
    assert {spec.name: spec.shape for spec in session.inputs} == {"input_ids": (1, None), "attention_mask": (1, None)}
    assert {spec.name: spec.shape for spec in session.outputs} == {"logits": (1, 2)}


@needs_engine
def test_a_single_graph_of_ids_has_the_one_length_it_was_made_for() -> None:
    session = BACKEND.open(PLAIN, Options())
    assert session.lengths == (8,)
    assert session.inputs[0].shape == (1, 8)


@needs_engine
def test_each_run_picks_the_signature_of_its_shape() -> None:
    session = BACKEND.open(MODEL, Options())
    for length in (16, 8, 16, 8):
        assert np.array_equal(session.run(feeds(length, real=length))["logits"], logits(sum(range(length))))


@needs_engine
@pytest.mark.parametrize("shape", [(1, 12), (2, 8)])
def test_a_shape_no_signature_takes_is_an_input_error(shape: tuple[int, int]) -> None:
    ids = np.ones(shape, np.int32)
    with pytest.raises(InputError, match=r"two_lengths\.tflite takes .*\(1, 8\).*\(1, 16\).*; pad to one of them"):
        BACKEND.open(MODEL, Options()).run({"input_ids": ids, "attention_mask": ids})


@needs_engine
def test_inputs_that_belong_to_different_signatures_are_an_input_error() -> None:
    with pytest.raises(InputError):
        BACKEND.open(MODEL, Options()).run({"input_ids": feeds(8)["input_ids"], "attention_mask": feeds(16)["attention_mask"]})


@needs_engine
def test_facts_name_the_runtime_that_was_used() -> None:
    session = BACKEND.open(MODEL, Options(threads=2))
    assert session.facts.library == INSTALLED[0].replace("_", "-")
    assert (session.facts.threads, session.facts.accelerator, session.facts.details["signatures"]) == (2, "cpu", 2)


@needs_engine
def test_its_own_kernels_alone_answer_the_same_without_xnnpack() -> None:
    sessions = {name: BACKEND.open(MODEL, Options(accelerator=name)) for name in ("cpu", "xnnpack", "builtin")}
    assert {name: one.facts.accelerator for name, one in sessions.items()} == {name: name for name in sessions}
    assert {name: one.facts.details.get("xnnpack", False) for name, one in sessions.items()} == {"cpu": True, "xnnpack": True, "builtin": False}
    for one in sessions.values():
        np.testing.assert_allclose(one.run(feeds(8))["logits"], logits(10), atol=1e-5)


@needs_engine
def test_all_of_a_graph_on_xnnpack_cannot_be_promised() -> None:
    with pytest.raises(UnsupportedError, match="LiteRT does not say which nodes XNNPACK left"):
        BACKEND.open(MODEL, Options(accelerator="xnnpack", require="full"))


@needs_engine
def test_xnnpack_takes_part_though_only_signatures_are_run() -> None:
    assert BACKEND.open(MODEL, Options()).facts.details["xnnpack"] is True


@needs_engine
def test_close_waits_for_the_run_that_has_begun() -> None:
    session = BACKEND.open(MODEL, Options())
    session._lock.acquire()  # as a run does
    closer = threading.Thread(target=session.close)
    closer.start()
    closer.join(0.05)
    assert closer.is_alive()
    session._lock.release()
    closer.join(10)
    with pytest.raises(EngineError, match="the session of two_lengths"):
        session.run(feeds(8))


@needs_engine
def test_a_file_need_not_be_called_tflite(tmp_path: Path) -> None:
    shutil.copy(MODEL, tmp_path / "model.bin")
    assert BACKEND.open(tmp_path / "model.bin", Options()).lengths == (8, 16)


def test_without_a_runtime_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ai_edge_litert", "tflite_runtime"):
        monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.setitem(sys.modules, f"{name}.interpreter", None)
    with pytest.raises(MissingError, match=r"backend 'tflite' needs ai-edge-litert.*; install edgebench\[tflite\]"):
        BACKEND.open(MODEL, Options())
