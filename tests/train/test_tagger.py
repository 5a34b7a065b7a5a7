"""A tagger from its labelled words through its recipe to files that `load` answers with."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.train.conftest import NEEDS

torch = pytest.importorskip("torch", reason=NEEDS)
pytest.importorskip("transformers", reason=NEEDS)

import edgebench  # noqa: E402
from edgebench.models import card as cards  # noqa: E402
from edgebench.models.data import Labelled  # noqa: E402
from edgebench.models.spans import Span, write  # noqa: E402
from edgebench.train import nets, recipe  # noqa: E402
from edgebench.train.bundle import bundle, read_run  # noqa: E402
from edgebench.train.data import UNLABELLED, collate, tagged  # noqa: E402
from edgebench.train.export import BACKENDS  # noqa: E402
from edgebench.train.loop import entity_f1, predict_logits  # noqa: E402
from tests.train.test_recipe import RECIPE  # noqa: E402

TAGS = ("O", "B-grade", "I-grade")


def labelled(count: int) -> Labelled:
    """"good" and "bad" begin grades, and "film" after them belongs to them."""
    random, texts, references = Random(0), [], []
    for _ in range(count):
        words, spans, at = [], [], 0
        for _ in range(random.randint(1, 3)):
            grade = random.choice(["good", "bad", ""])
            part = f"{grade} film" if grade else "a dull"
            if grade:
                spans.append(Span(at, at + len(part), "grade"))
            words.append(part)
            at += len(part) + 1
        texts.append(" ".join(words))
        references.append(write(spans))
    return Labelled(tuple(texts), tuple(references), TAGS, "grades", "dev", "made in a test", "", "", "")


@pytest.fixture
def tokenizer(bag_of_words: Path) -> Path:
    return bag_of_words.parent / "bag" / "tokenizer.json"


def test_the_first_piece_of_each_word_is_labelled_and_nothing_else(tokenizer: Path) -> None:
    texts = Labelled(("a good films", "bad"), ("2:12:grade", ""), TAGS, "n", "train", "", "", "", "")
    examples = tagged(texts, tokenizer, 16)
    assert examples.labels == [[UNLABELLED, 0, 1, 2, UNLABELLED, UNLABELLED], [UNLABELLED, 0, UNLABELLED]]  # "film", "##s"
    assert collate(examples, [0, 1]).labels.tolist()[1] == [UNLABELLED, 0, UNLABELLED, UNLABELLED, UNLABELLED, UNLABELLED]


def test_a_net_that_knows_every_tag_has_an_f1_of_one_whatever_it_says_of_other_tokens(tokenizer: Path) -> None:
    class Knows(torch.nn.Module):
        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor):
            wanted = torch.full(input_ids.shape, 2)
            wanted[(input_ids == 4) | (input_ids == 6)] = 1
            wanted[(input_ids == 10) | (input_ids == 7)] = 0
            return type("Out", (), {"logits": torch.nn.functional.one_hot(wanted, 3).float()})

    examples = tagged(labelled(40), tokenizer, 16)
    assert entity_f1(Knows(), examples, TAGS) == 1.0
    assert predict_logits(Knows(), examples).shape == (40, max(map(len, examples.ids)), 3)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, bag_of_words: Path) -> Path:
    """The folder of a run of the tiny recipe as a tagger."""
    import json

    from safetensors.torch import save_file

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("tagger")
    shape = {"num_hidden_layers": 2, "hidden_size": 24, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 12}
    (folder / "config.json").write_text(json.dumps(shape))
    save_file(nets.build(layers=2, hidden=24, heads=2, ffn=32, labels=2, vocab=12, task="token-classification").bert.state_dict(), folder / "model.safetensors")
    path = folder / "tiny.toml"
    path.write_text(RECIPE.replace("text-classification", "token-classification").replace("prediction = { epochs = 2", "prediction = { epochs = 6"))
    examples = tagged(labelled(120), bag_of_words.parent / "bag" / "tokenizer.json", 16)
    data = recipe.Data(examples, examples.select(range(40)), examples.select(range(20)).without_labels(), names=TAGS)
    recipe.run(recipe.read(path), data, {"none": folder}, folder / "out")
    return folder / "out"


def test_a_tagger_learns_and_its_student_learns_from_it(finished: Path) -> None:
    run = read_run(finished)
    assert run.result["teacher"]["entity_f1_dev"] > 0.95
    assert run.result["student"]["entity_f1_dev"] > 0.9
    assert run.result["student_over_teacher"] == run.result["student"]["entity_f1_dev"] / run.result["teacher"]["entity_f1_dev"]
    assert run.net.bert.pooler is None


def test_a_tagger_becomes_a_model_that_load_answers_with(finished: Path, tmp_path: Path, tokenizer: Path) -> None:
    pytest.importorskip("seqeval", reason="entity F1 is scored by seqeval; install edgebench[metrics]")
    run, variants = read_run(finished), ["onnx/fp32", "onnx/int8", "torchscript/fp32", "torchscript/int8"]
    card = cards.read(path := bundle(run, tmp_path / "models", tokenizer, labelled(60), variants=variants))
    assert (card.task, card.labels, [one.name for one in card.variants]) == ("token-classification", TAGS, variants)
    assert {"teacher_entity_f1", "student_entity_f1"} < set(card.made_by)
    answers = []
    for variant in card.variants:
        assert variant.accuracy is not None
        assert variant.accuracy.value > 0.9
        with edgebench.load(str(path), backend=BACKENDS[variant.format], precision=variant.precision, allow_code=True) as pipe:
            assert pipe.session.outputs[0].shape == (None, None, 3)
            answers.append([pipe(text) for text in labelled(20).texts])
    for mine in answers[1:]:
        assert [[(one.start, one.end) for one in row.entities] for row in mine] == [[(one.start, one.end) for one in row.entities] for row in answers[0]]
