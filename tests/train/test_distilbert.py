"""Half of the layers, words to find, and three terms at once."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tests.train.conftest import NEEDS

torch = pytest.importorskip("torch", reason=NEEDS)
pytest.importorskip("transformers", reason=NEEDS)

from transformers import BertConfig, BertForMaskedLM  # noqa: E402

from edgebench.train import distilbert  # noqa: E402
from edgebench.train.data import Examples  # noqa: E402
from edgebench.train.loop import Schedule, train  # noqa: E402


@pytest.fixture
def teacher() -> BertForMaskedLM:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=40, hidden_size=24, num_hidden_layers=4, num_attention_heads=2, intermediate_size=32, max_position_embeddings=16,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )
    net = BertForMaskedLM(config)
    for name, parameter in net.named_parameters():
        torch.nn.init.normal_(parameter, mean=float(name.endswith("LayerNorm.weight")), std=0.2)
    return net.eval()


def logits(net: BertForMaskedLM, ids: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return net.eval()(input_ids=ids).logits


IDS = torch.tensor([[2, 7, 12, 30, 3]])


def test_a_student_of_all_layers_is_the_teacher(teacher: BertForMaskedLM) -> None:
    torch.testing.assert_close(logits(distilbert.start(teacher, range(4)), IDS), logits(teacher, IDS))


def test_a_student_has_the_layers_named_and_everything_around_them(teacher: BertForMaskedLM) -> None:
    student = distilbert.start(teacher, (0, 3))
    assert len(student.bert.encoder.layer) == 2
    for mine, theirs in zip(student.bert.encoder.layer, (0, 3), strict=True):
        assert torch.equal(mine.output.dense.weight, teacher.bert.encoder.layer[theirs].output.dense.weight)
    assert torch.equal(student.cls.predictions.transform.dense.weight, teacher.cls.predictions.transform.dense.weight)
    assert student.cls.predictions.decoder.weight is student.bert.embeddings.word_embeddings.weight
    with pytest.raises(ValueError, match="layers are 0, 4; the teacher has 0 to 3"):
        distilbert.start(teacher, (0, 4))


def test_of_twelve_layers_the_published_six_are_taken() -> None:
    assert distilbert.LAYERS == (0, 2, 4, 7, 9, 11)


def test_words_are_masked_as_bert_does_it() -> None:
    torch.manual_seed(1)
    ids = torch.randint(5, 1000, (200, 50))
    ids[:, 0], real = 2, torch.ones(200, 50)
    real[:, 40:] = 0
    read, wanted = distilbert.mask_words(ids, real, mask_id=4, vocabulary=1000, special=(2, 3))
    chosen = wanted != distilbert.IGNORED
    assert torch.equal(wanted[chosen], ids[chosen])
    assert torch.equal(read[~chosen], ids[~chosen])
    assert not chosen[:, 0].any()
    assert not chosen[:, 40:].any()
    assert chosen[:, 1:40].float().mean().item() == pytest.approx(0.15, abs=0.01)
    assert (read[chosen] == 4).float().mean().item() == pytest.approx(0.8, abs=0.03)
    assert (read[chosen] == ids[chosen]).float().mean().item() == pytest.approx(0.1, abs=0.03)


def test_the_three_terms_by_hand() -> None:
    """One position of two; two words; temperature 2. KL of (1/2, 1/2) from the softmax of ln 9 / 2 and 0, which is (3/4, 1/4)."""
    student, teacher = torch.tensor([[[0.0, 0.0], [9.0, 9.0]]]), torch.tensor([[[math.log(9), 0.0], [5.0, 1.0]]])
    hidden = torch.tensor([[[1.0, 0.0], [7.0, 7.0]]]), torch.tensor([[[0.0, 2.0], [1.0, 1.0]]])
    terms = distilbert.triple((student, hidden[0]), (teacher, hidden[1]), torch.tensor([[1, -100]]), torch.tensor([[1, 0]]))
    divergence = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert terms["soft"].item() == pytest.approx(5 * 4 * divergence, rel=1e-5)
    assert terms["masked_words"].item() == pytest.approx(2 * math.log(2), rel=1e-5)
    assert terms["cosine"].item() == pytest.approx(1.0)


def test_a_student_that_is_the_teacher_has_nothing_to_learn_from_it(teacher: BertForMaskedLM) -> None:
    out = teacher(input_ids=IDS, output_hidden_states=True)
    same = (out.logits, out.hidden_states[-1])
    terms = distilbert.triple(same, same, torch.full_like(IDS, -100), torch.ones_like(IDS))
    assert all(abs(term.item()) < 1e-5 for term in terms.values())


def test_the_losses_fall_and_layers_of_the_teacher_are_the_better_start(teacher: BertForMaskedLM, examples: Examples, tmp_path: Path) -> None:
    firsts, lasts = {}, {}
    random = BertForMaskedLM(distilbert.start(teacher, (0, 3)).config)
    for name, student in (("layers", distilbert.start(teacher, (0, 3))), ("random", random)):
        losses: list[dict[str, float]] = []
        loss = distilbert.loss(student, teacher, mask_id=4, special=(2, 3))

        def keep(batch, loss=loss, losses=losses):  # type: ignore[no-untyped-def]
            terms = loss(batch)
            losses.append({key: term.item() for key, term in terms.items()})
            return terms

        train(keep, student, examples, Schedule(epochs=5, batch_size=16, learning_rate=3e-3), seed=0, checkpoint=tmp_path / name, log=tmp_path / f"{name}.log")
        firsts[name], lasts[name] = ({key: sum(one[key] for one in some) / 6 for key in losses[0]} for some in (losses[:6], losses[-6:]))
    assert lasts["layers"]["soft"] < firsts["layers"]["soft"] / 2
    assert lasts["layers"]["cosine"] < firsts["layers"]["cosine"]
    assert lasts["layers"]["soft"] < lasts["random"]["soft"]


def test_for_a_classifier_labels_take_the_place_of_masked_words() -> None:
    logits, hidden, real = torch.zeros(2, 2), torch.ones(2, 3, 4), torch.ones(2, 3)
    terms = distilbert.task_triple((logits, hidden), (logits, 2 * hidden), torch.tensor([0, 1]), real, soft=0.5)
    assert terms["soft"].item() == pytest.approx(0.0, abs=1e-6)
    assert terms["cross_entropy"].item() == pytest.approx(0.5 * math.log(2))
    assert terms["cosine"].item() == pytest.approx(0.0, abs=1e-6)
