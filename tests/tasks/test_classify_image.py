"""Pictures in, the five likeliest labels out, through a net that answers with the mean of each colour."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

import edgebench
from edgebench.cli.predict import command
from edgebench.errors import CardError, InputError
from edgebench.pipeline import Pipeline
from edgebench.tasks.classify_image import ImageClass, ImageClassification

pytest.importorskip("PIL", reason="pictures need Pillow; install edgebench[vision]")
onnx = pytest.importorskip("onnx", reason="the test model is written with onnx; install edgebench[test]")

COLOURS = ("red", "green", "blue")


@pytest.fixture
def pipe(picture_model: Callable[..., Path]) -> Iterator[Pipeline]:
    mean = onnx.helper.make_node("ReduceMean", ["picture"], ["logits"], axes=[2, 3], keepdims=0)
    with edgebench.load(str(picture_model("image-classification", [mean], {"logits": [1, 3]}, COLOURS, height=4, width=4))) as found:
        yield found


def plain(*colour: int, size: int = 4) -> np.ndarray:  # type: ignore[type-arg]
    return np.full((size, size, 3), colour, np.uint8)


def test_the_golden_answer_of_a_plain_picture(pipe: Pipeline) -> None:
    found = pipe(plain(0, 255, 51))
    powers = [1.0, math.e, math.exp(0.2)]
    assert found.label == "green"
    assert found.scores.tolist() == pytest.approx([one / sum(powers) for one in powers], abs=1e-6)
    assert [label for label, _ in found.top] == ["green", "blue", "red"]
    assert str(found) == "green  0.550"


def test_one_picture_many_pictures_and_stages_agree(pipe: Pipeline) -> None:
    pictures = [plain(255, 0, 0), plain(0, 0, 255, size=9), plain(0, 255, 0, size=1)]
    assert [one.label for one in pipe.batch(pictures)] == ["red", "blue", "green"]
    staged = pipe.stages(pictures[1])
    assert staged.prediction == pipe(pictures[1])
    assert list(staged.stages_ns) == ["decode", "resize", "normalise", "run", "decode answer"]


def test_a_bad_picture_among_good_ones_is_an_error_of_its_own(pipe: Pipeline) -> None:
    with pytest.raises(InputError, match="is no picture of a known kind"):
        pipe.batch([plain(1, 2, 3), b"nothing"])
    assert pipe(plain(255, 0, 0)).label == "red"


@pytest.mark.parametrize("inputs", [[], ["-"]])
def test_predict_reads_one_picture_from_standard_input(pipe: Pipeline, inputs: list[str], tmp_path: Path) -> None:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(plain(0, 255, 51)).save(file, "PNG")
    assert CliRunner().invoke(command, [str(tmp_path / "tiny.toml"), *inputs], input=file.getvalue()).output == "green  0.550  standard input\n"


def kinds() -> dict[str, bytes]:
    """Pictures of every odd kind, and what is none."""
    from PIL import Image

    from tests.tasks.test_image import bomb, saved

    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8))
    turned = Image.Exif()
    turned[0x0112] = 6
    found = {mode: saved(noise.convert(mode)) for mode in ("L", "LA", "RGBA", "P", "1")}
    found |= {"CMYK": saved(noise.convert("CMYK"), "JPEG"), "LAB": saved(noise.convert("LAB"), "TIFF"), "turned": saved(noise, "JPEG", exif=turned)}
    found |= {"16 bits": saved(Image.fromarray(np.asarray(noise.convert("L"), np.uint16) * 257)), "32 bits": saved(noise.convert("I"), "TIFF")}
    found |= {form: saved(noise, form, save_all=True, append_images=[noise.rotate(180)]) for form in ("GIF", "WEBP", "PNG", "TIFF")}
    found |= {"1 pixel": saved(noise.resize((1, 1))), "1 x 5,000": saved(noise.resize((1, 5_000))), "5,000 x 1": saved(noise.resize((5_000, 1)))}
    whole = saved(noise)
    found |= {"empty": b"", "text": b"a red square\n", "cut short": whole[: len(whole) // 2], "cut jpeg": found["CMYK"][:700]}
    found |= {"20,000 x 20,000": bomb(20_000, 20_000), "damaged": whole[:300] + b"\xff" * 90 + whole[390:]}
    return found


def outcome(call: Callable[[], str]) -> str:
    """What was answered, or what the one error said after it named what it is about."""
    try:
        return call()
    except InputError as error:
        return f"error: {re.sub(r'^.*?(standard input|example 0|odd)', '', str(error))}"


@pytest.mark.parametrize("kind", kinds())
def test_every_kind_of_picture_is_answered_alike_from_memory_by_its_path_and_from_standard_input(pipe: Pipeline, tmp_path: Path, kind: str) -> None:
    data, card = kinds()[kind], str(tmp_path / "tiny.toml")
    (tmp_path / "odd").write_bytes(data)

    def told(arguments: list[str], given: bytes | None = None) -> str:
        result = CliRunner().invoke(command, [card, *arguments], input=given)
        if result.exception:
            raise result.exception
        return "  ".join(result.output.split("  ")[:2])

    answers = {outcome(lambda: str(pipe(data))), outcome(lambda: told([str(tmp_path / "odd")])), outcome(lambda: told(["-"], data))}
    assert len(answers) == 1, answers
    bad = kind in ("empty", "text", "cut short", "cut jpeg", "20,000 x 20,000", "damaged")
    (answer,) = answers
    assert answer.startswith("error: ") == bad
    assert kind != "20,000 x 20,000" or "has far more than the 64 million that are decoded here" in answer


def test_a_picture_beyond_the_limit_is_one_error_and_no_warning(pipe: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "large.pgm").write_bytes(b"P5 10000 10000 255\n")
    result = CliRunner().invoke(command, [str(tmp_path / "tiny.toml"), str(tmp_path / "large.pgm")])
    assert "large.pgm has 10000 x 10000 pixels, more than the 64 million that are decoded here" in str(result.exception)


def task(labels: tuple[str, ...] = COLOURS, **preprocess: object) -> ImageClassification:
    card = SimpleNamespace(name="tiny", labels=labels, preprocess={"height": 4, "width": 4, **preprocess})
    return ImageClassification(card, {})  # type: ignore[arg-type]


def test_uint8_scores_are_parts_of_256() -> None:
    (found,) = task().decode({"scores": np.array([[192, 64, 0]], np.uint8)})
    assert (found.label, found.score, found.top[1]) == ("red", 0.75, ("green", 0.25))


def test_probabilities_are_taken_as_they_are() -> None:
    (found,) = task(scores="probabilities").decode({"scores": np.array([[[[0.1, 0.2, 0.7]]]], np.float32)})
    assert (found.label, found.score) == ("blue", pytest.approx(0.7))


def test_top_5_counts_labels_among_the_five_likeliest() -> None:
    six = tuple("abcdef")
    found = task(six).decode({"x": np.array([[6, 5, 4, 3, 2, 1]] * 4, np.float32)})
    metric = task(six).score(found, ["a", "e", "f", "b"])
    assert (metric.name, metric.value, metric.n, metric.more) == ("top-1", 0.25, 4, {"top-5": 0.75})


def test_labels_that_do_not_fit_the_net_are_the_cards_fault() -> None:
    with pytest.raises(CardError, match="gives 3 scores, the card names 2 labels"):
        task(("one", "two")).decode({"x": np.zeros((1, 3), np.float32)})
    with pytest.raises(CardError, match="preprocess.scores is 'odds'"):
        task(scores="odds")


def test_a_picture_has_no_length() -> None:
    with pytest.raises(InputError, match="no length in tokens: .* leave --length out"):
        task().resize(["a.jpg"], 32, seed=0)


def test_answers_to_equal_pictures_are_equal() -> None:
    one, other = (ImageClass("a", 0.5, (("a", 0.5),), np.zeros(3, np.float32)) for _ in range(2))
    assert one == other
