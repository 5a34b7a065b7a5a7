"""edgebench export: from a run's folder to a card, with the data set and the tokenizer found by name."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import edgebench
from edgebench.cli.export import command
from edgebench.errors import CardError, MissingError, UsageError
from edgebench.models import card as cards


def stated(path: Path) -> str:
    return f'file = "{path.name}"\nsha256 = "{hashlib.sha256(path.read_bytes()).hexdigest()}"\nsize_bytes = {path.stat().st_size}\n'


@pytest.fixture
def run(tmp_path: Path, bag_of_words: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished run; EDGEBENCH_HOME holds the weights card and the data set card that it names."""
    from tests.train.test_bundle import finished_run, read_run, sure_sentences  # skips where a library is missing

    monkeypatch.setenv("EDGEBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("EDGEBENCH_DATA", raising=False)
    folder, models = finished_run(tmp_path / "run"), tmp_path / "home" / "models"
    weights = tmp_path / "home" / "cache" / "pretrained" / "tiny"
    for one in (weights, models / "weights", models / "datasets"):
        one.mkdir(parents=True)
    shutil.copy(bag_of_words.parent / "bag" / "tokenizer.json", weights)
    rows = "".join(f"{text}\t{label}\n" for text, label in sure_sentences(read_run(folder), weights / "tokenizer.json"))
    (models / "datasets" / "dev.tsv").write_text(f"sentence\tlabel\n{rows}")
    head = 'schema = 1\nname = "tiny"\nabout = ""\n'
    (models / "weights" / "tiny.toml").write_text(f'{head}licence = ""\nsource = ""\n[[files]]\n{stated(weights / "tokenizer.json")}')
    (models / "datasets" / "tiny.toml").write_text(
        f'{head}task = "text-classification"\nlabels = ["negative", "positive"]\n[[sets]]\nname = "tiny-reviews"\nabout = ""\nlicence = ""\n'
        f'source = "a test"\ntext = "sentence"\nlabel = "label"\n[[sets.splits.dev]]\n{stated(models / "datasets" / "dev.tsv")}'
    )
    return folder


def export(run: Path, *options: str) -> Result:
    return CliRunner().invoke(command, [str(run), "--into", str(run.parent / "models"), "--offline", *options])


def test_a_run_becomes_a_card_and_each_file_says_how_far_it_is_from_the_net(run: Path) -> None:
    result = export(run, "--variants", "onnx/fp32, onnx/int8, torchscript/fp32, torchscript/int8")
    assert result.exception is None
    lines, card = result.output.splitlines(), run.parent / "models" / "tiny.toml"
    names = ["onnx/fp32", "onnx/int8", "torchscript/fp32", "torchscript/int8"]
    count = len((run.parent / "home" / "models" / "datasets" / "dev.tsv").read_text().splitlines()) - 1
    assert lines[:4] == names
    for name, parity, accuracy in zip(names, lines[4:8], lines[8:12], strict=True):
        assert parity.startswith(f"{name}: 100.0% of {count} answers are the net's, no probability is further than ")
        assert accuracy == f"{name}: accuracy 100.00% on tiny-reviews, n = {count}"
    assert lines[12:] == [f"{card} is written; try: edgebench bench {card}"]
    assert [variant.name for variant in cards.read(card).variants] == names
    with edgebench.load(str(card)) as pipe:
        assert pipe("good fine").label in ("negative", "positive")


def test_a_variant_named_twice_is_written_once(run: Path) -> None:
    assert export(run, "--variants", "torchscript/int8,torchscript/int8").exception is None
    assert [variant.name for variant in cards.read(run.parent / "models" / "tiny.toml").variants] == ["torchscript/int8"]


def test_exporting_again_replaces_the_card_and_its_files(run: Path) -> None:
    for precision in ("fp32", "int8"):
        assert export(run, "--variants", f"onnx/{precision}").exception is None
    assert [variant.name for variant in cards.read(run.parent / "models" / "tiny.toml").variants] == ["onnx/int8"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("onnx/int8,tensorrt/int8", "there is no variant 'tensorrt/int8' to export to; there are onnx/fp32, onnx/int8, tflite/fp32,"),
        ("", "there is no variant '' to export to"),
        ("onnx/fp16", "there is no variant 'onnx/fp16' to export to"),
    ],
)
def test_an_unknown_variant_is_wrong_usage(run: Path, value: str, said: str) -> None:
    result = export(run, "--variants", value)
    assert isinstance(result.exception, UsageError)
    assert said in str(result.exception)
    assert not (run.parent / "models").exists()


def test_a_run_that_is_not_finished_is_a_card_error(run: Path) -> None:
    (run / "result.json").unlink()
    result = export(run)
    assert isinstance(result.exception, CardError)
    assert str(result.exception).endswith("; expected student.pt and result.json, as `edgebench train` leaves them")


def test_a_folder_that_does_not_exist_is_wrong_usage(tmp_path: Path) -> None:
    result = CliRunner().invoke(command, [str(tmp_path / "none")])
    assert isinstance(result.exception, UsageError)
    assert "is no folder; give the folder of a finished run" in str(result.exception)


@pytest.mark.parametrize("module", ["torch", "tomli_w"])
def test_without_a_library_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    pytest.importorskip("tomli_w", reason="only one library may be missing here; install edgebench[export]")
    monkeypatch.delitem(sys.modules, "edgebench.train.bundle", raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    result = CliRunner().invoke(command, [str(tmp_path)])
    assert isinstance(result.exception, MissingError)
    assert str(result.exception) == f"export needs {module}, which is not installed; install edgebench[export]"


def test_weights_that_are_no_translators_are_refused(run: Path) -> None:
    result = CliRunner().invoke(command, ["tiny", "--offline"])
    assert isinstance(result.exception, UsageError)
    assert "tiny is no folder and tiny.toml no translator" in str(result.exception)
