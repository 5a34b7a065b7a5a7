"""Translation through an encoder and a step: laps, limits, blanks, batches, and what is no text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

from edgebench.backends.base import Facts, TensorSpec
from edgebench.backends.joined import Joined
from edgebench.errors import CardError, InputError
from edgebench.models.card import Card, Variant
from edgebench.tasks.translate import Translate, Translation

PIECES = ["</s>", "<unk>", "▁one", "▁two", "▁three", "▁un", "▁deux", "▁trois", "<pad>"]
END, START = 0, 8


class Encoder:
    """`cross` is the ids themselves, which the step reads."""

    inputs = tuple(TensorSpec(name, "int64", (None, None)) for name in ("input_ids", "attention_mask"))
    outputs = (TensorSpec("cross", "float32", (None, 1, 1, None, 1)),)
    lengths: tuple[int, ...] = ()
    parallel = True
    facts = Facts("numpy", "0", 1, "cpu")

    def __init__(self) -> None:
        self.closed = False

    def run(self, feeds: dict[str, Any]) -> dict[str, Any]:
        return {"cross": feeds["input_ids"][:, None, None, :, None].astype(np.float32)}

    def close(self) -> None:
        self.closed = True


class Step(Encoder):
    """Says word for word what stands in the source, three numbers further; `endless` never ends."""

    inputs = (*Encoder.inputs, *(TensorSpec(name, "float32", (None, 1, 1, None, 1)) for name in ("cross", "past")))

    def __init__(self, endless: bool = False) -> None:
        super().__init__()
        self.endless, self.rows = endless, []

    def run(self, feeds: dict[str, Any]) -> dict[str, Any]:
        place, rows = feeds["past"].shape[3], len(feeds["input_ids"])
        assert feeds["cross"].shape[0] == feeds["attention_mask"].shape[0] == feeds["past"].shape[0] == rows
        self.rows.append(rows)
        source = feeds["cross"][:, 0, 0, :, 0].astype(int)
        said = source[:, min(place, source.shape[1] - 1)] % 8
        following = np.where(said == END, 5 if self.endless else END, said + 3)
        logits = np.eye(len(PIECES), dtype=np.float32)[following] * 8
        return {"logits": logits, "present": np.concatenate([feeds["past"], np.ones((rows, 1, 1, 1, 1), np.float32)], axis=3)}


def session(endless: bool = False) -> Joined:
    return Joined(Encoder(), {"step": Step(endless)})


def card(**settings: object) -> Card:
    variants = (Variant(format="onnx", precision="fp32", file="a", sha256="0" * 64, size_bytes=1),)
    return Card(schema=1, name="tiny", task="translation", about="", licence="", source="", labels=(), dataset="none", reference="onnx/fp32",
                variants=variants, preprocess={"start": START, "end": END, "max_tokens": 8, **settings})  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pieces")
    for name in ("source", "target"):
        made = Tokenizer(models.Unigram([(one, -1.0) for one in PIECES], unk_id=1, byte_fallback=False))
        made.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True)
        made.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", END)])
        made.decoder = decoders.Metaspace()
        if name == "target":
            made.add_special_tokens([AddedToken(one, normalized=False) for one in ("</s>", "<unk>", "<pad>")])
        made.save(str(folder / f"{name}.json"))
    return {name: folder / f"{name}.json" for name in ("source", "target")}


@pytest.fixture
def task(files: dict[str, Path]) -> Translate:
    return Translate(card(), files)


def deaf(name: str) -> None:
    pass


@pytest.mark.parametrize("beams", [1, 3])
def test_a_sentence_is_translated_token_by_token_until_its_end(files: dict[str, Path], beams: int) -> None:
    (found,) = Translate(card(beams=beams), files).answer(["one three two"], session(), deaf)
    assert (found.text, found.tokens, found.truncated) == ("un trois deux", 4, False)
    assert found.score == pytest.approx(np.exp(8) / (np.exp(8) + 7), rel=1e-4)
    assert str(found) == "un trois deux"


@pytest.mark.parametrize("beams", [1, 3])
def test_sentences_of_different_lengths_are_translated_together_as_each_by_itself(files: dict[str, Path], beams: int) -> None:
    task = Translate(card(beams=beams), files)
    texts = ["one", "two three one two", "", "three three"]
    assert task.answer(texts, session(), deaf) == [task.answer([text], session(), deaf)[0] for text in texts]


def test_a_sentence_that_has_ended_is_not_run_on(task: Translate) -> None:
    pair = session()
    task.answer(["one", "two three one", "two three"], pair, deaf)
    assert pair.parts["step"].rows == [3, 3, 2, 1]


def test_a_translation_that_does_not_end_is_cut_at_its_limit_and_says_so(files: dict[str, Path]) -> None:
    (found,) = Translate(card(max_ratio=1.5, max_more=4), files).answer(["one two"], session(endless=True), deaf)
    assert (found.tokens, found.truncated) == (int(1.5 * 3 + 4), True)  # the source has three tokens, its end included
    assert str(found).endswith("(cut: longer than the model reads or writes)")


def test_a_text_longer_than_the_model_reads_is_cut_and_says_so(task: Translate) -> None:
    (found,) = task.answer(["one two three " * 6_000], session(), deaf)  # 84,000 characters
    assert (found.text, found.truncated) == ("un deux trois un deux trois un", True)


def test_blank_texts_are_blank_in_every_language(task: Translate) -> None:
    assert task.answer([""], session(), deaf) == [Translation("", 1.0, 0)]


def test_an_unknown_script_is_translated_as_unknown_pieces_and_is_no_error(task: Translate) -> None:
    (found,) = task.answer(["アダ"], session(), deaf)
    assert isinstance(found.text, str)


@pytest.mark.parametrize(("bad", "message"), [
    (["one \udc80"], "example 0 holds '\\\\udc80' at character 4"),
    (["one", 2], "example 1 is int, expected str"),
])  # fmt: skip
def test_what_is_no_text_is_one_clear_error(task: Translate, bad: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        task.answer(bad, session(), deaf)


@pytest.mark.parametrize("text", ["", "one", "one two three " * 9])
def test_stages_are_the_same_for_every_text_and_end_with_the_call(task: Translate, text: str) -> None:
    laps: list[str] = []
    task.answer([text], session(), laps.append)
    assert list(dict.fromkeys(laps)) == ["tokenise", "encoder", "decoder", "search", "detokenise"]
    assert laps[-1] == "detokenise"


def test_bleu_is_scored_with_chrf_beside_it(task: Translate) -> None:
    sacrebleu = pytest.importorskip("sacrebleu", reason="translations are scored by sacrebleu; install edgebench[metrics]")
    found = [Translation("un deux trois un deux", 1.0, 6), Translation("trois deux un un", 1.0, 5)]
    wanted = ["un deux trois un trois", "trois deux un un"]
    metric = task.score(found, wanted)
    assert metric.value == pytest.approx(sacrebleu.corpus_bleu(task.labels(found), [wanted]).score / 100)
    (name, value), = metric.more.items()
    assert (name[:5], value) == ("chrF2", pytest.approx(sacrebleu.corpus_chrf(task.labels(found), [wanted]).score / 100))


def test_resized_texts_have_just_the_length_asked_for(task: Translate) -> None:
    assert task.sizes(task.resize(["one two", "three"], 7, seed=1)) == [7, 7]


def test_a_card_without_its_start_or_its_step_is_refused(files: dict[str, Path], task: Translate) -> None:
    with pytest.raises(CardError, match="has no preprocess.end"):
        Translate(Card(**{name: getattr(card(), name) for name in Card.__struct_fields__} | {"preprocess": {"start": 1}}), files)
    with pytest.raises(CardError, match="the part 'step'"):
        task.answer(["one"], Encoder(), deaf)


def test_closing_closes_every_graph() -> None:
    first, pair = Encoder(), session()
    Joined(first, pair.parts).close()
    assert (first.closed, pair.parts["step"].closed) == (True, True)
