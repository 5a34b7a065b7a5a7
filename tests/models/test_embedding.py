"""How many words a model's table has, as its graph says: our own files, and one that says nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebench import catalog
from edgebench.models import embedding


@pytest.mark.parametrize("file", ["tinybert-sst2-fp32.onnx", "tinybert-sst2-int8.onnx", "tinybert-sst2-int8.tflite"])
def test_the_bundled_bert_has_the_words_of_its_tokenizer(file: str) -> None:
    path = catalog.shipped_folder("models") / "tinybert-sst2" / file
    if not path.is_file():
        pytest.skip("tinybert-sst2 is not bundled here")
    assert embedding.rows(path, path.suffix[1:]) == 30_522


def test_a_model_of_pictures_and_a_program_say_nothing(tmp_path: Path) -> None:
    path = catalog.shipped_folder("models") / "mobilenetv2-uint8" / "mobilenetv2-uint8-uint8.onnx"
    assert embedding.rows(path, "onnx") is None
    assert embedding.rows(path, "torchscript") is None
    (tmp_path / "none.onnx").write_bytes(b"no model")
    assert embedding.rows(tmp_path / "none.onnx", "onnx") is None
