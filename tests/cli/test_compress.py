"""edgebench compress: from a checkpoint and a file of texts to a card that `load` takes."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import edgebench
from edgebench.cli.compress import command
from edgebench.errors import CardError, MissingError, UsageError
from edgebench.models import card as cards


@pytest.fixture
def checkpoint(tmp_path: Path, bag_of_words: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a fine-tuned BERT with random weights, and reviews.tsv beside it; the working folder is theirs."""
    from tests.train.test_bundle import finished_run, read_run, sure_sentences  # skips where a library is missing

    monkeypatch.chdir(tmp_path)
    run = read_run(finished_run(tmp_path / "run"))
    run.net.config.id2label = {0: "negative", 1: "positive"}
    run.net.save_pretrained(tmp_path / "checkpoint")
    (tmp_path / "checkpoint" / "tokenizer.json").write_bytes((bag_of_words.parent / "bag" / "tokenizer.json").read_bytes())
    rows = sure_sentences(run, tmp_path / "checkpoint" / "tokenizer.json") * 5
    (tmp_path / "reviews.tsv").write_text("text\tlabel\n" + "".join(f"{text}\t{('negative', 'positive')[label]}\n" for text, label in rows))
    return tmp_path / "checkpoint"


def compress(checkpoint: Path, *options: str) -> Result:
    given = [str(checkpoint), "--data", str(checkpoint.parent / "reviews.tsv"), "--variants", "onnx/fp32,torchscript/fp32"]
    return CliRunner().invoke(command, [*given, *options])


@pytest.mark.parametrize("methods", ["trim,prune", "factorize", "quantize", "tinybert", "distilbert", "adabert"])
def test_a_checkpoint_becomes_a_card_that_load_answers_with(checkpoint: Path, methods: str) -> None:
    result = compress(checkpoint, "--method", methods, "--keep", "0.75", "--seed", "4", "--name", "small")
    assert result.exception is None, result.output
    card = cards.read(Path("models/small.toml"))
    assert [variant.name for variant in card.variants] == ["onnx/fp32", "torchscript/fp32"]
    assert (card.made_by["methods"], card.made_by["seed"], card.labels) == (", ".join(methods.split(",")), 4, ("negative", "positive"))
    assert card.dataset == "small/dev.toml"
    assert result.output.splitlines()[-1] == "models/small.toml is written; try: edgebench bench models/small.toml"
    with edgebench.load("models/small.toml") as pipe:
        assert pipe("good fine").label in card.labels


def test_bench_judges_the_new_model_on_the_texts_it_was_reported_on(checkpoint: Path) -> None:
    from edgebench.bench.plan import Ask, plan

    assert compress(checkpoint, "--method", "quantize", "--epochs", "0", "--name", "small").exception is None
    labelled = plan(Ask(models=("models/small.toml",), backends=("onnxruntime",))).models["models/small.toml"].labelled
    card = cards.read(Path("models/small.toml"))
    assert card.variants[0].accuracy is not None
    assert (labelled.name, len(labelled)) == (card.variants[0].accuracy.dataset, card.variants[0].accuracy.n) == ("reviews", len(labelled))
    assert set(labelled.texts) <= {line.split("\t")[0] for line in Path("reviews.tsv").read_text().splitlines()}


def test_a_card_that_was_written_can_be_compressed_again(checkpoint: Path) -> None:
    assert compress(checkpoint, "--method", "quantize", "--name", "first").exception is None
    result = CliRunner().invoke(
        command, ["models/first.toml", "--data", "reviews.tsv", "--method", "prune", "--epochs", "3", "--name", "second", "--variants", "onnx/fp32"],
    )
    assert result.exception is None, result.output
    first, second = (cards.read(Path(f"models/{name}.toml")) for name in ("first", "second"))
    assert second.parameters < first.parameters  # type: ignore[operator]
    assert second.made_by["from"] == f"first, sha256 {first.variants[0].sha256[:16]}"
    assert second.made_by["accuracy_before"] == first.made_by["accuracy_after"]


def test_the_name_is_made_of_the_source_and_the_methods(checkpoint: Path) -> None:
    assert compress(checkpoint, "--method", "trim,quantize").exception is None
    assert Path("models/checkpoint-trim-quantize.toml").exists()


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        (["--method", "shrink"], UsageError, "there is no method 'shrink'; there are adabert, distilbert, factorize, prune, quantize, tinybert, trim"),
        (["--data", "none.tsv"], CardError, "none.tsv cannot be read"),
        (["--data", "checkpoint/config.tsv"], CardError, "has the columns '{'; expected 'text'"),
    ],
)
def test_what_is_wrong_is_one_sentence(checkpoint: Path, options: list[str], error: type[Exception], said: str) -> None:
    Path("checkpoint/config.tsv").write_text("{\n")
    result = compress(checkpoint, *options)
    assert isinstance(result.exception, error)
    assert said in str(result.exception)
    assert not Path("models").exists()


def test_without_a_library_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    result = CliRunner().invoke(command, [str(tmp_path), "--data", "x.tsv"])
    assert isinstance(result.exception, MissingError)
    assert str(result.exception) == "compressing needs torch, which is not installed; install edgebench[export]"


@pytest.mark.slow
@pytest.mark.parametrize(("budget", "status", "said"), [
    ("latency 10 s, size 1 GB, accuracy -100 %", 0, "keeps the budget"), ("size 1 kB", 5, "over the 1.00 kB of its budget"),
])  # fmt: skip
def test_a_budget_is_held_against_what_was_made(checkpoint: Path, budget: str, status: int, said: str) -> None:
    result = compress(checkpoint, "--method", "quantize", "--epochs", "0", "--name", "small", "--variants", "onnx/fp32", "--budget", budget)
    assert result.exit_code == status, result.output
    assert re.search(r"onnxruntime fp32, (valid|noisy): ", result.output), result.output  # other engines that are here have a line of their own
    assert said in result.output
    assert Path("runs/small/records.jsonl").exists()


def test_a_budget_is_read_before_anything_is_made(checkpoint: Path) -> None:
    result = compress(checkpoint, "--name", "small", "--budget", "latncy 3 ms")
    assert isinstance(result.exception, UsageError)
    assert "no metric 'latncy'" in str(result.exception)
    assert not Path("runs").exists()
