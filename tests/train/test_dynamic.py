"""A recipe of many speeds, from a net to its result."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.train.conftest import NEEDS

torch = pytest.importorskip("torch", reason=NEEDS)
pytest.importorskip("transformers", reason=NEEDS)

from edgebench.train import dynamic, nets  # noqa: E402
from edgebench.train.checkpoint import Source  # noqa: E402
from edgebench.train.data import Examples  # noqa: E402
from edgebench.train.loop import Schedule, accuracy  # noqa: E402


def plan(method: str) -> dynamic.Recipe:
    shares = {"widths": (1.0, 0.5), "depths": (1.0, 0.5)} if method == "elastic" else {}
    return dynamic.Recipe(
        schema=1, name="tiny", about="a test", task="text-classification", method=method, dataset="none", seed=1, start="none",  # type: ignore[arg-type]
        train=Schedule(epochs=1, batch_size=8, learning_rate=1e-2), held_out=16, **shares,
    )  # fmt: skip


@pytest.fixture
def source(tmp_path: Path) -> Source:
    torch.manual_seed(0)
    net = nets.build(layers=2, hidden=24, heads=2, ffn=32, labels=2, vocab=40).eval()
    return Source(net, tmp_path, ("no", "yes"), 16, "none", "a test")  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["elastic", "exits"])
def test_what_a_net_starts_from_is_scored_as_it_was_before(source: Source, examples: Examples, tmp_path: Path, method: str) -> None:
    before = {name: one.clone() for name, one in source.net.state_dict().items()}
    dev = examples.select(range(40))
    result = dynamic.run(plan(method), source, examples, dev, tmp_path / "out")
    assert all(torch.equal(one, before[name]) for name, one in source.net.state_dict().items())
    assert result["start"]["accuracy_dev"] == accuracy(source.net, dev)


def test_the_teacher_is_imitated_on_unlabelled_sentences_too(source: Source, examples: Examples, tmp_path: Path) -> None:
    more = Examples(examples.ids[:24], [-1] * 24)
    stages: list[int] = []
    dynamic.run(plan("exits"), source, examples, examples, tmp_path / "out", lambda stage, step, steps, losses: stages.append(steps), unlabelled=more)
    assert stages[-1] == (96 - 16 + 24) // 8
    assert len(torch.load(tmp_path / "out" / "targets.pt", weights_only=True)) == 96 - 16 + 24
