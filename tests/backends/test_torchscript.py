"""TorchScript against the contract, on a traced module: the sum of (id, -id) / 8 over the unmasked tokens, and of int8 weights."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebench.backends import conformance
from edgebench.backends.base import Options
from edgebench.backends.conformance import Case
from edgebench.backends.torchscript import BACKEND
from edgebench.errors import EngineError, MissingError

IDS = np.array([[3, 4, 5, 6], [1, 2, 9, 9]], np.int64)
MASK = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], np.int64)
FEEDS = {"input_ids": IDS, "attention_mask": MASK}
LOGITS = np.array([[1.5, -1.5], [0.375, -0.375]], np.float32)
TENSORS = {
    "inputs": [{"name": name, "dtype": "int64", "shape": [None, None]} for name in ("input_ids", "attention_mask")],
    "outputs": [{"name": "logits", "dtype": "float32", "shape": [None, 2]}],
}


@pytest.fixture
def torch() -> Iterator[Any]:
    torch = pytest.importorskip("torch", reason="torch is not installed; install edgebench[torch]")
    before = torch.get_num_threads()
    yield torch
    torch.set_num_threads(before)


def write(torch: Any, path: Path, answer: Any, tensors: Any = TENSORS) -> Path:
    """Save the summing module, its logits passed through `answer`, with the description (None: without)."""

    class Summed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            ramp = torch.arange(32, dtype=torch.float32) / 8
            self.table = torch.nn.Parameter(torch.stack([ramp, -ramp], dim=1))
            self.answer = answer

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            return self.answer((torch.nn.functional.embedding(input_ids, self.table) * attention_mask.unsqueeze(-1)).sum(dim=1))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing and dynamic quantisation are deprecated, and still what such files are made with
        module = torch.jit.trace(Summed().eval(), (torch.from_numpy(IDS), torch.from_numpy(MASK)), strict=False)
        torch.jit.save(module, str(path), _extra_files={} if tensors is None else {"edgebench.json": json.dumps(tensors)})
    return path


@pytest.mark.parametrize("check", conformance.CHECKS)
def test_contract(check: str, torch: Any, tmp_path: Path) -> None:
    path = write(torch, tmp_path / "summed.pt", torch.nn.Identity())
    conformance.CHECKS[check](Case(BACKEND, path, FEEDS, {"logits": LOGITS}))


def test_torchscript_is_marked_as_code() -> None:
    assert BACKEND.runs_code is True


def test_a_tuple_is_named_in_the_order_of_the_description(torch: Any, tmp_path: Path) -> None:
    class Pair(torch.nn.Module):
        def forward(self, logits: Any) -> Any:
            return logits, logits.sum(dim=1)

    outputs = [{"name": "logits", "dtype": "float32", "shape": [None, 2]}, {"name": "total", "dtype": "float32", "shape": [None]}]
    path = write(torch, tmp_path / "pair.pt", Pair(), {**TENSORS, "outputs": outputs})
    results = BACKEND.open(path, Options()).run(FEEDS)
    assert np.array_equal(results["logits"], LOGITS)
    assert results["total"].tolist() == [0.0, 0.0]


def test_a_dictionary_is_read_by_name(torch: Any, tmp_path: Path) -> None:
    class Named(torch.nn.Module):
        def forward(self, logits: Any) -> Any:
            return {"surplus": logits + 1, "logits": logits}

    path = write(torch, tmp_path / "named.pt", Named())
    assert np.array_equal(BACKEND.open(path, Options()).run(FEEDS)["logits"], LOGITS)


def test_a_dynamically_quantised_file_opens(torch: Any, tmp_path: Path) -> None:
    linear = torch.nn.Linear(2, 2, bias=False)
    torch.nn.init.eye_(linear.weight)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answer = torch.ao.quantization.quantize_dynamic(torch.nn.Sequential(linear), {torch.nn.Linear}, torch.qint8)
    session = BACKEND.open(write(torch, tmp_path / "int8.pt", answer), Options())
    assert np.allclose(session.run(FEEDS)["logits"], LOGITS, atol=0.02)
    assert session.facts.details["int8_engine"] in torch.backends.quantized.supported_engines


def test_threads_are_those_of_the_process(torch: Any, tmp_path: Path) -> None:
    session = BACKEND.open(write(torch, tmp_path / "summed.pt", torch.nn.Identity()), Options(threads=2))
    assert (session.facts.library, session.facts.threads) == ("torch", 2)
    assert torch.get_num_threads() == 2


def test_a_file_without_the_description_says_what_was_expected(torch: Any, tmp_path: Path) -> None:
    path = write(torch, tmp_path / "bare.pt", torch.nn.Identity(), tensors=None)
    with pytest.raises(EngineError, match=r"bare\.pt does not name its tensors; expected an extra file edgebench\.json of .*; save the module again"):
        BACKEND.open(path, Options())


@pytest.mark.parametrize("tensors", [[], {"inputs": []}, {"inputs": [{"name": "x"}], "outputs": []}, "text"])
def test_a_wrong_description_says_what_was_expected(torch: Any, tmp_path: Path, tensors: Any) -> None:
    path = write(torch, tmp_path / "odd.pt", torch.nn.Identity(), tensors)
    with pytest.raises(EngineError, match=r"odd\.pt names its tensors wrongly .*; expected an extra file edgebench\.json"):
        BACKEND.open(path, Options())


def test_a_module_that_returns_too_little_is_an_engine_error(torch: Any, tmp_path: Path) -> None:
    path = write(torch, tmp_path / "short.pt", torch.nn.Identity(), {**TENSORS, "outputs": TENSORS["outputs"] * 2})
    with pytest.raises(EngineError, match=r"torchscript failed while running short\.pt"):
        BACKEND.open(path, Options()).run(FEEDS)


def test_without_torch_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingError, match=r"backend 'torchscript' needs torch.*; install edgebench\[torch\]"):
        BACKEND.open(tmp_path / "model.pt", Options())
