"""New sentences out of old ones: only words that carry matter change, and each into what may stand in its place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.train.conftest import NEEDS

torch = pytest.importorskip("torch", reason=NEEDS)
pytest.importorskip("transformers", reason=NEEDS)

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors  # noqa: E402

from edgebench.train import augment  # noqa: E402
from edgebench.train.augment import Vectors, augmented, published, replaceable, split_words  # noqa: E402

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "film", "movie", "is", "good", "fine", "!", "grip", "##ping", "##s"]


def twins(words: Sequence[str]) -> list[list[str]]:
    return [[f"{word}1", f"{word}2"] if replaceable(word) else [] for word in words]


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    made = Tokenizer(models.WordPiece({piece: at for at, piece in enumerate(PIECES)}, unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    made.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


class Asked(torch.nn.Module):
    """A masked language model that likes `film`, `##s`, `movie`, `!`, `good` in this order at [MASK], and keeps what it was asked."""

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor) -> SimpleNamespace:
        self.ids, self.kinds = input_ids, token_type_ids
        logits = torch.zeros(*input_ids.shape, len(PIECES))
        for rank, piece in enumerate(("film", "##s", "movie", "!", "good")):
            logits[..., PIECES.index(piece)] = (input_ids == PIECES.index("[MASK]")) * (10.0 - rank)
        return SimpleNamespace(logits=logits)


@pytest.mark.parametrize(("word", "may"), [("film", True), ("the", False), ("not", False), ("it's", False), ("3d", False), ("!", False)])
def test_only_words_of_letters_that_carry_matter_are_replaced(word: str, may: bool) -> None:
    assert replaceable(word) is may


def test_new_sentences_differ_and_stop_words_and_marks_stay() -> None:
    text = "The film isn't good!"
    made = augmented([text], twins, copies=30, seed=1)
    assert len(set(made)) == len(made) > 5
    assert " ".join(split_words(text)) not in made
    for sentence in made:
        words = sentence.split()
        assert len(words) == len(split_words(text))
        assert (words[0], words[-1]) == ("the", "!")
        assert all(new == old or new[:-1] == old for new, old in zip(words, split_words(text), strict=True))


def test_about_the_asked_share_of_words_is_replaced() -> None:
    words = [f"word{'abcdefghij'[at // 10]}{'abcdefghij'[at % 10]}" for at in range(100)]
    made = augmented([" ".join(words)], twins, copies=20, chance=0.4, seed=2)
    changed = sum(new != old for sentence in made for new, old in zip(sentence.split(), words, strict=True))
    assert changed / (100 * len(made)) == pytest.approx(0.4, abs=0.04)


def test_a_sentence_without_candidates_gives_none_and_a_seed_gives_the_same() -> None:
    assert augmented(["the of and!"], twins) == []
    assert augmented(["a film"], twins, seed=3) == augmented(["a film"], twins, seed=3)
    with pytest.raises(ValueError, match="chance is 0"):
        augmented(["a film"], twins, chance=0.0)


def test_a_word_of_one_piece_gets_the_likeliest_whole_pieces_in_its_place(tokenizer: Path) -> None:
    net = Asked()
    found = published(net, tokenizer, None, count=5)(["the", "film", "is", "good", "!"])
    assert found == [[], ["film", "movie", "good"], [], ["film", "movie", "good"], []]  # no pieces that go on a word, no marks
    assert published(net, tokenizer, None, count=2)(["film"]) == [["film"]]  # of the two likeliest one is no word


def test_the_model_reads_the_masked_sentence_and_the_sentence_itself(tokenizer: Path) -> None:
    net = Asked()
    published(net, tokenizer, None)(["gripping", "film"])
    read = [PIECES[at] for at in net.ids[0]]
    assert read == ["[CLS]", "grip", "##ping", "[MASK]", "[SEP]", "grip", "##ping", "film", "[SEP]"]
    assert net.kinds[0].tolist() == [0] * 5 + [1] * 4
    assert len(net.ids) == 1  # a word of two pieces is not masked


def test_a_word_of_several_pieces_gets_its_neighbours(tokenizer: Path) -> None:
    vectors = Vectors(("gripping", "dull", "tense", "far"), torch.nn.functional.normalize(torch.tensor([[1.0, 0], [-1, 0], [1, 0.2], [0, 1]]), dim=1))
    candidates = published(Asked(), tokenizer, vectors, count=2)
    assert candidates(["gripping", "film", "unheard"]) == [["tense", "far"], ["film"], []]


def test_without_a_model_every_word_gets_its_neighbours(tokenizer: Path) -> None:
    vectors = Vectors(("film", "movie", "far"), torch.nn.functional.normalize(torch.tensor([[1.0, 0], [1, 0.2], [0, 1]]), dim=1))
    assert published(None, tokenizer, vectors, count=1)(["the", "film"]) == [[], ["movie"]]


def test_vectors_are_read_from_their_files_and_made_of_unit_length(tmp_path: Path) -> None:
    import numpy as np

    parquet = pytest.importorskip("pyarrow.parquet", reason="word vectors are read with pyarrow; install edgebench[frame]")
    import pyarrow

    np.save(tmp_path / "vectors.npy", np.array([[3, 4], [0, 2], [1, 0]], np.float64))
    parquet.write_table(pyarrow.table({"index": ["a", "b", "c"]}), tmp_path / "words.parquet")
    found = augment.read_vectors(tmp_path, most=2)
    assert found.words == ("a", "b")
    torch.testing.assert_close(found.matrix, torch.tensor([[0.6, 0.8], [0.0, 1.0]]))
