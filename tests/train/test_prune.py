"""What leaves a net is what it can spare; what stays gives the numbers it gave before."""

from __future__ import annotations

import pytest

from tests.train.conftest import NEEDS

torch = pytest.importorskip("torch", reason=NEEDS)
pytest.importorskip("transformers", reason=NEEDS)

from transformers import BertForSequenceClassification  # noqa: E402

from edgebench.train import nets, prune  # noqa: E402
from edgebench.train.data import Batch, Examples, collate  # noqa: E402
from edgebench.train.export import Classifier  # noqa: E402


@pytest.fixture
def net() -> BertForSequenceClassification:
    """Four heads of 6, 48 neurons, and weights so large that every part counts."""
    torch.manual_seed(0)
    made = nets.build(layers=2, hidden=24, heads=4, ffn=48, labels=2, vocab=40)
    for name, parameter in made.named_parameters():
        torch.nn.init.normal_(parameter, mean=float(name.endswith("LayerNorm.weight")), std=0.3)
    return made.eval()


@pytest.fixture
def batches(examples: Examples) -> list[Batch]:
    return [collate(examples, range(at, at + 16)) for at in range(0, 96, 16)]


def logits(net: torch.nn.Module, batch: Batch) -> torch.Tensor:
    with torch.no_grad():
        found = net(input_ids=batch.ids, attention_mask=batch.mask)
    return found if isinstance(found, torch.Tensor) else found.logits


def silence(net: BertForSequenceClassification, layer: int, *, head: int, neurons: list[int]) -> None:
    """Let nothing of a head and some neurons reach the rest of the net."""
    block = net.bert.encoder.layer[layer]
    block.attention.output.dense.weight.data[:, head * 6:(head + 1) * 6] = 0
    block.output.dense.weight.data[:, neurons] = 0


def test_what_reaches_nothing_has_no_importance_and_is_what_goes(net: BertForSequenceClassification, batches: list[Batch]) -> None:
    silence(net, 0, head=2, neurons=list(range(16)))
    silence(net, 1, head=0, neurons=list(range(32, 48)))
    measured = prune.importance(net, batches)
    assert measured.heads[0][2] == measured.heads[1][0] == measured.neurons[0][:16].max() == measured.neurons[1][32:].max() == 0
    kept = prune.choose(measured, heads=0.75, neurons=2 / 3)
    assert kept.heads == [[0, 1, 3], [1, 2, 3]]
    assert kept.neurons == [list(range(16, 48)), list(range(32))]


def test_cutting_what_reaches_nothing_changes_no_logit(net: BertForSequenceClassification, batches: list[Batch]) -> None:
    silence(net, 0, head=2, neurons=list(range(16)))
    silence(net, 1, head=0, neurons=list(range(32, 48)))
    small = prune.cut(net, prune.choose(prune.importance(net, batches), heads=0.75, neurons=2 / 3))
    for one in (small, Classifier(small).eval()):
        torch.testing.assert_close(logits(one, batches[0]), logits(net, batches[0]), atol=1e-5, rtol=0)


def test_the_importance_of_a_head_is_how_much_its_share_in_the_loss_changes(net: BertForSequenceClassification, batches: list[Batch]) -> None:
    """|dL/dxi| of one example, by a finite difference of a factor on the head's output."""
    [row] = [collate(Examples([batches[0].ids[3][batches[0].mask[3].bool()].tolist()], [int(batches[0].labels[3])]), [0])]
    found = prune.importance(net, [row]).heads[1][2].item()
    columns = net.bert.encoder.layer[1].attention.output.dense.weight.data[:, 12:18]
    losses = []
    for factor in (1.01, 0.99 / 1.01):
        columns *= factor
        losses.append(torch.nn.functional.cross_entropy(logits(net, row), row.labels).item())
    assert found == pytest.approx(abs(losses[0] - losses[1]) / 0.02, rel=0.02)


def test_the_importance_of_a_neuron_is_the_same_of_the_whole_sentence(net: BertForSequenceClassification, batches: list[Batch]) -> None:
    """Of all its words together: what it adds at one and takes at another does not count."""
    row = collate(Examples([batches[0].ids[3][batches[0].mask[3].bool()].tolist()], [int(batches[0].labels[3])]), [0])
    found = prune.importance(net, [row]).neurons[0]
    weight = net.bert.encoder.layer[0].output.dense.weight.data
    for at in range(8):
        losses, before = [], weight[:, at].clone()
        for factor in (1.01, 0.99):
            weight[:, at] = before * factor
            losses.append(torch.nn.functional.cross_entropy(logits(net, row), row.labels).item())
        weight[:, at] = before
        assert found[at].item() == pytest.approx(abs(losses[0] - losses[1]) / 0.02, rel=0.05, abs=1e-4)


def test_importance_does_not_cancel_between_examples(net: BertForSequenceClassification, batches: list[Batch]) -> None:
    """The same sentences under either label: gradients of opposite signs, importances that add up."""
    batch = batches[0]
    turned = Batch(batch.rows, batch.ids, batch.mask, 1 - batch.labels)
    both = Batch(torch.cat([batch.rows] * 2), torch.cat([batch.ids] * 2), torch.cat([batch.mask] * 2), torch.cat([batch.labels, turned.labels]))
    one, two, all_ = (prune.importance(net, [some]) for some in (batch, turned, both))
    for part in ("heads", "neurons"):
        for first, second, together in zip(*(getattr(measured, part) for measured in (one, two, all_)), strict=True):
            torch.testing.assert_close(together, (first + second) / 2)


def test_half_of_a_net_has_the_computed_size(net: BertForSequenceClassification, batches: list[Batch]) -> None:
    small = prune.cut(net, prune.choose(prune.importance(net, batches), heads=0.5, neurons=1 / 3))
    gone = 2 * (4 * 12 * 24 + 3 * 12 + 2 * 32 * 24 + 32)  # per layer: two heads of 6 in four maps and three biases; 32 neurons
    assert nets.parameter_count(net) - nets.parameter_count(small) == gone
    assert [layer.attention.self.num_attention_heads for layer in small.bert.encoder.layer] == [2, 2]


def test_over_the_whole_net_a_layer_that_matters_keeps_more(net: BertForSequenceClassification) -> None:
    measured = prune.Importance([torch.tensor([4.0, 3, 2, 1]), torch.tensor([1.0, 1, 1, 1])], [torch.arange(48.0) + 100, torch.arange(48.0)])
    kept = prune.choose(measured, heads=0.5, neurons=0.5, even=False)
    assert [len(one) for one in kept.neurons] == [48, 16]
    assert min(len(one) for one in kept.heads) >= 1
    assert [len(one) for one in prune.choose(measured, heads=0.5, neurons=0.5).neurons] == [32, 32]  # a multiple of 16 next to 24


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_a_share_that_is_none_is_refused(net: BertForSequenceClassification, share: float) -> None:
    with pytest.raises(ValueError, match="the share of heads to keep is"):
        prune.choose(prune.Importance([torch.ones(2)], [torch.ones(16)]), heads=share, neurons=0.5)


def test_magnitude_keeps_the_largest_weights_of_each_matrix(net: BertForSequenceClassification) -> None:
    before = {name: module.weight.detach().clone() for name, module in prune.encoder_maps(net)}
    prune.magnitude(net, 0.25)
    assert prune.zeros(net) == pytest.approx(0.75, abs=0.001)
    for name, module in prune.encoder_maps(net):
        left = module.weight != 0
        assert torch.equal(module.weight[left], before[name][left])
        assert before[name][left].abs().min() >= before[name][~left].abs().max()


def test_movement_keeps_the_weight_that_grows_not_the_largest() -> None:
    """Two inputs; the first, with the larger weight, has to go for the loss to fall, the second has to grow."""
    layer = torch.nn.Linear(2, 1, bias=False)
    layer.weight.data = torch.tensor([[1.0, 0.5]])
    torch.nn.utils.parametrize.register_parametrization(layer, "weight", prune.Movement(layer.weight, density=0.5, steps=(5, 20), gain=10.0))
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.05)
    inputs = torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
    for _ in range(30):
        prune.advance(layer)
        optimiser.zero_grad()
        (layer(inputs).squeeze() - 2 * inputs[:, 1]).pow(2).mean().backward()
        optimiser.step()
    assert layer.weight[0, 0] == 0
    assert layer.weight[0, 1] > 0.5


def test_the_share_kept_by_movement_falls_along_a_cubic() -> None:
    one = prune.Movement(torch.zeros(4, 4), density=0.1, steps=(10, 20))
    shares = []
    for step in (0, 10, 15, 20, 30):
        one.step.fill_(step)
        shares.append(one.share())
    assert shares == pytest.approx([1.0, 1.0, 0.1 + 0.9 / 8, 0.1, 0.1])


def test_after_movement_the_net_is_plain_again_and_as_sparse_as_asked(net: BertForSequenceClassification, batches: list[Batch]) -> None:
    names = set(net.state_dict())
    prune.begin_movement(net, density=0.25, steps=10)
    for _ in range(10):
        prune.advance(net)
    masked = logits(net, batches[0])
    prune.end_movement(net)
    assert set(net.state_dict()) == names
    assert prune.zeros(net) == pytest.approx(0.75, abs=0.01)
    torch.testing.assert_close(logits(net, batches[0]), masked)
