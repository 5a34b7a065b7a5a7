"""One set of weights, several nets: each is a part of the whole, and training makes them imitate it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.train.conftest import NEEDS

torch = pytest.importorskip("torch", reason=NEEDS)
pytest.importorskip("transformers", reason=NEEDS)

from transformers import BertForSequenceClassification  # noqa: E402

from edgebench.train import elastic, nets, prune  # noqa: E402
from edgebench.train.data import Batch, Examples, collate  # noqa: E402
from edgebench.train.elastic import Elastic, Point, ordered, sandwich  # noqa: E402
from edgebench.train.loop import Schedule, predict_logits, train  # noqa: E402

POINTS = tuple(Point(width, depth) for width in (1, 0.5, 0.25) for depth in (1, 0.5))


@pytest.fixture
def net() -> BertForSequenceClassification:
    torch.manual_seed(0)
    made = nets.build(layers=4, hidden=24, heads=4, ffn=64, labels=2, vocab=40)
    for name, parameter in made.named_parameters():
        torch.nn.init.normal_(parameter, mean=float(name.endswith("LayerNorm.weight")), std=0.3)
    return made.eval()


@pytest.fixture
def batch(examples: Examples) -> Batch:
    return collate(examples, range(16))


def logits(net: BertForSequenceClassification, batch: Batch) -> torch.Tensor:
    with torch.no_grad():
        return net(input_ids=batch.ids, attention_mask=batch.mask).logits


def test_putting_heads_and_neurons_in_order_changes_no_logit(net: BertForSequenceClassification, batch: Batch) -> None:
    measured = prune.importance(net, [batch])
    after = ordered(net, measured)
    assert torch.allclose(logits(after, batch), logits(net, batch), atol=1e-5)
    again = prune.importance(after, [batch])
    assert all((one.diff() <= 1e-6).all() for one in (*again.heads, *again.neurons))
    assert not all((one.diff() <= 1e-6).all() for one in (*measured.heads, *measured.neurons))


def test_the_whole_point_is_the_net_itself(net: BertForSequenceClassification, batch: Batch) -> None:
    with torch.no_grad():
        assert torch.equal(Elastic(net, POINTS).eval()(Point(1, 1), batch.ids, batch.mask)[0], logits(net, batch))


@pytest.mark.parametrize("point", POINTS, ids=lambda one: one.name)
def test_what_a_point_computes_is_what_the_net_cut_out_there_computes(net: BertForSequenceClassification, batch: Batch, point: Point) -> None:
    with torch.no_grad():
        assert torch.equal(Elastic(net, POINTS).eval()(point, batch.ids, batch.mask)[0], logits(elastic.at(net, point).eval(), batch))


def test_a_narrower_net_is_the_pruned_one_of_the_first_heads_and_neurons(net: BertForSequenceClassification, batch: Batch) -> None:
    kept = prune.Kept([list(range(2))] * 4, [list(range(32))] * 4)
    assert torch.equal(logits(elastic.at(net, Point(0.5, 1)), batch), logits(prune.cut(net, kept), batch))


def test_a_shallower_net_has_layers_spread_from_the_first_on() -> None:
    assert [Point(1, depth).layers(12) for depth in (1, 0.75, 0.5)] == [tuple(range(12)), (0, 1, 2, 4, 5, 6, 8, 9, 10), (0, 2, 4, 6, 8, 10)]
    assert Point(1, 0.1).layers(4) == (0,)


def test_points_share_the_weights(net: BertForSequenceClassification) -> None:
    mine = elastic.views(net.state_dict(), Point(0.5, 0.5), heads=4, neurons=64, layers=4)
    theirs = net.state_dict()["bert.encoder.layer.2.intermediate.dense.weight"]
    assert mine["bert.encoder.layer.1.intermediate.dense.weight"].data_ptr() == theirs.data_ptr()
    assert {name for name, _ in Elastic(net, POINTS).named_parameters()} == {f"net.{name}" for name, _ in net.named_parameters()}


def test_small_nets_do_not_drag_the_whole_one(net: BertForSequenceClassification, batch: Batch) -> None:
    """What the whole net answers is a constant to the others: of weights that only it uses, their terms say nothing."""
    module = Elastic(net, POINTS)
    terms = sandwich(module, POINTS, torch.zeros(96, 2))(batch)
    (terms["least"] + terms["between"]).backward()
    last = net.bert.encoder.layer[3].output.dense.weight  # a net of half the depth has layers 0 and 2
    least = torch.autograd.grad(sandwich(module, (Point(1, 1), Point(0.25, 0.5)), torch.zeros(96, 2))(batch)["least"], last, allow_unused=True)
    assert least == (None,)


def test_training_brings_every_point_nearer_to_the_whole(net: BertForSequenceClassification, examples: Examples, tmp_path: Path) -> None:
    targets = predict_logits(net, examples)
    module = Elastic(net, POINTS)

    def apart(point: Point) -> float:
        module.eval()
        batch = collate(examples, range(96))
        with torch.no_grad():
            mine, whole = (module(one, batch.ids, batch.mask)[0].softmax(1) for one in (point, Point(1, 1)))
        return float((mine - whole).abs().mean())

    before = {point: apart(point) for point in POINTS[1:]}
    schedule = Schedule(epochs=10, batch_size=32, learning_rate=3e-3)
    train(sandwich(module, POINTS, targets), module, examples, schedule, seed=0, checkpoint=tmp_path / "c", log=tmp_path / "l")
    assert all(apart(point) < 0.7 * before[point] for point in POINTS[1:])


@pytest.mark.parametrize("share", [0, -0.5, 1.5])
def test_a_share_is_over_0_and_at_most_1(share: float) -> None:
    with pytest.raises(ValueError, match="expected a share over 0 and at most 1"):
        Point(share, 1)
