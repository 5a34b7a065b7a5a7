"""Loading by name, one text, many texts, stages, and what happens to odd input."""

from __future__ import annotations

import math
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

import edgebench
from edgebench.errors import CardError, EngineError, InputError, IntegrityError, UsageError
from edgebench.pipeline.pipe import _groups, _Stopwatch

pytestmark = pytest.mark.usefixtures("home")


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_one_text_gives_the_likeliest_label_and_every_probability() -> None:
    with edgebench.load("bag") as pipe:
        found = pipe("a good film")
    assert found.label == "positive"
    assert found.score == pytest.approx(sigmoid(2), abs=1e-6)
    assert found.scores == pytest.approx({"negative": sigmoid(-2), "positive": sigmoid(2)}, abs=1e-6)


def test_batch_answers_in_order_whatever_the_lengths() -> None:
    texts = ["good " * (place % 7) + "bad" * (place % 2) for place in range(100)]
    with edgebench.load("bag") as pipe:
        assert [one.scores for one in pipe.batch(texts)] == [pytest.approx(pipe(text).scores, abs=1e-6) for text in texts]


def test_batch_of_nothing_is_nothing() -> None:
    with edgebench.load("bag") as pipe:
        assert pipe.batch([]) == []


def test_batch_over_threads_answers_as_one_thread_does() -> None:
    texts = ["good " * (place % 15) for place in range(2_000)]
    with edgebench.load("bag") as pipe:
        assert pipe.batch(texts, workers=4) == pipe.batch(texts, workers=1)


def test_stages_give_the_prediction_of_the_call_and_a_time_for_each_stage() -> None:
    with edgebench.load("bag") as pipe:
        staged = pipe.stages("bad film")
        assert staged.prediction == pipe("bad film")
    assert list(staged.stages_ns) == ["tokenise", "run", "decode"]
    assert min(staged.stages_ns.values()) > 0


def test_a_stage_that_comes_again_adds_its_time_and_all_stages_sum_to_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([100, 103, 110, 121, 150])
    monkeypatch.setattr("edgebench.pipeline.pipe.time", SimpleNamespace(perf_counter_ns=lambda: next(ticks)))
    watch = _Stopwatch()
    for name in ("encode", "run", "encode", "decode"):
        watch.lap(name)
    assert list(watch.stages_ns.items()) == [("encode", 14), ("run", 7), ("decode", 29)]
    assert sum(watch.stages_ns.values()) == 150 - 100


@pytest.mark.parametrize("text", ["", " ", "🎬🍿", "é̂" * 40, "\0", "a" * 300, "電影"])
def test_odd_text_gets_an_answer(text: str) -> None:
    with edgebench.load("bag") as pipe:
        assert pipe(text).label in ("negative", "positive")


def test_a_text_beyond_the_limit_is_cut_and_says_so() -> None:
    with edgebench.load("bag") as pipe:
        assert pipe("good " * 20_000).truncated
        assert pipe("good " * 20_000).scores["positive"] == pytest.approx(sigmoid(2 * 14), abs=1e-6)
        assert not pipe("good").truncated


@pytest.mark.parametrize(("wrong", "said"), [(b"good", "bytes, expected str"), (None, "NoneType, expected str"), ("bad\udcff", "no Unicode text")])
def test_what_is_no_text_is_one_clear_error(wrong: object, said: str) -> None:
    with edgebench.load("bag") as pipe:
        with pytest.raises(InputError, match=said):
            pipe(wrong)
        with pytest.raises(InputError, match=f"example 1 .*{said.split(',')[0]}"):
            pipe.batch(["good", wrong])


def test_a_closed_pipeline_raises() -> None:
    pipe = edgebench.load("bag")
    pipe.close()
    with pytest.raises(EngineError, match="closed"):
        pipe("good")


def test_32_threads_get_right_answers() -> None:
    wrong: list[str] = []
    with edgebench.load("bag") as pipe:
        def ask(text: str) -> None:
            expected = "positive" if text.startswith("good") else "negative"
            wrong.extend(text for _ in range(50) if pipe(text).label != expected)

        threads = [threading.Thread(target=ask, args=(("good film", "bad film")[place % 2],)) for place in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


def test_an_unknown_model_is_named_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"there is no model 'bga'.*Did you mean 'bag'\?"):
        edgebench.load("bga")


def test_an_unknown_precision_names_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"no variant of 'bag' fits.*onnx/fp32"):
        edgebench.load("bag", precision="int4")


def test_one_flipped_bit_is_found_before_the_file_is_opened(bag_of_words: Path, tmp_path: Path) -> None:
    (tmp_path / "bag").mkdir()
    for one in ("bag.toml", "bag/tokenizer.json", "bag/bag.onnx"):
        (tmp_path / one).write_bytes((bag_of_words.parent / one).read_bytes())
    data = bytearray((tmp_path / "bag/bag.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "bag/bag.onnx").write_bytes(data)
    with pytest.raises(IntegrityError, match=r"sha256 of .*bag\.onnx is .* the card says"):
        edgebench.load(str(tmp_path / "bag.toml"))


def test_labels_that_do_not_fit_the_head_are_the_cards_fault(bag_of_words: Path) -> None:
    text = bag_of_words.read_text().replace('["negative", "positive"]', '["one", "two", "three"]')
    card = bag_of_words.parent / "three.toml"
    card.write_text(text)
    try:
        with edgebench.load(str(card)) as pipe, pytest.raises(CardError, match="gives 2 scores, the card names 3 labels"):
            pipe("good")
    finally:
        card.unlink()


def test_groups_keep_within_the_budget_and_hold_every_row_once() -> None:
    sizes = [5, 60, 7, 200, 5, 3, 61]
    groups = _groups(sizes, 120)
    assert sorted(row for rows in groups for row in rows) == list(range(7))
    assert all(len(rows) == 1 or len(rows) * max(sizes[row] for row in rows) <= 120 for rows in groups)
    assert groups[0] == [3]
