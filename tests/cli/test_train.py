"""edgebench train: names to files, a run from start to table, and the same folder again."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner

from edgebench.cli.train import command, find
from edgebench.errors import MissingError, UsageError

RECIPE = """
schema = 1
name = "tiny"
about = "a test"
task = "text-classification"
dataset = "tiny"
seed = 5
held_out = 16

[teacher]
weights = "tiny"
fine_tune = { epochs = 1, batch_size = 8, learning_rate = 3e-3 }

[student]
layers = [1]
hidden = 8
ffn = 8
intermediate = { epochs = 1, batch_size = 8, learning_rate = 1e-3 }
prediction = { epochs = 1, batch_size = 8, learning_rate = 1e-3 }
"""


def stated(path: Path) -> str:
    return f'file = "{path.name}"\nsha256 = "{hashlib.sha256(path.read_bytes()).hexdigest()}"\nsize_bytes = {path.stat().st_size}\n'


@pytest.fixture
def tiny(tmp_path: Path, bag_of_words: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe file, with a weights card and a data set card of its own in EDGEBENCH_HOME."""
    torch = pytest.importorskip("torch", reason="training needs torch; install edgebench[train]")
    pytest.importorskip("transformers", reason="training needs transformers; install edgebench[train]")
    from safetensors.torch import save_file

    from edgebench.train.nets import build

    torch.set_num_threads(1)
    monkeypatch.setenv("EDGEBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("EDGEBENCH_DATA", raising=False)
    weights = tmp_path / "home" / "cache" / "pretrained" / "tiny"
    weights.mkdir(parents=True)
    save_file(build(layers=1, hidden=16, heads=2, ffn=16, labels=2, vocab=11).bert.state_dict(), weights / "model.safetensors")
    shape = {"num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 11}
    (weights / "config.json").write_text(json.dumps(shape))
    shutil.copy(bag_of_words.parent / "bag" / "tokenizer.json", weights)
    cards = tmp_path / "home" / "models"
    for kind in ("weights", "datasets"):
        (cards / kind).mkdir(parents=True)
    head = 'schema = 1\nname = "tiny"\nabout = ""\n'
    listed = "".join(f"[[files]]\n{stated(path)}" for path in sorted(weights.iterdir()))
    (cards / "weights" / "tiny.toml").write_text(f'{head}licence = ""\nsource = ""\n{listed}')
    random, splits = Random(0), ""
    for split, count in (("train", 80), ("dev", 20)):
        rows = "".join(f"{random.choice(('good', 'fine') if row % 2 else ('bad', 'dull'))} film\t{row % 2}\n" for row in range(count))
        (cards / "datasets" / f"{split}.tsv").write_text(f"sentence\tlabel\n{rows}")
        splits += f"[[sets.splits.{split}]]\n{stated(cards / 'datasets' / f'{split}.tsv')}"
    (cards / "datasets" / "tiny.toml").write_text(
        f'{head}task = "text-classification"\nlabels = ["negative", "positive"]\n[[sets]]\nname = "tiny-reviews"\nabout = ""\nlicence = ""\n'
        f'source = "a test"\ntext = "sentence"\nlabel = "label"\n{splits}'
    )
    (tmp_path / "tiny.toml").write_text(RECIPE)
    return tmp_path / "tiny.toml"


def run(recipe: Path, *options: str) -> str:
    result = CliRunner().invoke(command, [str(recipe), "--out", str(recipe.parent / "out"), "--threads", "1", "--offline", *options])
    if result.exception:
        raise result.exception
    return result.output


def test_a_run_tells_its_data_its_losses_and_its_result(tiny: Path) -> None:
    output = run(tiny)
    assert "train: 80 of tiny-reviews, a test\ndev: 20 of tiny-reviews, a test\n" in output
    assert "teacher           8 of 8  cross_entropy 0." in output
    assert "intermediate      8 of 8  embedding" in output
    assert "tiny-reviews dev" in output
    assert "accuracy with its Wilson 95 % interval; one seed" in output
    assert (tiny.parent / "out" / "student.pt").exists()


def test_the_same_folder_again_goes_on_and_says_so(tiny: Path) -> None:
    run(tiny)
    again = run(tiny)
    assert "which holds intermediate.checkpoint, prediction.checkpoint, teacher.checkpoint" in again
    assert "cross_entropy" not in again


def test_a_folder_of_another_recipe_is_not_gone_on_with(tiny: Path) -> None:
    run(tiny)
    tiny.write_text(RECIPE.replace("seed = 5", "seed = 6"))
    with pytest.raises(UsageError, match="holds a run of another recipe or on other data; give another --out, or delete it"):
        run(tiny)


def test_without_torch_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    result = CliRunner().invoke(command, ["tinybert-sst2", "--offline"])
    assert isinstance(result.exception, MissingError)
    assert str(result.exception) == "training needs torch, which is not installed; install edgebench[train]"


@pytest.mark.parametrize(("built", "said"), [(None, "is built without it"), ("13.0", "sees none")])
def test_an_accelerator_that_is_not_there_is_refused(tiny: Path, monkeypatch: pytest.MonkeyPatch, built: str | None, said: str) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", built)
    with pytest.raises(MissingError, match=f"--accelerator cuda: PyTorch .* {said}; install a build of PyTorch for it where there is one, or train on the cpu"):
        run(tiny, "--accelerator", "cuda")
    assert not (tiny.parent / "out" / "student.pt").exists()


def test_an_unknown_recipe_names_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"there is no recipe 'tinybert'; there are .*tinybert-sst2.* Did you mean 'tinybert-sst2'\?"):
        find("tinybert")


def test_a_recipe_file_that_is_not_there_says_so() -> None:
    with pytest.raises(UsageError, match="none.toml does not exist; give a recipe file or one of"):
        find("none.toml")


TEACHER = """
schema = 1
name = "teacher"
about = "a test"
method = "fine-tune"
dataset = "tiny"
weights = "tiny"
seed = 5
held_out = 16
train = { epochs = 2, batch_size = 8, learning_rate = 3e-3 }
"""
STUDENT = """
schema = 1
name = "student"
about = "a test"
method = "distilbert"
dataset = "tiny"
teacher = "teacher"
seed = 5
held_out = 16
layers = [1]
train = { epochs = 1, batch_size = 8, learning_rate = 3e-3 }

[[variants]]
name = "whole"

[[variants]]
name = "without cosine"
change = { without = ["cosine"] }
"""


def test_a_student_finds_its_teacher_beside_it_and_each_variant_leaves_a_line(tiny: Path) -> None:
    runs = tiny.parent / "runs"
    (tiny.parent / "teacher.toml").write_text(TEACHER)
    (tiny.parent / "student.toml").write_text(STUDENT)
    student = [str(tiny.parent / "student.toml"), "--out", str(runs / "student"), "--offline"]
    early = CliRunner().invoke(command, student)
    assert isinstance(early.exception, UsageError)
    assert "train it first: edgebench train teacher --out" in str(early.exception)
    taught = CliRunner().invoke(command, [str(tiny.parent / "teacher.toml"), "--out", str(runs / "teacher"), "--offline"], catch_exceptions=False)
    assert "teacher, whole, seed 5: " in taught.output
    CliRunner().invoke(command, student, catch_exceptions=False)
    again = CliRunner().invoke(command, student, catch_exceptions=False)  # nothing is left to do
    assert "student, " not in again.output
    lines = [json.loads(line) for line in (runs / "student" / "records.jsonl").read_text().splitlines()]
    assert [(one["variant"], one["teacher"]["name"], one["seed"]) for one in lines] == [("whole", "teacher", 5), ("without cosine", "teacher", 5)]
    assert {path.name for path in runs.glob("student/*-5")} == {"whole-5", "without-cosine-5"}


AUGMENTED = """
schema = 1
name = "cells"
about = "a test"
method = "adabert"
dataset = "tiny"
teacher = "teacher"
seed = 5
held_out = 16

[how]
width = 8
deepest = 2
operations = ["conv3", "identity", "zero"]

[augment]
vectors = "near"
copies = 3
candidates = 2
chance = 0.9
"""


def test_a_student_is_shown_its_texts_in_other_words_but_none_that_were_held_out(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgebench.models import weights
    from edgebench.train import augment

    runs: Path = tiny.parent / "runs"
    shown: list[list[str]] = []
    (tiny.parent / "teacher.toml").write_text(TEACHER)
    (tiny.parent / "cells.toml").write_text(AUGMENTED.replace("seed = 5", "seed = 5\nseeds = [5, 6]"))
    CliRunner().invoke(command, [str(tiny.parent / "teacher.toml"), "--out", str(runs / "teacher"), "--offline"], catch_exceptions=False)
    fetch = weights.fetch_weights
    monkeypatch.setattr(weights, "fetch_weights", lambda name, **how: tiny if name == "near" else fetch(name, **how))
    monkeypatch.setattr(augment, "read_vectors", lambda folder: None)
    monkeypatch.setattr(augment, "published", lambda net, tokenizer, vectors, *, count: lambda words: [["good", "fine"][:count] for _ in words])
    made = augment.augmented
    monkeypatch.setattr(augment, "augmented", lambda texts, *more, **how: made(shown.append(texts) or texts, *more, **how))
    CliRunner().invoke(command, [str(tiny.parent / "cells.toml"), "--out", str(runs / "cells"), "--offline"], catch_exceptions=False)
    lines = [json.loads(line) for line in (runs / "cells" / "records.jsonl").read_text().splitlines()]
    assert [line["examples"] for line in lines] == [len(texts) for texts in shown] == [64, 64]
    assert shown[0] != shown[1]  # another seed holds out others
    assert all(0 < line["unlabelled"] <= 3 * 64 for line in lines)
