"""ExecuTorch against the contract, on a program that `export` writes: the sum of (id, -id) / 8 over the unmasked tokens of one text."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebench.backends import conformance
from edgebench.backends.base import Options
from edgebench.backends.conformance import Case
from edgebench.backends.executorch import BACKEND, ExecuTorchSession
from edgebench.errors import EngineError, InputError, MissingError, UnsupportedError

WITHOUT = "executorch is not installed; install edgebench[executorch]"
FEEDS = {"input_ids": np.array([[3, 4, 5, 6]], np.int64), "attention_mask": np.array([[1, 1, 1, 0]], np.int64)}
LONGEST = 16


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    pytest.importorskip("executorch", reason=WITHOUT)
    import torch

    from edgebench.train.export_executorch import Program, write_program

    class Summed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            ramp = torch.arange(32, dtype=torch.float32) / 8
            self.table = torch.nn.Parameter(torch.stack([ramp, -ramp], dim=1))

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            return (torch.nn.functional.embedding(input_ids, self.table) * attention_mask.unsqueeze(-1).to(torch.float32)).sum(dim=1)

    path = tmp_path_factory.mktemp("executorch") / "summed.pte"
    inputs = {name: torch.ones(1, 7, dtype=torch.int64) for name in FEEDS}
    write_program(Summed(), path, Program(inputs, ("logits",), {"length": dict.fromkeys(inputs, 1)}, {"length": LONGEST}))
    return Case(BACKEND, path, FEEDS, {"logits": np.array([[1.5, -1.5]], np.float32)})


@pytest.fixture
def session(case: Case) -> Iterator[ExecuTorchSession]:
    session = BACKEND.open(case.path, Options())
    yield session
    session.close()


@pytest.mark.parametrize("check", conformance.CHECKS)
def test_contract(check: str, case: Case) -> None:
    conformance.CHECKS[check](case)


def test_a_program_is_marked_as_code() -> None:
    assert BACKEND.runs_code is True


def test_an_open_size_is_none_and_the_batch_is_one(session: ExecuTorchSession) -> None:
    assert {spec.name: spec.shape for spec in session.inputs} == {"input_ids": (1, None), "attention_mask": (1, None)}
    assert [(spec.name, spec.dtype, spec.shape) for spec in session.outputs] == [("logits", "float32", (1, 2))]


def test_one_session_takes_texts_of_every_length_up_to_the_longest(session: ExecuTorchSession) -> None:
    for length in (5, 1, LONGEST, 5):
        ones = np.ones((1, length), np.int64)
        assert session.run({"input_ids": ones, "attention_mask": ones})["logits"].tolist() == [[length / 8, -length / 8]]


@pytest.mark.parametrize(
    ("ids", "mask", "said"),
    [
        ((1, LONGEST + 1), (1, LONGEST + 1), r"'input_ids' has shape \(1, 17\); expected 1 to 16 \(length\) where it has 17"),
        ((1, 0), (1, 0), r"'input_ids' has shape \(1, 0\); expected 1 to 16 \(length\) where it has 0"),
        ((2, 4), (2, 4), r"'input_ids' has shape \(2, 4\); expected 1 where it has 2"),
        ((1, 4), (1, 3), r"'attention_mask' has shape \(1, 3\); expected 4 \(length\) where it has 3"),
    ],
)
def test_sizes_that_the_file_was_not_made_for_are_refused(session: ExecuTorchSession, ids: Any, mask: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        session.run({"input_ids": np.ones(ids, np.int64), "attention_mask": np.ones(mask, np.int64)})


def test_a_word_behind_the_end_of_the_table_is_an_error(session: ExecuTorchSession) -> None:
    with pytest.raises(EngineError, match=r"executorch failed while running summed\.pte"):
        session.run({**FEEDS, "input_ids": FEEDS["input_ids"] + 32})
    assert session.run(FEEDS)["logits"].tolist() == [[1.5, -1.5]]


def test_facts_say_which_nodes_run_on_what(session: ExecuTorchSession) -> None:
    facts = session.facts
    assert (facts.library, facts.threads, facts.accelerator) == ("executorch", 1, "cpu")
    assert facts.details["nodes"]["xnnpack"] >= 1
    assert "1 aten_embedding_default" in facts.details["stayed"]


def test_another_number_of_threads_is_refused_while_a_session_is_open(case: Case) -> None:
    gc.collect()
    first = BACKEND.open(case.path, Options(threads=1))
    with pytest.raises(UnsupportedError, match=r"threads is 2, and ExecuTorch has one pool of 1 .*summed\.pte"):
        BACKEND.open(case.path, Options(threads=2))
    first.close()
    second = BACKEND.open(case.path, Options(threads=2))
    assert second.facts.threads == 2
    second.close()
    BACKEND.open(case.path, Options(threads=1)).close()


def test_a_file_says_what_it_was_made_for(case: Case) -> None:
    session = BACKEND.open(case.path, Options(accelerator="xnnpack"))
    assert session.facts.accelerator == "xnnpack"
    session.close()
    with pytest.raises(UnsupportedError, match=r"xnnpack takes \d+ of the \d+ nodes of summed\.pte; .*aten_embedding_default.* would stay on cpu"):
        BACKEND.open(case.path, Options(accelerator="xnnpack", require="full"))
    with pytest.raises(UnsupportedError, match=r"has no accelerator 'gpu' here; it has cpu, .*xnnpack"):
        BACKEND.open(case.path, Options(accelerator="gpu"))


def test_each_operator_says_where_it_ran(case: Case) -> None:
    nodes = BACKEND.nodes(case.path, Options(), [case.feeds, case.feeds])
    assert ("embedding.out", "cpu") in {(one.operator, one.accelerator) for one in nodes}
    assert {"cpu", "xnnpack"} == {one.accelerator for one in nodes}
    assert len({one.name for one in nodes}) == len(nodes)


def test_a_file_that_does_not_name_its_tensors_says_what_it_should_have(case: Case, tmp_path: Path) -> None:
    import torch

    from edgebench.train.export_tflite import quiet

    with quiet():
        from executorch.exir import to_edge

        plain = to_edge(torch.export.export(torch.nn.Identity(), (torch.ones(1),))).to_executorch()
    path = tmp_path / "plain.pte"
    path.write_bytes(plain.buffer)
    with pytest.raises(EngineError, match=r"plain\.pte does not name its tensors; expected a constant method 'edgebench'"):
        BACKEND.open(path, Options())


def test_without_the_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("executorch", "executorch.extension.pybindings"):  # the second is found by itself once it was imported
        monkeypatch.setitem(sys.modules, name, None)
    for call in (BACKEND.version, lambda: BACKEND.open(tmp_path / "model.pte", Options())):
        with pytest.raises(MissingError, match=r"backend 'executorch' needs executorch.*; install edgebench\[executorch\]"):
            call()


def test_asking_for_its_version_imports_no_engine() -> None:
    pytest.importorskip("executorch", reason=WITHOUT)
    code = "import sys; from edgebench.backends.executorch import BACKEND; BACKEND.version(); sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
