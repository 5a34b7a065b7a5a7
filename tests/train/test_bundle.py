"""A finished run becomes a card and files that `load` opens and answers with; what is not finished, or disagrees, does not."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.train.conftest import NEEDS

torch = pytest.importorskip("torch", reason=NEEDS)
pytest.importorskip("transformers", reason=NEEDS)
pytest.importorskip("onnx", reason="export to onnx needs onnx; install edgebench[test]")
pytest.importorskip("tomli_w", reason="cards are written with tomli-w; install edgebench[export]")

from tokenizers import Tokenizer  # noqa: E402

import edgebench  # noqa: E402
from edgebench import plugins  # noqa: E402
from edgebench.backends.base import Options  # noqa: E402
from edgebench.errors import CardError, EngineError, IntegrityError  # noqa: E402
from edgebench.models import card as cards  # noqa: E402
from edgebench.models.artifact import verify  # noqa: E402
from edgebench.models.data import Labelled  # noqa: E402
from edgebench.train import nets  # noqa: E402
from edgebench.train.bundle import TOLERANCE, Run, _check, bundle, read_run, write_tokenizer  # noqa: E402
from edgebench.train.export import BACKENDS, Exported, Parity  # noqa: E402

STAGE = {"epochs": 1, "batch_size": 8, "learning_rate": 1e-3}
RECIPE = {
    "schema": 1, "name": "tiny", "about": "a test", "task": "text-classification", "dataset": "tiny", "seed": 5, "held_out": 16, "max_tokens": 16,
    "teacher": {"weights": "tiny", "fine_tune": STAGE},
    "student": {"layers": [1, 2], "hidden": 24, "ffn": 32, "intermediate": STAGE, "prediction": STAGE},
}
RESULT: dict[str, Any] = {"recipe": RECIPE, "heads": 2, "teacher": {"accuracy_dev": 0.93456}, "student": {"accuracy_dev": 0.91}, "train_sha256": "ab" * 32}


def finished_run(folder: Path, vocab: int = 11) -> Path:
    """A folder as `edgebench train` leaves it, of a student with random weights so large that its answers differ."""
    generator = torch.Generator().manual_seed(12)
    net = nets.build(layers=2, hidden=24, heads=2, ffn=32, labels=2, vocab=vocab)
    for name, parameter in net.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.data = noise if name == "classifier.weight" else noise * 0.2 + name.endswith("LayerNorm.weight")
    folder.mkdir()
    torch.save(net.state_dict(), folder / "student.pt")
    (folder / "result.json").write_text(json.dumps(RESULT))
    return folder


def sure_sentences(run: Run, tokenizer: Path) -> list[tuple[str, int]]:
    """Sentences of the tokenizer's words on which the net is sure, and its answers: no variant may miss any."""
    encoder = Tokenizer.from_file(str(tokenizer))
    found = []
    for words in product(("good", "bad", "dull", "film"), ("fine", "a", "films"), ("", "film good", "bad a dull film")):
        text = " ".join(words).strip()
        ids = torch.tensor([encoder.encode(text).ids])
        with torch.no_grad():
            sure, label = torch.softmax(run.net(input_ids=ids).logits[0], dim=-1).max(dim=0)
        if sure > 0.65:
            found.append((text, int(label)))
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return finished_run(tmp_path / "run")


@pytest.fixture
def tokenizer(bag_of_words: Path) -> Path:
    return bag_of_words.parent / "bag" / "tokenizer.json"


@pytest.fixture
def labelled(folder: Path, tokenizer: Path) -> Labelled:
    texts, labels = zip(*sure_sentences(read_run(folder), tokenizer), strict=True)
    assert len(texts) > 20
    assert set(labels) == {0, 1}
    return Labelled(texts, labels, ("negative", "positive"), "tiny-reviews", "dev", "made in a test", "", "", "")


def check_bundle(folder: Path, into: Path, tokenizer: Path, labelled: Labelled, *formats: str) -> Path:
    """Bundle, then ask every variant through `load`; the card's path."""
    variants = [f"{form}/{precision}" for form in formats for precision in ("fp32", "int8")]
    path = bundle(read_run(folder), into, tokenizer, labelled, variants=variants)
    card = cards.read(path)
    assert [variant.name for variant in card.variants] == variants
    for file in card.listed:
        verify(path.parent / file.file, file.sha256, file.size_bytes)
    for variant in card.variants:
        with edgebench.load(str(path), backend=BACKENDS[variant.format], precision=variant.precision, allow_code=True) as pipe:
            assert [pipe(text).label for text in labelled.texts] == labelled.references
        assert variant.accuracy is not None
        assert (variant.accuracy.dataset, variant.accuracy.n, variant.accuracy.value) == ("tiny-reviews", len(labelled), 1.0)
    return path


def test_a_finished_run_becomes_a_model_that_load_answers_with(folder: Path, tmp_path: Path, tokenizer: Path, labelled: Labelled) -> None:
    path = check_bundle(folder, tmp_path / "models", tokenizer, labelled, "onnx", "torchscript")
    assert sorted(one.relative_to(tmp_path / "models").as_posix() for one in path.parent.rglob("*")) == [
        "tiny", "tiny.toml", "tiny/tiny-fp32.onnx", "tiny/tiny-fp32.pt", "tiny/tiny-int8.onnx", "tiny/tiny-int8.pt", "tiny/tokenizer.json",
    ]


@pytest.mark.slow
def test_a_finished_run_becomes_a_tflite_model_that_reads_no_more_than_the_recipe_says(
    folder: Path, tmp_path: Path, tokenizer: Path, labelled: Labelled,
) -> None:
    for module in ("litert_torch", "ai_edge_quantizer"):
        pytest.importorskip(module, reason=f"export to tflite needs {module}; install edgebench[export]")
    path = check_bundle(folder, tmp_path / "models", tokenizer, labelled, "tflite")
    assert plugins.get("backends", "tflite").open(path.parent / "tiny" / "tiny-int8.tflite", Options()).lengths == (16,)


def test_the_card_says_how_the_model_came_about(folder: Path, tmp_path: Path, tokenizer: Path, labelled: Labelled) -> None:
    card = cards.read(bundle(read_run(folder), tmp_path, tokenizer, labelled, variants=["torchscript/int8"]))
    assert (card.name, card.task, card.labels, card.dataset) == ("tiny", "text-classification", ("negative", "positive"), "tiny")
    assert (card.reference, card.tolerance) == ("torchscript/int8", {"int8": TOLERANCE["int8"]})
    assert card.parameters == nets.parameter_count(read_run(folder).net)
    assert {key: card.made_by[key] for key in ("recipe", "seed", "teacher", "teacher_accuracy", "student_accuracy", "trained_on")} == {
        "recipe": "tiny", "seed": 5, "teacher": "tiny", "teacher_accuracy": 0.9346, "student_accuracy": 0.91, "trained_on": f"tiny, sha256 {'ab' * 8}",
    }
    assert "assistant" not in card.made_by


def test_the_teacher_of_a_run_is_bundled_under_a_name_of_its_own(folder: Path, tmp_path: Path, tokenizer: Path, labelled: Labelled) -> None:
    (folder / "teacher.pt").write_bytes((folder / "student.pt").read_bytes())
    card = cards.read(bundle(read_run(folder, "teacher"), tmp_path, tokenizer, labelled, variants=["onnx/int8"]))
    assert (card.name, card.about) == ("tiny-teacher", "tiny fine-tuned for tiny, the teacher of tiny")


def test_a_file_changed_after_the_card_was_written_is_not_opened(folder: Path, tmp_path: Path, tokenizer: Path, labelled: Labelled) -> None:
    path = bundle(read_run(folder), tmp_path, tokenizer, labelled, variants=["onnx/fp32"])
    file = tmp_path / "tiny" / "tiny-fp32.onnx"
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(IntegrityError, match="sha256 of .*tiny-fp32.onnx is"):
        edgebench.load(str(path))


def test_a_file_that_disagrees_with_the_net_is_refused(folder: Path, tmp_path: Path, tokenizer: Path, labelled: Labelled) -> None:
    run, said = read_run(folder), []

    def change_the_net_between_two_files(line: str) -> None:
        said.append(line)
        if line == "torchscript/fp32":
            run.net.bert.encoder.layer[0].attention.self.query.bias.data += 1

    with pytest.raises(EngineError, match=r"tiny-fp32\.onnx disagrees with the net it was made from: .* equal answers, probabilities up to 0\.\d+ apart"):
        bundle(run, tmp_path, tokenizer, labelled, variants=["onnx/fp32", "torchscript/fp32"], tell=change_the_net_between_two_files)
    assert said == ["onnx/fp32", "torchscript/fp32", said[-1]]
    assert not (tmp_path / "tiny.toml").exists()


@pytest.mark.parametrize(
    ("precision", "difference", "agreement", "refused"),
    [("fp32", 9e-4, 1.0, False), ("fp32", 2e-3, 1.0, True), ("fp32", 0.0, 0.99, True), ("int8", 0.3, 0.975, False), ("int8", 0.01, 0.96, True)],
)
def test_int8_may_answer_a_little_differently_and_fp32_may_not(precision: str, difference: float, agreement: float, refused: bool) -> None:
    one = Exported("onnx", precision, Path("tiny.onnx"), "", 0)
    try:
        _check(one, Parity(difference, agreement, 256))
    except EngineError:
        assert refused
    else:
        assert not refused


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("result.json", None, "FileNotFoundError: .*result.json"),
        ("student.pt", None, "FileNotFoundError: .*student.pt"),
        ("result.json", b'{"recipe": {', "JSONDecodeError: "),
        ("result.json", b"[]", "TypeError: "),
        ("result.json", b"\xff", "UnicodeDecodeError: "),
        ("result.json", json.dumps({**RESULT, "heads": None}).encode(), "TypeError: "),
        ("result.json", json.dumps({"recipe": RECIPE}).encode(), "KeyError: 'heads'"),
        ("result.json", json.dumps({**RESULT, "recipe": {**RECIPE, "name": 3}}).encode(), "ValidationError: Expected `str`, got `int`"),
        ("result.json", json.dumps({**RESULT, "recipe": {**RECIPE, "student": {**RECIPE["student"], "hidden": 16}}}).encode(), "RuntimeError: .*size mismatch"),
        ("student.pt", b"", "EOFError: "),
        ("student.pt", b"no archive", "UnpicklingError: "),
        ("student.pt", b"PK\x03\x04 half", "RuntimeError: "),
    ],
)
def test_a_run_that_is_not_finished_is_one_card_error(folder: Path, file: str, content: bytes | None, said: str) -> None:
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_bytes(content)
    expected = "expected student.pt and result.json, as `edgebench train` leaves them"
    with pytest.raises(CardError, match=rf"run is no finished run \({said}.*\); {expected}$") as caught:
        read_run(folder)
    assert "\n" not in str(caught.value)


def test_a_run_comes_back_as_it_was_left(folder: Path) -> None:
    run = read_run(folder)
    weights = torch.load(folder / "student.pt", weights_only=True)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in run.net.state_dict().items())
    assert not run.net.training
    assert (run.net.config.num_attention_heads, run.recipe.max_tokens) == (2, 16)
    assert msgspec.to_builtins(run.recipe)["student"]["layers"] == (1, 2)


def test_a_tokenizer_that_pads_and_cuts_elsewhere_is_written_as_the_model_needs_it(tokenizer: Path, tmp_path: Path) -> None:
    padding = Tokenizer.from_file(str(tokenizer))
    padding.enable_padding(length=64)
    padding.enable_truncation(4)
    padding.save(str(tmp_path / "padding.json"))
    write_tokenizer(tmp_path / "padding.json", tmp_path / "tokenizer.json", 8)
    written = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert [len(written.encode(text).ids) for text in ("good", "good " * 5, "good " * 20)] == [3, 7, 8]
