"""Two thin matrices for one: the best of their rank, and better still for the inputs that come."""

from __future__ import annotations

import pytest

from tests.train.conftest import NEEDS

torch = pytest.importorskip("torch", reason=NEEDS)
pytest.importorskip("transformers", reason=NEEDS)

from transformers import BertForSequenceClassification  # noqa: E402

from edgebench.train import nets, prune  # noqa: E402
from edgebench.train.data import Batch, Examples, collate  # noqa: E402
from edgebench.train.export import Classifier  # noqa: E402
from edgebench.train.factorize import break_even, factorize, split  # noqa: E402


@pytest.fixture
def net() -> BertForSequenceClassification:
    torch.manual_seed(0)
    made = nets.build(layers=2, hidden=48, heads=4, ffn=96, labels=2, vocab=40)
    for name, parameter in made.named_parameters():
        torch.nn.init.normal_(parameter, mean=float(name.endswith("LayerNorm.weight")), std=0.2)
    return made.eval()


@pytest.fixture
def batches(examples: Examples) -> list[Batch]:
    return [collate(examples, range(at, at + 16)) for at in range(0, 96, 16)]


def logits(net: torch.nn.Module, batch: Batch) -> torch.Tensor:
    with torch.no_grad():
        found = net(input_ids=batch.ids, attention_mask=batch.mask)
    return found if isinstance(found, torch.Tensor) else found.logits


def test_factors_of_a_matrix_lose_just_its_smallest_singular_values() -> None:
    weight = torch.randn(12, 20, generator=torch.Generator().manual_seed(1))
    outer, inner = split(weight, 5)
    assert (outer.shape, inner.shape) == ((12, 5), (5, 20))
    lost = torch.linalg.svdvals(weight)[5:].pow(2).sum()
    torch.testing.assert_close((weight - outer @ inner).pow(2).sum(), lost, rtol=1e-4, atol=0)


def test_factors_for_inputs_lose_less_on_them_than_the_plain_ones() -> None:
    generator = torch.Generator().manual_seed(2)
    weight, inputs = torch.randn(12, 20, generator=generator), torch.randn(500, 20, generator=generator) * torch.logspace(-2, 1, 20)
    errors = [((weight - outer @ inner) @ inputs.T).pow(2).mean().item() for outer, inner in (split(weight, 5), split(weight, 5, inputs.T @ inputs))]
    assert errors[1] < errors[0] / 10


def test_inputs_that_span_few_directions_are_mapped_exactly_by_as_low_a_rank() -> None:
    generator = torch.Generator().manual_seed(3)
    weight, inputs = torch.randn(12, 20, generator=generator), torch.randn(300, 4, generator=generator) @ torch.randn(4, 20, generator=generator)
    outer, inner = split(weight, 4, inputs.T @ inputs)
    assert ((weight - outer @ inner) @ inputs.T).abs().max() < 1e-2 * (weight @ inputs.T).abs().max()


def test_break_even_is_where_two_factors_hold_as_much() -> None:
    assert break_even(384, 1536) * (384 + 1536) == 384 * 1536
    assert round(break_even(384, 1536)) == 307


def test_a_net_of_factors_has_the_computed_size_and_is_the_same_net_for_export(net: BertForSequenceClassification, batches: list[Batch]) -> None:
    small = factorize(net, 0.5)
    square, wide = 48 * 48 - 16 * 96, 48 * 96 - 16 * 144  # break-even 24 and 32: ranks 12 -> 16 (a multiple of 8) and 16
    assert nets.parameter_count(net) - nets.parameter_count(small) == 2 * (4 * square + 2 * wide)
    torch.testing.assert_close(logits(Classifier(small).eval(), batches[0]), logits(small, batches[0]), atol=1e-5, rtol=0)


def test_factors_for_the_inputs_are_nearer_to_the_net(net: BertForSequenceClassification, batches: list[Batch]) -> None:
    wanted = logits(net, batches[0])
    plain, aware = ((logits(factorize(net, 0.7, batches=some), batches[0]) - wanted).pow(2).mean() for some in ((), batches))
    assert aware < plain


def test_a_table_of_words_that_spans_few_directions_loses_nothing(net: BertForSequenceClassification, batches: list[Batch]) -> None:
    table = net.bert.embeddings.word_embeddings.weight
    generator = torch.Generator().manual_seed(4)
    table.data = torch.randn(40, 8, generator=generator) @ torch.randn(8, 48, generator=generator)
    small = factorize(net, 1.0, words=8)
    assert nets.parameter_count(small) == nets.parameter_count(net) - 40 * 48 + 8 * (40 + 48)
    torch.testing.assert_close(logits(small, batches[0]), logits(net, batches[0]), atol=1e-3, rtol=0)
    torch.testing.assert_close(logits(Classifier(small).eval(), batches[0]), logits(small, batches[0]), atol=1e-5, rtol=0)


def test_words_seen_often_are_kept_better(net: BertForSequenceClassification, examples: Examples, batches: list[Batch]) -> None:
    table = net.bert.embeddings.word_embeddings.weight
    errors = []
    for some in ((), batches):
        made = factorize(net, 1.0, words=8, batches=some).bert.embeddings.word_embeddings
        errors.append((made(torch.tensor([7, 8, 2, 3])) - table[[7, 8, 2, 3]]).pow(2).sum().item())
    assert errors[1] < errors[0]


def test_factors_can_be_pruned_too(net: BertForSequenceClassification, batches: list[Batch]) -> None:
    small = factorize(net, 0.5, batches=batches)
    half = prune.cut(small, prune.choose(prune.importance(small, batches), heads=0.5, neurons=0.5))
    assert nets.parameter_count(half) < nets.parameter_count(small)
    torch.testing.assert_close(logits(Classifier(half).eval(), batches[0]), logits(half, batches[0]), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("options", "said"), [((0.0, None), "the share of the break-even rank is 0.0"), ((1.0, 48), "the rank of the table of words is 48; expected 1 to 47")],
)
def test_a_rank_that_is_none_is_refused(net: BertForSequenceClassification, options: tuple[float, int | None], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        factorize(net, options[0], words=options[1])
