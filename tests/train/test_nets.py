"""Nets as transformers builds them, with scores before the softmax, and blind to padding."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training needs torch; install edgebench[train]")
pytest.importorskip("transformers", reason="training needs transformers; install edgebench[train]")

from edgebench.train import nets  # noqa: E402


@pytest.fixture
def net() -> nets.BertForSequenceClassification:
    torch.manual_seed(0)
    made = nets.build(layers=2, hidden=24, heads=2, ffn=48, labels=3, vocab=100).eval()
    for parameter in made.parameters():  # the library's weights are so small that every answer is the same
        parameter.data.normal_(0, 0.5)
    return made


def test_padding_changes_no_answer(net: nets.BertForSequenceClassification) -> None:
    ids = torch.randint(5, 99, (2, 6))
    padded = torch.cat([ids, torch.full((2, 5), 7)], dim=1)
    mask = torch.cat([torch.ones_like(ids), torch.zeros(2, 5, dtype=torch.int64)], dim=1)
    with torch.no_grad():
        alone, together = (net(input_ids=one, attention_mask=real).logits for one, real in ((ids, torch.ones_like(ids)), (padded, mask)))
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


def test_trace_keeps_scores_whose_softmax_is_the_librarys_attention(net: nets.BertForSequenceClassification) -> None:
    ids = torch.randint(5, 99, (2, 6))
    with torch.no_grad():
        traced = nets.trace(net, ids, torch.ones_like(ids))
        net.config._attn_implementation = "eager"
        plain = net(input_ids=ids, attention_mask=torch.ones_like(ids), output_attentions=True, output_hidden_states=True)
    torch.testing.assert_close(traced.logits, plain.logits, atol=1e-5, rtol=1e-4)
    for scores, attention in zip(traced.scores, plain.attentions, strict=True):
        torch.testing.assert_close(torch.softmax(scores, -1), attention, atol=1e-5, rtol=1e-4)
    assert len(traced.hidden) == 3
    assert traced.hidden[0].shape == (2, 6, 24)
