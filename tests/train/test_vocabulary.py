"""Fewer word pieces: what is cut into kept pieces is answered with the same numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.train.conftest import NEEDS

torch = pytest.importorskip("torch", reason=NEEDS)
pytest.importorskip("transformers", reason=NEEDS)

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors  # noqa: E402

from edgebench.errors import UsageError  # noqa: E402
from edgebench.train import nets, vocabulary  # noqa: E402

PIECES = [
    "[PAD]", "[unused]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "d", "##a", "##b", "##c", "##d",
    "cab", "##bad", "bad", "dab", "cabbad", "ab", "##ab",
]
TEXTS = ["cab bad", "cabbad dab", "abab"]


@pytest.fixture(params=["bert", "template"])
def tokenizer(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    made = Tokenizer(models.WordPiece({piece: at for at, piece in enumerate(PIECES)}, unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", 4), ("[CLS]", 3)) if request.param == "bert" else processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 3), ("[SEP]", 4)])
    made.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    made.enable_padding(pad_id=0, pad_token="[PAD]")
    made.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


def read(path: Path) -> Tokenizer:
    made = Tokenizer.from_file(str(path))
    made.no_padding()
    return made


def test_used_pieces_single_characters_and_special_tokens_are_kept(tokenizer: Path) -> None:
    kept = [PIECES[at] for at in vocabulary.used(tokenizer, ["cab bad"])]
    assert kept == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "d", "##a", "##b", "##c", "##d", "cab", "bad"]


def test_a_piece_that_is_too_rare_goes(tokenizer: Path) -> None:
    kept = {PIECES[at] for at in vocabulary.used(tokenizer, ["bad cab bad"], at_least=2)}
    assert "bad" in kept
    assert "cab" not in kept


def test_texts_of_kept_pieces_are_cut_and_answered_as_before(tokenizer: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nets.build(layers=1, hidden=8, heads=2, ffn=16, labels=2, vocab=len(PIECES)).eval()
    kept = vocabulary.used(tokenizer, TEXTS)
    vocabulary.write_tokenizer(tokenizer, kept, tmp_path / "small.json")
    small = vocabulary.trim(net, kept)
    assert len(kept) < len(PIECES)
    assert nets.parameter_count(net) - nets.parameter_count(small) == 8 * (len(PIECES) - len(kept))
    for text in TEXTS:
        was, now = read(tokenizer).encode(text), read(tmp_path / "small.json").encode(text)
        assert now.tokens == was.tokens
        with torch.no_grad():
            assert torch.equal(small(input_ids=torch.tensor([now.ids])).logits, net(input_ids=torch.tensor([was.ids])).logits)


def test_a_word_that_lost_its_piece_falls_apart_and_is_not_unknown(tokenizer: Path, tmp_path: Path) -> None:
    vocabulary.write_tokenizer(tokenizer, vocabulary.used(tokenizer, ["cab"]), tmp_path / "small.json")
    assert read(tokenizer).encode("cabbad").tokens == ["[CLS]", "cabbad", "[SEP]"]
    assert read(tmp_path / "small.json").encode("cabbad").tokens == ["[CLS]", "cab", "##b", "##a", "##d", "[SEP]"]


def test_every_number_in_the_new_file_is_a_new_one(tokenizer: Path, tmp_path: Path) -> None:
    kept = vocabulary.used(tokenizer, TEXTS)
    vocabulary.write_tokenizer(tokenizer, kept, tmp_path / "small.json")
    made, document = read(tmp_path / "small.json"), json.loads((tmp_path / "small.json").read_text())
    assert made.get_vocab_size() == len(kept)
    assert {one["content"]: one["id"] for one in document["added_tokens"]} == {one: made.token_to_id(one) for one in PIECES[:6] if one != "[unused]"}
    assert made.encode("cab", "bad").ids == [made.token_to_id(one) for one in ("[CLS]", "cab", "[SEP]", "bad", "[SEP]")]
    assert document["padding"]["pad_id"] == made.token_to_id("[PAD]")


def test_another_kind_of_tokenizer_is_refused(tmp_path: Path) -> None:
    Tokenizer(models.BPE()).save(str(tmp_path / "bpe.json"))
    with pytest.raises(UsageError, match="bpe.json is a BPE tokenizer; trimming is for WordPiece"):
        vocabulary.used(tmp_path / "bpe.json", ["a"])
