"""A recipe from its file to its result, on a BERT of a few thousand weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.train.conftest import NEEDS

torch = pytest.importorskip("torch", reason=NEEDS)
pytest.importorskip("transformers", reason=NEEDS)

import edgebench.train  # noqa: E402
from edgebench import toml  # noqa: E402
from edgebench.errors import CardError  # noqa: E402
from edgebench.train import dynamic, methods, nets, recipe, translate, vision  # noqa: E402
from edgebench.train.data import Examples, fingerprint  # noqa: E402
from edgebench.train.recipe import Data, Recipe  # noqa: E402

RECIPE = """
schema = 1
name = "tiny"
about = "a test"
task = "text-classification"
dataset = "none"
seed = 5
held_out = 16

[teacher]
weights = "none"
fine_tune = { epochs = 6, batch_size = 8, learning_rate = 3e-3 }

[student]
layers = [2]
hidden = 16
ffn = 20
intermediate = { epochs = 1, batch_size = 8, learning_rate = 1e-3 }
prediction = { epochs = 2, batch_size = 8, learning_rate = 1e-3 }
"""


class StopHere(Exception):
    pass


def read(folder: Path, old: str = "", new: str = "") -> Recipe:
    assert old in RECIPE
    (folder / "tiny.toml").write_text(RECIPE.replace(old, new, 1) if old else RECIPE)
    return recipe.read(folder / "tiny.toml")


def state(out: Path) -> dict[str, torch.Tensor]:
    return torch.load(out / "student.pt", weights_only=True)


def test_a_recipe_runs_end_to_end_and_says_how_its_result_came_about(tmp_path: Path, weights: Path, examples: Examples) -> None:
    data = Data(examples, examples.select(range(40)))
    stages: list[str] = []
    result = recipe.run(read(tmp_path), data, {"none": weights}, tmp_path / "out", lambda stage, *_: stages.append(stage))
    assert json.loads((tmp_path / "out" / "result.json").read_text()) == json.loads(json.dumps(result))
    assert result["recipe"]["seed"] == 5
    assert (result["train_sha256"], result["dev_sha256"], result["n_dev"]) == (fingerprint(data.train), fingerprint(data.dev), 40)
    assert stages == ["teacher", "teacher", "intermediate", "prediction"]  # step 50 and the last, the last, the last
    assert result["teacher"]["accuracy_dev"] > 0.9  # one token decides the label
    assert result["student"]["parameters"] < result["teacher"]["parameters"]
    assert result["student_over_teacher"] == result["student"]["accuracy_dev"] / result["teacher"]["accuracy_dev"]


def test_an_interrupted_recipe_goes_on_to_the_same_student(tmp_path: Path, weights: Path, examples: Examples) -> None:
    data, plan = Data(examples, examples.select(range(8))), read(tmp_path)
    recipe.run(plan, data, {"none": weights}, tmp_path / "whole")

    def stop(stage: str, *_: object) -> None:
        if stage == "intermediate":
            raise StopHere

    with pytest.raises(StopHere):
        recipe.run(plan, data, {"none": weights}, tmp_path / "cut", stop)
    recipe.run(plan, data, {"none": weights}, tmp_path / "cut")
    whole, cut = state(tmp_path / "whole"), state(tmp_path / "cut")
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_the_student_imitates_on_unlabelled_sentences_too_and_no_label_of_theirs_is_read(tmp_path: Path, weights: Path, examples: Examples) -> None:
    dev, unlabelled = examples.select(range(8)), Examples(examples.ids[:24], [-1] * 24)
    steps: dict[str, int] = {}

    def count(stage: str, step: int, of: int, losses: dict[str, float]) -> None:
        steps[stage] = of

    result = recipe.run(read(tmp_path), Data(examples, dev, unlabelled), {"none": weights}, tmp_path / "out", count)
    assert steps == {"teacher": 60, "intermediate": 13, "prediction": 26}  # 80 training sentences, then 104, 8 a batch
    assert torch.load(tmp_path / "out" / "targets.pt", weights_only=True).shape == (104, 2)
    assert result["unlabelled_sha256"] == fingerprint(unlabelled)


def test_a_student_cut_from_the_teacher_keeps_its_words(tmp_path: Path, weights: Path, examples: Examples) -> None:
    teacher = nets.load_pretrained(weights, labels=2)
    student = recipe.start_student(read(tmp_path), teacher, examples)
    ours, theirs = student.bert.embeddings.word_embeddings.weight, teacher.bert.embeddings.word_embeddings.weight
    assert all(any(torch.equal(column, other) for other in theirs.T) for column in ours.T)


def test_a_random_start_inherits_the_shape_and_nothing_else(tmp_path: Path, weights: Path, examples: Examples) -> None:
    teacher = nets.load_pretrained(weights, labels=2)
    student = recipe.start_student(read(tmp_path, "ffn = 20", 'ffn = 20\nstart = "random"'), teacher, examples)
    assert (student.config.hidden_size, student.config.num_hidden_layers, student.config.num_attention_heads) == (16, 1, 2)
    first, original = student.bert.embeddings.word_embeddings.weight[:40, 0], teacher.bert.embeddings.word_embeddings.weight
    assert not any(torch.equal(first, other) for other in original.T)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("ffn = 20", 'ffn = 20\nstart = "scratch"', "student.start is 'scratch'; expected 'teacher' or 'random'"),
        ("held_out", "hold_out", r"key 'hold_out' is unknown. Did you mean 'held_out'\?"),
        ("hidden = 16\n", "", "key 'hidden' in student is missing"),
        ("[student]", "[unlabelled]\ndataset = 'x'\nnumber = 3\n[student]", r"key 'number' in unlabelled is unknown. Did you mean"),
        ("epochs = 6, ", "", "key 'epochs' in teacher.fine_tune is missing"),
        ("schema = 1", "schema = 2", "schema is 2, this edgebench reads schema 1"),
    ],
)
def test_what_is_wrong_in_a_recipe_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(CardError, match=said):
        read(tmp_path, old, new)


def test_every_bundled_recipe_can_be_read() -> None:
    paths = sorted((Path(edgebench.train.__file__).parent / "recipes").glob("*.toml"))
    said = [toml.read(path, dict[str, object]) for path in paths]
    others = {"translation": translate, "image-classification": vision}
    kinds = [
        others[str(one["task"])] if one.get("task") in others else methods if one.get("method") in methods.KINDS else dynamic if "method" in one else recipe
        for one in said
    ]
    assert [kind.read(path).name for kind, path in zip(kinds, paths, strict=True)] == [path.stem for path in paths]
    assert paths


def test_general_distillation_comes_first_and_from_the_encoder_as_it_was(tmp_path: Path, weights: Path, examples: Examples) -> None:
    general = Examples(examples.ids[:32], [-1] * 32)
    stages: list[str] = []
    section = "[general]\ndataset = 'x'\ncount = 32\nmax_tokens = 16\ntrain = { epochs = 2, batch_size = 8, learning_rate = 1e-3 }\n[student]"
    result = recipe.run(
        read(tmp_path, "[student]", section), Data(examples, examples.select(range(8)), general=general), {"none": weights}, tmp_path / "out",
        lambda stage, *_: stages.append(stage),
    )
    assert stages == ["teacher", "teacher", "general", "intermediate", "prediction"]
    assert result["general_sha256"] == fingerprint(general)
    log = [json.loads(line) for line in (tmp_path / "out" / "general.jsonl").read_text().splitlines()]
    assert log[-1]["step"] == 8


@pytest.mark.parametrize("term", ["embedding", "hidden", "attention"])
def test_a_term_can_be_left_out(tmp_path: Path, weights: Path, examples: Examples, term: str) -> None:
    plan = read(tmp_path, "ffn = 20", f'ffn = 20\nwithout = ["{term}"]')
    recipe.run(plan, Data(examples, examples.select(range(8))), {"none": weights}, tmp_path / "out")
    seen = json.loads((tmp_path / "out" / "intermediate.jsonl").read_text().splitlines()[-1])
    assert {"embedding", "hidden", "attention"} - set(seen) == {term}


@pytest.mark.parametrize(("step", "left"), [("intermediate", ["prediction"]), ("prediction", ["intermediate"])])
def test_a_step_can_be_left_out(tmp_path: Path, weights: Path, examples: Examples, step: str, left: list[str]) -> None:
    stages: list[str] = []
    plan = read(tmp_path, "ffn = 20", f'ffn = 20\nwithout = ["{step}"]')
    recipe.run(plan, Data(examples, examples.select(range(8))), {"none": weights}, tmp_path / "out", lambda stage, *_: stages.append(stage))
    assert stages[2:] == left


def test_what_a_student_cannot_do_without_is_named(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="student.without names 'logits'; expected attention, embedding, hidden, intermediate, prediction"):
        read(tmp_path, "ffn = 20", 'ffn = 20\nwithout = ["logits"]')
