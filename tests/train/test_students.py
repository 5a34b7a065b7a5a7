"""Recipes of one method each, from a file to a net and its record, on nets of a few thousand weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.train.conftest import NEEDS

torch = pytest.importorskip("torch", reason=NEEDS)
pytest.importorskip("transformers", reason=NEEDS)

from edgebench.errors import CardError  # noqa: E402
from edgebench.train import bundle, methods, mobilebert, nets, students, trained  # noqa: E402
from edgebench.train.cells import Architecture, Edge  # noqa: E402
from edgebench.train.cells import build as cell_net  # noqa: E402
from edgebench.train.data import Examples  # noqa: E402
from edgebench.train.methods import Recipe, Variant  # noqa: E402
from edgebench.train.students import Made, Setting  # noqa: E402

HEAD = 'schema = 1\nname = "one"\nabout = "a test"\ndataset = "none"\nseed = 5\nheld_out = 16\n'
LONG = "{ epochs = 6, batch_size = 8, learning_rate = 3e-3 }"
BODY = {
    "fine-tune": f'weights = "none"\ntrain = {LONG}',
    "distilbert": f'teacher = "none"\nlayers = [1]\ntrain = {LONG}',
    "tinybert": f'teacher = "none"\nlayers = [2]\nhidden = 16\nffn = 20\nintermediate = {LONG}\nprediction = {LONG}',
    "bottlenecks": f"layers = 2\nhidden = 16\ninner = 8\nheads = 2\nffn = 16\nffns = 2\ntune = {LONG}\ntransfer = {LONG}\ntrain = {LONG}",
    "adabert": f'teacher = "none"\n[how]\nwidth = 16\ndeepest = 2\nsoft = 1.0\nprobes = {LONG}\nsearch = {LONG}\nretrain = {LONG}',
}


def write(folder: Path, method: str, more: str = "") -> Recipe:
    path = folder / f"{method}.toml"
    path.write_text(f'{HEAD}method = "{method}"\n{BODY[method]}\n{more}')
    return methods.read(path)


@pytest.fixture
def taught(weights: Path, examples: Examples, tmp_path: Path) -> Any:
    """A teacher that knows the task."""
    return made(write(tmp_path, "fine-tune"), examples, tmp_path / "teacher", weights=weights)[0].net


def made(recipe: Recipe, examples: Examples, out: Path, **more: Any) -> tuple[Made, Setting]:
    setting = Setting(examples, Examples([], []), 2, out, **more)
    return students.make(recipe, setting), setting


@pytest.mark.parametrize("method", ["distilbert", "tinybert", "bottlenecks", "adabert"])
def test_a_student_learns_the_task_and_is_read_back_as_it_was(method: str, taught: Any, examples: Examples, tmp_path: Path) -> None:
    recipe = write(tmp_path, method)
    one, setting = made(recipe, examples, tmp_path / method, teacher=taught)
    record = trained.record(recipe, Variant("whole"), one, setting, examples.select(range(8)), examples, ("none", trained.answers(taught, examples)))
    assert record["correct"] / record["n"] > 0.9  # one token decides the label
    assert record["steps"] == sum(stage["steps"] for stage in setting.stages.values()) > 0
    assert record["over_teacher"] == record["correct"] / record["teacher"]["correct"]
    students.save(one, recipe, record, tmp_path / method)
    ready = bundle.read_student(tmp_path / method)
    assert (ready.made_by["method"], ready.made_by["teacher"], ready.tokenizer) == (method, "none", tmp_path / method / "tokenizer.json")
    again, result = students.read(tmp_path / method)
    assert trained.answers(again, examples) == record["answers"] == json.loads(json.dumps(result))["record"]["answers"]


def test_mobilebert_begins_with_its_teachers_answers_in_its_reach(examples: Examples, taught: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = mobilebert.MobileBertModel(mobilebert.MobileBertConfig(
        vocab_size=40, num_hidden_layers=1, hidden_size=32, intra_bottleneck_size=16, embedding_size=16, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=16, classifier_activation=False,
    ))
    monkeypatch.setattr(mobilebert, "from_tflite", lambda path: encoder)
    (tmp_path / "m.toml").write_text(f'{HEAD}method = "mobilebert"\nteacher = "none"\nweights = "none"\ntrain = {LONG}')
    one, _ = made(methods.read(tmp_path / "m.toml"), examples, tmp_path / "out", teacher=taught, weights=tmp_path)
    assert sum(a == b for a, b in zip(trained.answers(one.net, examples), examples.labels, strict=True)) / len(examples) > 0.9


def test_variants_change_what_they_name_and_keep_the_rest_of_a_table(tmp_path: Path) -> None:
    recipe = write(tmp_path, "adabert", '[[variants]]\nname = "whole"\n[[variants]]\nname = "free"\nchange = { how = { cost = 0.0 } }\n')
    (first, whole), (second, free) = methods.planned(recipe)
    assert (first.name, second.name) == ("whole", "free")
    assert (whole.how.cost, free.how.cost, free.how.width) == (4.0, 0.0, 16)  # type: ignore[attr-defined]


def test_all_variants_of_a_seed_come_before_the_next_seed(tmp_path: Path) -> None:
    path = tmp_path / "two.toml"
    path.write_text(f'{HEAD}method = "distilbert"\nseeds = [1, 2]\n{BODY["distilbert"]}\n[[variants]]\nname = "a"\n[[variants]]\nname = "b"\n')
    assert [(variant.name, one.seed) for variant, one in methods.planned(methods.read(path))] == [("a", 1), ("b", 1), ("a", 2), ("b", 2)]


@pytest.mark.parametrize(
    ("method", "more", "said"),
    [
        ("distilbert", 'without = ["cosin"]', "without names 'cosin'; distilbert can do without start, soft, cross_entropy, cosine"),
        ("distilbert", '[[variants]]\nname = "x"\nchange = { layer = [1] }', "variant 'x': .*layer"),
    ],
)
def test_what_a_recipe_cannot_mean_is_said_with_its_file(method: str, more: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(CardError, match=said):
        write(tmp_path, method, more)


def test_an_unknown_method_is_said_with_those_there_are(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(f'{HEAD}method = "distilbirt"\n')
    with pytest.raises(CardError, match=r"method is 'distilbirt'; there are fine-tune, .*Did you mean 'distilbert'\?"):
        methods.read(tmp_path / "x.toml")


def test_a_term_left_out_is_not_in_the_log(taught: Any, examples: Examples, tmp_path: Path) -> None:
    made(write(tmp_path, "distilbert", 'without = ["cosine"]'), examples, tmp_path / "out", teacher=taught)
    assert "cosine" not in (lines := (tmp_path / "out" / "student.jsonl").read_text())
    assert "soft" in lines


def test_a_folder_without_a_finished_run_is_told_from_one(tmp_path: Path) -> None:
    with pytest.raises(CardError, match=r"is no finished run \(FileNotFoundError"):
        students.read(tmp_path)


def test_encoder_parameters_leave_the_tables_out() -> None:
    bert = nets.build(layers=1, hidden=8, heads=2, ffn=12, labels=2, vocab=40)
    tables = 8 * (40 + 512 + 2)
    assert trained.encoder_parameters(bert) == nets.parameter_count(bert) - tables
    cells = cell_net(Architecture(1, 1, (Edge(0, 2, "conv3"), Edge(1, 2, "identity"))), width=8, vocab=40, labels=2, positions=16)
    assert trained.encoder_parameters(cells) == nets.parameter_count(cells) - 8 * (40 + 16)


def test_a_pair_of_answers_is_counted_row_by_row(taught: Any, examples: Examples, tmp_path: Path) -> None:
    recipe = write(tmp_path, "fine-tune")
    one, setting = Made(taught, {}), Setting(examples, Examples([], []), 2, tmp_path)
    mine = trained.answers(taught, examples)
    theirs = [1 - mine[0], *mine[1:]]
    record = trained.record(recipe, Variant("whole"), one, setting, examples.select(range(8)), examples, ("other", theirs))
    assert (record["only_mine"], record["only_theirs"], record["p"]) == ((1, 0, 1.0) if mine[0] == examples.labels[0] else (0, 1, 1.0))
