"""A translator by the command line: trained, exported, and asked."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.train.conftest import NEEDS

pytest.importorskip("torch", reason=NEEDS)
for module in ("onnx", "sentencepiece", "sacrebleu"):
    pytest.importorskip(module, reason=f"translators need {module}; install edgebench[export]")

from edgebench.cli import export, predict, train  # noqa: E402
from edgebench.models import card as cards  # noqa: E402
from tests.train.test_translate import RECIPE, sentences, weights  # noqa: E402, F401


def table(path: Path) -> str:
    data = path.read_bytes()
    return f'file = "{path.name}"\nsha256 = "{hashlib.sha256(data).hexdigest()}"\nsize_bytes = {len(data)}\n'


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: Path) -> Path:  # noqa: F811
    """An EDGEBENCH_HOME with the cards of the tiny translator's weights and data, and both where a fetch leaves them."""
    monkeypatch.setenv("EDGEBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("EDGEBENCH_DATA", raising=False)
    models, kept = tmp_path / "home" / "models", tmp_path / "home" / "cache" / "pretrained"
    for one in (models / "weights", models / "datasets", kept):
        one.mkdir(parents=True)
    (kept / "none").symlink_to(weights)
    head = 'schema = 1\nname = "none"\nabout = ""\n'
    names = ("pytorch_model.bin", "config.json", "vocab.json", "source.spm", "target.spm")
    files = "".join(f"[[files]]\n{table(weights / name)}" for name in names)
    (models / "weights" / "none.toml").write_text(f'{head}licence = ""\nsource = ""\n{files}')
    sets = ""
    for split, count in (("train", 80), ("dev", 12)):
        found = sentences(count)
        for kind, lines in (("splits", found.texts), ("answers", tuple(found.references))):
            (path := models / "datasets" / f"{split}-{kind}.txt").write_text("".join(f"{line}\n" for line in lines))
            sets += f"[[sets.{kind}.{split}]]\n{table(path)}"
    (models / "datasets" / "none.toml").write_text(
        f'{head}task = "translation"\nlabels = []\n[[sets]]\nname = "words"\nabout = ""\nlicence = ""\nsource = "a test"\nform = "lines"\n{sets}'
    )
    (tmp_path / "tiny.toml").write_text(RECIPE)
    return tmp_path


def call(command: object, *arguments: object) -> Result:
    result = CliRunner().invoke(command, [str(one) for one in arguments])  # type: ignore[arg-type]
    if result.exception is not None:
        raise result.exception
    return result


def test_a_translator_is_trained_exported_and_asked(home: Path) -> None:
    said = call(train.command, home / "tiny.toml", "--out", home / "run", "--offline").output
    assert "teacher: BLEU " in said
    assert "student: BLEU " in said
    said = call(export.command, home / "run", "--into", home / "out", "--variants", "onnx/int8", "--offline").output
    assert said.count("onnx/int8: BLEU ") == 2
    student, teacher = (cards.read(home / "out" / f"{name}.toml") for name in ("tiny-en-fr", "none-trimmed"))
    assert (student.task, student.made_by["teacher"], student.dataset) == ("translation", "none", "none")
    assert {"teacher_bleu", "student_bleu"} < set(student.made_by)
    assert student.parameters < teacher.parameters
    lines = call(predict.command, home / "out" / "tiny-en-fr.toml", "red dog", "two", "--format", "json").output.splitlines()
    assert [json.loads(line)["input"] for line in lines] == ["red dog", "two"]
    assert {"text", "score", "tokens", "truncated"} < set(json.loads(lines[0]))
    assert "going on in" in call(train.command, home / "tiny.toml", "--out", home / "run", "--offline").output


def test_a_published_translator_is_exported_by_name(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgebench.train.export_translator.published.__defaults__", ("none",))
    call(export.command, "none", "--into", home / "out", "--variants", "onnx/fp32", "--offline")
    card = cards.read(home / "out" / "none.toml")
    assert (card.name, card.variants[0].parts["step"].file) == ("none", "none/none-step-fp32.onnx")
