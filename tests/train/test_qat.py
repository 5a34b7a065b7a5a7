"""Training on the steps of a file to come: forward rounds, backward does not see it, and the file loses less than without."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.train.conftest import NEEDS

torch = pytest.importorskip("torch", reason=NEEDS)
pytest.importorskip("transformers", reason=NEEDS)

from transformers import BertForSequenceClassification  # noqa: E402

from edgebench.train import nets, qat  # noqa: E402
from edgebench.train.compress import imitate  # noqa: E402
from edgebench.train.data import Examples  # noqa: E402
from edgebench.train.loop import Schedule, predict_logits  # noqa: E402


@pytest.fixture
def net() -> BertForSequenceClassification:
    torch.manual_seed(0)
    made = nets.build(layers=2, hidden=24, heads=2, ffn=32, labels=2, vocab=40, dropout=0.0)
    for name, parameter in made.named_parameters():
        torch.nn.init.normal_(parameter, mean=float(name.endswith("LayerNorm.weight")), std=0.3)
    return made.eval()


def levels(row: torch.Tensor) -> int:
    return len(row.unique())


@pytest.mark.parametrize(("bits", "steps"), [(8, 127), (4, 7)])
def test_each_output_channel_has_its_own_steps_and_keeps_its_largest_weight(bits: int, steps: int) -> None:
    weight = torch.randn(5, 400, generator=torch.Generator().manual_seed(1)) * torch.logspace(-2, 1, 5)[:, None]
    rounded = qat.Rounded(bits, dim=0)(weight)
    for row, original in zip(rounded, weight, strict=True):
        step = original.abs().max() / steps
        assert levels(row) <= 2 * steps + 1
        torch.testing.assert_close(row / step, torch.round(row / step), atol=1e-3, rtol=0)
        assert (row - original).abs().max() <= step / 2 * 1.001
        assert row.abs().max() == pytest.approx(original.abs().max().item(), rel=1e-6)


def test_rounding_again_changes_nothing() -> None:
    """So the quantiser that writes the file finds the weights where training left them."""
    once = qat.Rounded(4, dim=0)(torch.randn(3, 50, generator=torch.Generator().manual_seed(2)))
    torch.testing.assert_close(qat.Rounded(4, dim=0)(once), once)


def test_activations_lie_on_256_steps_and_zero_stays_zero() -> None:
    x = torch.cat([torch.randn(999, generator=torch.Generator().manual_seed(3)) + 2.0, torch.zeros(1)])
    rounded = qat.round_activations(x)
    assert levels(rounded) <= 256
    assert rounded[-1] == 0
    assert (rounded - x).abs().max() <= (x.max() - x.min().clamp_max(0)) / 255 * 0.51
    positive = qat.round_activations(torch.tensor([3.0, 5.0]))
    assert positive[1] == pytest.approx(5.0, rel=1e-3)


def test_the_gradient_passes_the_rounding() -> None:
    weight = torch.randn(3, 4, generator=torch.Generator().manual_seed(4), requires_grad=True)
    (qat.Rounded(4, dim=0)(weight) * torch.arange(12.0).reshape(3, 4)).sum().backward()
    assert torch.equal(weight.grad, torch.arange(12.0).reshape(3, 4))  # type: ignore[arg-type]


def test_afterwards_the_net_is_plain_and_its_weights_are_on_steps(net: BertForSequenceClassification) -> None:
    names, fine = set(net.state_dict()), levels(net.bert.encoder.layer[0].output.dense.weight)
    qat.begin(net, 4)
    assert set(net.state_dict()) != names
    qat.end(net)
    assert set(net.state_dict()) == names
    assert fine > 500
    for weight in (net.bert.encoder.layer[0].output.dense.weight, net.classifier.weight, net.bert.embeddings.word_embeddings.weight):
        assert max(map(levels, weight)) <= 15
    with torch.no_grad():  # activations are whole again: a tiny change of the input shows
        one, two = (net.classifier(torch.full((1, 24), value)) for value in (1.0, 1.0001))
    assert not torch.equal(one, two)


def test_training_on_four_bits_is_nearer_to_the_net_than_rounding_alone(net: BertForSequenceClassification, examples: Examples, tmp_path: Path) -> None:
    wanted = predict_logits(net, examples)
    rounded, trained = (nets.reshaped(net, net.state_dict()) for _ in range(2))
    for one in (rounded, trained):
        qat.begin(one, 4)
    schedule = Schedule(epochs=15, batch_size=16, learning_rate=3e-3)
    imitate(trained, net, examples, schedule, tmp_path, "qat", seed=0, hidden=1.0)
    errors = []
    for one in (rounded, trained):
        qat.end(one)
        errors.append((predict_logits(one, examples) - wanted).pow(2).mean().item())
    assert errors[1] < errors[0] / 2
