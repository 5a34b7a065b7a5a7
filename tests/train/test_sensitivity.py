"""One part is changed at a time, the change costs what it costs, and the net itself stays as it was."""

from __future__ import annotations

import pytest

from tests.train.conftest import NEEDS

torch = pytest.importorskip("torch", reason=NEEDS)
pytest.importorskip("transformers", reason=NEEDS)

from transformers import BertForSequenceClassification  # noqa: E402

from edgebench.train import nets, sensitivity  # noqa: E402
from edgebench.train.data import Examples, collate  # noqa: E402
from edgebench.train.sensitivity import About  # noqa: E402

ABOUT = About("tiny", "00", "words", "96 rows")


@pytest.fixture
def net() -> BertForSequenceClassification:
    torch.manual_seed(0)
    made = nets.build(layers=2, hidden=24, heads=4, ffn=48, labels=2, vocab=40)
    for name, parameter in made.named_parameters():
        torch.nn.init.normal_(parameter, mean=float(name.endswith("LayerNorm.weight")), std=0.3)
    return made.eval()


def labelled(net: BertForSequenceClassification, examples: Examples) -> Examples:
    """The examples with the net's own answers for labels: as it is it has all of them right."""
    from edgebench.train.loop import predict_logits

    return Examples(examples.ids, predict_logits(net, examples).argmax(1).tolist())


def test_every_weight_belongs_to_one_part(net: BertForSequenceClassification) -> None:
    names = [name for modules in sensitivity.parts(net).values() for name in modules]
    maps = [name for name, module in net.named_modules() if isinstance(module, torch.nn.Linear)]
    assert sorted(names) == sorted([*maps, "bert.embeddings.word_embeddings"])


def test_only_the_named_part_is_rounded(net: BertForSequenceClassification) -> None:
    found = sensitivity.rounded(net, sensitivity.parts(net)["layer 2 attention"], 2)
    changed = [name for (name, was), now in zip(net.state_dict().items(), found.state_dict().values(), strict=True) if not torch.equal(was, now)]
    prefix = "bert.encoder.layer.1.attention"
    assert changed == [f"{prefix}.self.{one}.weight" for one in ("query", "key", "value")] + [f"{prefix}.output.dense.weight"]
    query = found.get_submodule(f"{prefix}.self.query").weight
    assert all(len(row.unique()) <= 3 for row in query)


def test_fewer_bits_lose_more_and_what_is_lost_is_counted(net: BertForSequenceClassification, examples: Examples) -> None:
    rows = labelled(net, examples)
    found = {one.amount: one for one in sensitivity.sensitivity(net, rows, ABOUT, bits=(8, 2), kept=()) if one.kind == "bits" and one.part == "all"}
    assert found[8].lost < found[2].lost
    assert all(one.right == 96 - one.lost and one.won == 0 and one.agreement == pytest.approx(one.right / 96) for one in found.values())


def test_the_net_as_it_was_comes_first_and_stays_so(net: BertForSequenceClassification, examples: Examples) -> None:
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    first, *rest = sensitivity.sensitivity(net, labelled(net, examples), ABOUT, bits=(2,), measured=[collate(examples, range(32))], kept=(0.5,))
    assert (first.kind, first.right, first.lost) == ("none", 96, 0)
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert [(one.kind, one.part) for one in rest if one.kind not in ("bits", "none")] == [
        ("layer", "layer 1"), ("layer", "layer 2"), ("heads", "layer 1"), ("neurons", "layer 1"), ("heads", "layer 2"), ("neurons", "layer 2"),
        ("heads", "all"), ("neurons", "all"),
    ]


def test_what_is_taken_out_is_what_the_line_says(net: BertForSequenceClassification, examples: Examples) -> None:
    found = list(sensitivity.sensitivity(net, labelled(net, examples), ABOUT, bits=(), measured=[collate(examples, range(32))], kept=(0.5,)))
    sizes = {(one.kind, one.part): one.parameters for one in found}
    assert sizes["heads", "layer 1"] == 3 * (12 * 24 + 12) + 24 * 12  # two of four heads of 6 out of query, key, value and what follows them
    assert sizes["heads", "all"] == 2 * sizes["heads", "layer 1"]


def test_a_known_change_is_not_computed_again(net: BertForSequenceClassification, examples: Examples) -> None:
    rows = labelled(net, examples)
    first = list(sensitivity.sensitivity(net, rows, ABOUT, bits=(4,), kept=()))
    assert not list(sensitivity.sensitivity(net, rows, ABOUT, bits=(4,), kept=(), known=first))
