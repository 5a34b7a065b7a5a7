"""Cutting a student out of a teacher: nothing is lost at equal shape, and sizes come out as computed."""

from __future__ import annotations

import pytest

from tests.train.conftest import NEEDS

torch = pytest.importorskip("torch", reason=NEEDS)
pytest.importorskip("transformers", reason=NEEDS)

from transformers import BertForSequenceClassification  # noqa: E402

from edgebench.train.nets import build, parameter_count, trace  # noqa: E402
from edgebench.train.shrink import fit_projection, shrink  # noqa: E402


def parameters(layers: int, hidden: int, ffn: int, vocab: int, labels: int) -> int:
    """Embeddings and their norm; per layer four square maps, two FFN maps, two norms; pooler; head."""
    square = hidden * hidden + hidden
    layer = 4 * square + (hidden * ffn + ffn) + (ffn * hidden + hidden) + 2 * 2 * hidden
    return (vocab + 512 + 2 + 2) * hidden + layers * layer + square + hidden * labels + labels


@pytest.fixture
def teacher() -> BertForSequenceClassification:
    torch.manual_seed(0)
    net = build(layers=3, hidden=24, heads=2, ffn=32, labels=2, vocab=40)
    for parameter in net.parameters():  # far from the small start values, so that every part counts
        torch.nn.init.normal_(parameter, std=0.3)
    return net


def batches(count: int = 6) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(1)
    mask = torch.ones(16, 9, dtype=torch.int64)
    mask[8:, 6:] = 0
    return [(torch.randint(0, 40, (16, 9), generator=generator), mask) for _ in range(count)]


def logits(net: BertForSequenceClassification) -> torch.Tensor:
    ids, mask = batches(1)[0]
    with torch.no_grad():
        return trace(net.eval(), ids, mask).logits


def test_shrinking_to_the_same_shape_keeps_the_logits(teacher: BertForSequenceClassification) -> None:
    same = shrink(teacher, batches(), layers=(1, 2, 3), hidden=24, ffn=32, dropout=0.0)
    assert (logits(same) - logits(teacher)).abs().max() < 1e-4
    assert logits(teacher).std() > 0.1


def test_the_layers_named_are_the_ones_kept(teacher: BertForSequenceClassification) -> None:
    last_two = shrink(teacher, batches(), layers=(2, 3), hidden=24, ffn=32, dropout=0.0)
    kept = [layer.output.dense.weight for layer in last_two.bert.encoder.layer]
    assert all(torch.equal(one, teacher.bert.encoder.layer[at].output.dense.weight) for one, at in zip(kept, (1, 2), strict=True))


def test_a_narrower_student_has_the_computed_size(teacher: BertForSequenceClassification) -> None:
    small = shrink(teacher, batches(), layers=(1, 3), hidden=16, ffn=20, dropout=0.0)
    assert parameter_count(small) == parameters(2, 16, 20, 40, 2)
    assert torch.isfinite(logits(small)).all()


def test_tinybert_of_four_layers_has_its_14_350_248_parameters_and_a_head() -> None:
    net = build(layers=4, hidden=312, heads=12, ffn=1200, labels=2)
    assert parameter_count(net) - parameter_count(net.classifier) == 14_350_248
    assert parameter_count(net) == parameters(4, 312, 1200, 30_522, 2) == 14_350_874


@pytest.mark.slow
def test_minilm_narrows_to_tinyberts_size() -> None:
    torch.manual_seed(0)
    teacher = build(layers=6, hidden=384, heads=12, ffn=1536, labels=2)
    small = shrink(teacher, batches(2), layers=(1, 3, 4, 6), hidden=312, ffn=1200, dropout=0.1)
    assert parameter_count(small) == 14_350_874


def test_a_narrow_head_keeps_what_inputs_of_low_rank_show(teacher: BertForSequenceClassification) -> None:
    """With few distinct tokens the inputs of layer 1 span few directions, and narrower heads still give its scores."""
    ids = torch.tensor([[2, 5, 3]])
    mask = torch.ones_like(ids)
    half = shrink(teacher, [(ids, mask)] * 2, layers=(1,), hidden=24, ffn=32, dropout=0.0)
    with torch.no_grad():
        ours, theirs = trace(half.eval(), ids, mask).scores[0], trace(teacher.eval(), ids, mask).scores[0]
    assert (ours - theirs).abs().max() < 1e-3


def test_a_linear_relation_is_fitted_exactly() -> None:
    generator = torch.Generator().manual_seed(2)
    inputs, weight, bias = torch.randn(200, 4, generator=generator), torch.randn(4, 6, generator=generator), torch.randn(6, generator=generator)
    layer = fit_projection(inputs, inputs @ weight + bias, ridge=1e-9)
    assert (layer(inputs) - inputs @ weight - bias).abs().max() < 1e-4
