"""The training loop on a net of a few hundred weights: it learns, stops, goes on, and ends where it would have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.train.conftest import NEEDS

torch = pytest.importorskip("torch", reason=NEEDS)
pytest.importorskip("transformers", reason=NEEDS)

from torch import Tensor, nn  # noqa: E402

from edgebench.train.data import Batch, Examples, collate  # noqa: E402
from edgebench.train.loop import Loss, Schedule, train  # noqa: E402

SCHEDULE = Schedule(epochs=10, batch_size=8, learning_rate=0.02)


class StopHere(Exception):
    pass


class Net(nn.Module):
    """Mean of word vectors, dropout, a linear layer."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.words, self.drop, self.last = nn.Embedding(40, 8), nn.Dropout(0.2), nn.Linear(8, 2)

    def forward(self, batch: Batch) -> Tensor:
        weight = batch.mask.float().unsqueeze(-1)
        return self.last(self.drop((self.words(batch.ids) * weight).sum(1) / weight.sum(1)))


def cross_entropy(net: Net, *, stop_after: int | None = None) -> Loss:
    calls = 0

    def loss(batch: Batch) -> dict[str, Tensor]:
        nonlocal calls
        calls += 1
        if stop_after is not None and calls > stop_after:
            raise StopHere
        return {"cross_entropy": nn.functional.cross_entropy(net(batch), batch.labels)}

    return loss


def run(net: Net, examples: Examples, folder: Path, *, stop_after: int | None = None, schedule: Schedule = SCHEDULE, seed: int = 1) -> None:
    folder.mkdir(exist_ok=True)
    train(cross_entropy(net, stop_after=stop_after), net, examples, schedule, seed=seed, checkpoint=folder / "c", log=folder / "log", save_every_s=-1.0)


def equal(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(mine, theirs) for mine, theirs in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_the_loss_falls(examples: Examples, tmp_path: Path) -> None:
    net, everything = Net(), collate(examples, range(len(examples)))
    before = cross_entropy(net)(everything)["cross_entropy"].item()
    run(net, examples, tmp_path)
    assert cross_entropy(net.eval())(everything)["cross_entropy"].item() < 0.2 < 0.5 < before


def test_the_log_has_a_line_every_fifty_steps_and_at_the_end(examples: Examples, tmp_path: Path) -> None:
    run(Net(), examples, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [(line["step"], line["steps"]) for line in lines] == [(50, 120), (100, 120), (120, 120)]
    assert set(lines[0]) == {"step", "steps", "rate", "cross_entropy"}


def test_an_interrupted_run_ends_with_the_same_bits_as_an_uninterrupted_one(examples: Examples, tmp_path: Path) -> None:
    whole, first, second = Net(), Net(), Net(seed=99)
    run(whole, examples, tmp_path / "whole")
    with pytest.raises(StopHere):
        run(first, examples, tmp_path / "cut", stop_after=41)  # in the middle of the fourth epoch
    run(second, examples, tmp_path / "cut")
    assert equal(whole, second)
    assert not equal(whole, first)


def test_a_finished_run_is_not_trained_again(examples: Examples, tmp_path: Path) -> None:
    done, again = Net(), Net(seed=99)
    run(done, examples, tmp_path)
    run(again, examples, tmp_path, stop_after=0)
    assert equal(done, again)


def test_the_same_seed_gives_the_same_bits_and_another_does_not(examples: Examples, tmp_path: Path) -> None:
    nets = [Net(), Net(), Net()]
    for net, name, seed in zip(nets, "abc", (1, 1, 2), strict=True):
        run(net, examples, tmp_path / name, seed=seed)
    assert equal(nets[0], nets[1])
    assert not equal(nets[0], nets[2])


def test_a_loss_that_is_no_number_stops_the_run_before_it_is_saved(examples: Examples, tmp_path: Path) -> None:
    net = Net()
    with torch.no_grad():
        net.last.bias.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="the loss is nan at step 0 of 120; lower the learning rate"):
        run(net, examples, tmp_path)
    assert not (tmp_path / "c").exists()


def test_the_rate_rises_over_the_warm_up_and_falls_to_nothing() -> None:
    schedule = Schedule(epochs=1, batch_size=1, learning_rate=1.0, warm_up=0.2)
    assert [schedule.rate(step, 10) for step in range(10)] == [0.5, 1.0, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125]


def test_a_constant_rate_stays_after_the_warm_up() -> None:
    schedule = Schedule(epochs=1, batch_size=1, learning_rate=1.0, warm_up=0.2, constant=True)
    assert [schedule.rate(step, 5) for step in range(5)] == [1.0] * 5
