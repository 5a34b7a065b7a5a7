"""A real model small enough to make in a test: a bag of words, as an ONNX graph with a WordPiece tokenizer and a card."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

WORDS = {"[PAD]": 0.0, "[UNK]": 0.0, "[CLS]": 0.0, "[SEP]": 0.0, "good": 2.0, "fine": 1.0, "bad": -2.0, "dull": -1.0, "film": 0.0, "##s": 0.0, "a": 0.0}


@pytest.fixture(scope="session")
def bag_of_words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The card file of "bag": positive logit = sum of the words' weights, negative logit = 0; reads 16 tokens."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "bag").mkdir()
    _write_tokenizer(folder / "bag" / "tokenizer.json")
    _write_graph(folder / "bag" / "bag.onnx")
    card = folder / "bag.toml"
    card.write_text(
        'schema = 1\nname = "bag"\ntask = "text-classification"\nabout = "a bag of words"\nlicence = "Apache-2.0"\nsource = "made in a test"\n'
        'labels = ["negative", "positive"]\ndataset = "sst2"\nreference = "onnx/fp32"\npreprocess = { max_tokens = 16 }\n'
        f'[files]\ntokenizer = {{ file = "bag/tokenizer.json", {digest(folder / "bag" / "tokenizer.json")} }}\n'
        f'[[variants]]\nformat = "onnx"\nprecision = "fp32"\nfile = "bag/bag.onnx"\n{digest(folder / "bag" / "bag.onnx").replace(", ", chr(10))}\n'
    )
    return card


@pytest.fixture
def home(bag_of_words: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An EDGEBENCH_HOME of its own whose models folder holds "bag"."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "models").symlink_to(bag_of_words.parent)
    monkeypatch.setenv("EDGEBENCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def digest(path: Path) -> str:
    """As cards say it, on one line."""
    data = path.read_bytes()
    return f'sha256 = "{hashlib.sha256(data).hexdigest()}", size_bytes = {len(data)}'


def _write_tokenizer(path: Path) -> None:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.WordPiece({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(path))


def _write_graph(path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="the test model is written with onnx; install edgebench[test]")
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    table = np.array([[0.0, weight] for weight in WORDS.values()], dtype=np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["words"]),
        helper.make_node("Cast", ["attention_mask"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["real", "last"], ["weight"]),
        helper.make_node("Mul", ["words", "weight"], ["masked"]),
        helper.make_node("ReduceSum", ["masked", "one"], ["logits"], keepdims=0),
    ]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"]) for name in ("input_ids", "attention_mask")]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2])]
    constants = [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.array([2]), "last"), numpy_helper.from_array(np.array([1]), "one")]
    graph = helper.make_graph(nodes, "bag", inputs, outputs, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
