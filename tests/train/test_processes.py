"""Several processes learn from one batch what one process learns from it, and one of them writes it down."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.train.conftest import NEEDS

torch = pytest.importorskip("torch", reason=NEEDS)
pytest.importorskip("transformers", reason=NEEDS)

from edgebench.train import processes  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import json, sys
from pathlib import Path

import torch

from edgebench.train import processes
from edgebench.train.data import Examples
from edgebench.train.loop import Schedule, train
from edgebench.train.nets import build

torch.set_num_threads(1)
out = processes.aside(Path(sys.argv[1]) / "run")
out.mkdir(parents=True, exist_ok=True)
torch.manual_seed(processes.rank())  # processes begin with different weights, and must not stay so
net = build(layers=1, hidden=16, heads=2, ffn=16, labels=2, vocab=40, dropout=0.0)
if sys.argv[2] == "alone":
    torch.manual_seed(0)
examples = Examples([[2, 8 - row % 2, 10 + row % 7, 3] for row in range(62)], [row % 2 for row in range(62)])
def loss(batch):
    logits = net(input_ids=batch.ids, attention_mask=batch.mask).logits
    return {"cross_entropy": torch.nn.functional.cross_entropy(logits, batch.labels)}
train(loss, net, examples, Schedule(epochs=13, batch_size=8, learning_rate=1e-2), seed=3, checkpoint=out / "net.checkpoint", log=out / "net.jsonl")
if processes.is_first():
    with torch.no_grad():
        torch.save(net.eval()(input_ids=torch.tensor(examples.ids)).logits.softmax(1), out / "answers.pt")
"""


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    return monkeypatch


def test_alone_a_process_has_the_whole_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert processes.share([4, 2, 9]) == ([4, 2, 9], 1.0)


def test_shares_are_the_batch_and_their_weights_are_one(two: pytest.MonkeyPatch) -> None:
    mine, weight = processes.share([4, 2, 9])
    two.setenv("RANK", "0")
    other, rest = processes.share([4, 2, 9])
    assert (mine, other) == ([2], [4, 9])
    assert weight + rest == 1.0


def test_a_process_without_a_share_counts_nothing(two: pytest.MonkeyPatch) -> None:
    assert processes.share([4]) == ([4], 0.0)


def test_only_the_first_writes_to_the_folder(two: pytest.MonkeyPatch, tmp_path: Path) -> None:
    two.setattr(sys, "stdout", sys.stdout)
    assert processes.aside(tmp_path / "run") == tmp_path / ".run-1"
    sys.stdout.close()
    two.setenv("RANK", "0")
    assert processes.aside(tmp_path / "run") == tmp_path / "run"


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["cross_entropy"] for line in (folder / "run" / "net.jsonl").read_text().splitlines()]


LAUNCHERS = {
    "torchrun": ["torch.distributed.run", "--standalone", "--nproc-per-node", "2"],
    "accelerate": ["accelerate.commands.launch", "--cpu", "--num_processes=2", "--num_machines=1", "--mixed_precision=no", "--dynamo_backend=no"],
}


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_two_processes_learn_what_one_learns(launcher: str, tmp_path: Path) -> None:
    """62 examples in batches of 8 leave a last batch of 6, whose shares are uneven in nothing but their number of batches."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    if launcher == "accelerate":
        pytest.importorskip("accelerate", reason="accelerate launch needs accelerate, which no extra brings")
    for name, start in (("alone", [sys.executable]), ("both", [sys.executable, "-m", *LAUNCHERS[launcher]])):
        (tmp_path / name).mkdir()
        command = [*start, str(program), str(tmp_path / name), name]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
    assert losses(tmp_path / "both") == pytest.approx(losses(tmp_path / "alone"), rel=1e-3, abs=1e-4)
    assert losses(tmp_path / "alone")[-1] < losses(tmp_path / "alone")[0]
    mine, theirs = (torch.load(tmp_path / name / "run" / "answers.pt", weights_only=True) for name in ("alone", "both"))
    assert torch.allclose(mine, theirs, atol=1e-3)
    assert sorted(one.name for one in (tmp_path / "both").rglob("*.checkpoint")) == ["net.checkpoint"]
    assert not (tmp_path / "both" / ".run-1").exists()


def environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
