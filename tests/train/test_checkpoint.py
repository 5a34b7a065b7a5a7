"""Nets from elsewhere come in with every weight, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.train.conftest import NEEDS

torch = pytest.importorskip("torch", reason=NEEDS)
pytest.importorskip("transformers", reason=NEEDS)
pytest.importorskip("onnx", reason="a graph is read with onnx; install edgebench[test]")
pytest.importorskip("tomli_w", reason="cards are written with tomli-w; install edgebench[export]")

from transformers import BertConfig, BertForSequenceClassification  # noqa: E402

from edgebench.errors import CardError, IntegrityError, UnsupportedError  # noqa: E402
from edgebench.models import card as cards  # noqa: E402
from edgebench.models.data import Labelled  # noqa: E402
from edgebench.train.bundle import Made, write  # noqa: E402
from edgebench.train.checkpoint import read, read_card  # noqa: E402

IDS = torch.tensor([[2, 4, 5, 3], [2, 6, 3, 0]])
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])


@pytest.fixture
def foreign() -> BertForSequenceClassification:
    """As `transformers` makes it: its own attention, another LayerNorm epsilon, names for the labels."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=11, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40, max_position_embeddings=32, layer_norm_eps=1e-3,
        num_labels=3, id2label={0: "no", 1: "maybe", 2: "yes"}, label2id={"no": 0, "maybe": 1, "yes": 2},
    )
    net = BertForSequenceClassification(config)
    for name, parameter in net.named_parameters():
        torch.nn.init.normal_(parameter, mean=float(name.endswith("LayerNorm.weight")), std=0.3)
    return net.eval()


@pytest.fixture
def folder(foreign: BertForSequenceClassification, bag_of_words: Path, tmp_path: Path) -> Path:
    foreign.save_pretrained(tmp_path / "checkpoint")
    (tmp_path / "checkpoint" / "tokenizer.json").write_bytes((bag_of_words.parent / "bag" / "tokenizer.json").read_bytes())
    return tmp_path / "checkpoint"


def logits(net: BertForSequenceClassification) -> torch.Tensor:
    with torch.no_grad():
        return net(input_ids=IDS, attention_mask=MASK).logits


def change_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_hugging_face_checkpoint_answers_as_it_did_there(folder: Path, foreign: BertForSequenceClassification) -> None:
    source = read(folder)
    torch.testing.assert_close(logits(source.net), logits(foreign), atol=1e-5, rtol=0)
    assert (source.labels, source.max_tokens, source.tokenizer) == (("no", "maybe", "yes"), 32, folder / "tokenizer.json")
    assert source.origin.startswith("checkpoint, sha256 ")


def test_weights_saved_by_torch_are_read_too(folder: Path, foreign: BertForSequenceClassification) -> None:
    (folder / "model.safetensors").unlink()
    torch.save(foreign.state_dict(), folder / "pytorch_model.bin")
    torch.testing.assert_close(logits(read(folder).net), logits(foreign), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"model_type": "distilbert"}, UnsupportedError, "holds a 'distilbert' with 'gelu'; only BERT with exact gelu"),
        ({"hidden_act": "relu"}, UnsupportedError, "holds a 'bert' with 'relu'"),
        ({"num_attention_heads": 5}, CardError, "divides 24 channels among 5 heads; correct the file"),
    ],
)
def test_what_would_be_read_wrongly_is_refused(folder: Path, change: dict[str, object], error: type[Exception], said: str) -> None:
    change_config(folder, **change)
    with pytest.raises(error, match=said):
        read(folder)


@pytest.mark.parametrize(
    ("file", "said"),
    [("config.json", "expected the folder of a Hugging Face checkpoint"), ("model.safetensors", "has neither model.safetensors nor pytorch_model.bin"),
     ("tokenizer.json", "has no tokenizer.json; write it with AutoTokenizer")],
)
def test_a_missing_file_is_named(folder: Path, file: str, said: str) -> None:
    (folder / file).unlink()
    with pytest.raises(CardError, match=said):
        read(folder)


def test_an_encoder_without_a_head_is_refused(folder: Path, foreign: BertForSequenceClassification) -> None:
    from safetensors.torch import save_file

    save_file({name: tensor for name, tensor in foreign.state_dict().items() if not name.startswith("classifier")}, folder / "model.safetensors")
    with pytest.raises(CardError, match="has no classifier; fine-tune it first"):
        read(folder)


def test_the_net_comes_back_out_of_the_file_it_was_written_to(folder: Path, foreign: BertForSequenceClassification, tmp_path: Path) -> None:
    source = read(folder)
    labelled = Labelled(("good", "bad"), (0, 2), source.labels, "tiny", "dev", "", "", "", "")
    made = Made("tiny", "a test", source.net, source.tokenizer, "tiny", {}, "a test", max_tokens=16)
    path = write(made, tmp_path / "models", labelled, variants=["onnx/fp32"])
    back = read_card(cards.read(path), path)
    torch.testing.assert_close(logits(back.net), logits(foreign), atol=1e-4, rtol=0)
    assert (back.net.config.num_attention_heads, back.labels, back.max_tokens) == (3, ("no", "maybe", "yes"), 16)
    (path.parent / "tiny" / "tiny-fp32.onnx").write_bytes(b"other")
    with pytest.raises(IntegrityError):
        read_card(cards.read(path), path)


def test_a_graph_of_another_kind_is_refused(bag_of_words: Path) -> None:
    with pytest.raises(UnsupportedError, match="bag.onnx is no graph that `edgebench export` wrote of a whole BERT"):
        read_card(cards.read(bag_of_words), bag_of_words)
