"""A classifier behind every layer: the last is the net's own, the others learn with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.train.conftest import NEEDS

torch = pytest.importorskip("torch", reason=NEEDS)
pytest.importorskip("transformers", reason=NEEDS)

from edgebench.train import nets  # noqa: E402
from edgebench.train.data import Examples, collate  # noqa: E402
from edgebench.train.exits import Exits, joint, mean, predict  # noqa: E402
from edgebench.train.loop import Schedule, predict_logits, train  # noqa: E402


@pytest.fixture
def exits() -> Exits:
    torch.manual_seed(0)
    return Exits(nets.build(layers=3, hidden=24, heads=2, ffn=32, labels=2, vocab=40).eval())


def test_the_last_exit_is_the_net(exits: Exits, examples: Examples) -> None:
    assert torch.allclose(predict(exits, examples)[-1], predict_logits(exits.net, examples), atol=1e-6)


def test_an_exit_of_a_sentence_does_not_depend_on_what_it_is_padded_to(exits: Exits, examples: Examples) -> None:
    torch.nn.init.normal_(exits.classifiers[0].weight)
    row = examples.ids.index(min(examples.ids, key=len))
    alone, padded = collate(examples, [row]), collate(examples, [row, examples.ids.index(max(examples.ids, key=len))])
    with torch.no_grad():
        assert torch.allclose(exits(alone.ids, alone.mask)[0], exits(padded.ids, padded.mask)[0][:1], atol=1e-6)


def test_the_mean_is_over_real_positions() -> None:
    hidden = torch.tensor([[[1.0], [3.0], [100.0]]])
    assert mean(hidden, torch.tensor([[1, 1, 0]])).tolist() == [[2.0]]


def test_later_exits_weigh_more(exits: Exits, examples: Examples) -> None:
    """Before training the early exits answer 0 for everything: their loss is ln 2, exit j's weighted by j / 6."""
    terms = joint(exits, torch.zeros(96, 2))(collate(examples, range(8)))
    assert list(terms) == ["exit_1", "exit_2", "exit_3"]
    assert terms["exit_1"].item() == pytest.approx(0.6931 / 6, abs=1e-4)
    assert terms["exit_2"].item() == pytest.approx(0.6931 * 2 / 6, abs=1e-4)


def test_every_exit_learns(exits: Exits, examples: Examples, tmp_path: Path) -> None:
    targets = torch.nn.functional.one_hot(torch.tensor(examples.labels)) * 8.0 - 4.0
    schedule = Schedule(epochs=10, batch_size=16, learning_rate=5e-3)
    train(joint(exits, targets), exits, examples, schedule, seed=0, checkpoint=tmp_path / "c", log=tmp_path / "l")
    right = (predict(exits, examples).argmax(2) == torch.tensor(examples.labels)).float().mean(1)
    assert (right > 0.95).all(), right
