"""Published weights -> files of every engine that answer as their net does, with a card that `load` takes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="converting needs torch; install edgebench[export]")
pytest.importorskip("tomli_w", reason="converting needs tomli-w; install edgebench[export]")
pytest.importorskip("transformers", reason="converting needs transformers; install edgebench[export]")
pytest.importorskip("PIL", reason="pictures need Pillow; install edgebench[vision]")

import edgebench  # noqa: E402
from edgebench import catalog  # noqa: E402
from edgebench.errors import CardError, EngineError  # noqa: E402
from edgebench.models import card as cards  # noqa: E402
from edgebench.models import data  # noqa: E402
from edgebench.models import weights as weights_cards  # noqa: E402
from edgebench.models.artifact import digest_of  # noqa: E402
from edgebench.models.card import Variant  # noqa: E402
from edgebench.tasks.metrics import share  # noqa: E402
from edgebench.train import conversion  # noqa: E402
from edgebench.train.export_picture import levels  # noqa: E402
from edgebench.train.nets_vision import MobileNetV2  # noqa: E402

TINY = """schema = 1
name = "tiny"
task = "image-classification"
about = "random weights"
licence = "Apache-2.0"
source = "a test"
weights = "tiny"
file = "tiny.pth"
net = "mobilenet_v2"
outputs = ["logits"]
dataset = "imagenet"
calibration = "imagenet"
calibrated_on = 2
reference = "onnx/fp32"
variants = ["onnx/fp32", "torchscript/fp32"]
preprocess = { height = 64, width = 64, resize = "crop" }
"""


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> conversion.Conversion:
    """A conversion of a MobileNetV2 with random weights, already fetched."""
    monkeypatch.setenv("EDGEBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("EDGEBENCH_DATA", raising=False)
    pretrained = catalog.cache_folder() / "pretrained" / "tiny"
    pretrained.mkdir(parents=True)
    torch.manual_seed(0)
    torch.save(MobileNetV2().state_dict(), pretrained / "tiny.pth")
    (tmp_path / "home/models/weights").mkdir(parents=True)
    (tmp_path / "home/models/weights/tiny.toml").write_text(
        'schema = 1\nname = "tiny"\nabout = ""\nlicence = ""\nsource = ""\n[[files]]\nfile = "tiny.pth"\n'
        f'sha256 = "{digest_of(pretrained / "tiny.pth")}"\nsize_bytes = {(pretrained / "tiny.pth").stat().st_size}\n'
    )
    (tmp_path / "tiny.toml").write_text(TINY)
    return conversion.read(tmp_path / "tiny.toml")


@pytest.mark.slow
def test_a_conversion_writes_files_that_agree_and_a_card_that_opens(plan: conversion.Conversion, tmp_path: Path) -> None:
    told: list[str] = []
    pictures = data.load("imagenet", "dev")
    card = conversion.convert(plan, tmp_path / "made", pictures, pictures, offline=True, tell=told.append)
    assert [line for line in told if line.startswith("torchscript/fp32: 100.0% of 5 answers are the net's")]
    answers = []
    for backend in ("onnxruntime", "torchscript"):
        with edgebench.load(str(card), backend=backend, allow_code=True) as pipe:
            answers.append([pipe(one).label for one in pictures.texts])
    assert answers[0] == answers[1]
    assert cards.read(card).variants[0].accuracy is not None


def test_every_bundled_conversion_is_whole_and_names_weights_and_data_that_there_are() -> None:
    assert sorted(conversion.bundled()) == ["deeplabv3", "deeplabv3-uint8", "mobilenetv2", "mobilenetv2-uint8", "ssd-mobilenetv1"]
    for name, path in conversion.bundled().items():
        found = conversion.read(path)
        weights = weights_cards.read(catalog.find("models/weights", found.weights))
        assert found.name == name
        assert found.file in [one.file for one in weights.files]
        assert data.read(catalog.find("models/datasets", found.dataset)).task == found.task
        assert found.reference in (*found.variants, f"{found.kept.format}/{found.kept.precision}" if found.kept else "")


def test_a_net_that_is_unknown_is_named(tmp_path: Path) -> None:
    (tmp_path / "odd.toml").write_text(TINY.replace('"mobilenet_v2"', '"resnet"'))
    with pytest.raises(CardError, match=r"odd\.toml: net is 'resnet'; expected one of mobilenet_v2, tflite"):
        conversion.read(tmp_path / "odd.toml")


def test_a_file_of_fp32_that_disagrees_is_refused() -> None:
    variant = Variant(file="a/a.onnx", sha256=hashlib.sha256(b"").hexdigest(), size_bytes=0, format="onnx", precision="fp32")
    conversion.refuse(variant, conversion.Checked(1e-4, 1.0, share("top-1", 1, 2)))
    with pytest.raises(EngineError, match=r"a\.onnx disagrees with the net .* 100\.0% equal answers, probabilities up to 0\.002"):
        conversion.refuse(variant, conversion.Checked(2e-3, 1.0, share("top-1", 1, 2)))


@pytest.mark.parametrize("low", [0, 117])
def test_weights_on_256_levels_are_stored_as_such_and_come_back_as_they_were(low: int) -> None:
    numbers = np.random.default_rng(0).integers(0, 256, (8, 3, 3, 3))
    weight = ((numbers - low) * 0.0108).astype(np.float32)
    found = levels(weight)
    assert found is not None
    stored, step, least = found
    np.testing.assert_allclose(stored * np.float32(step) + np.float32(least), weight, atol=1e-6)
    assert stored.dtype == np.uint8


def test_weights_off_any_such_grid_are_left_alone() -> None:
    assert levels(np.random.default_rng(0).random((8, 16, 3, 3), np.float32)) is None
    assert levels(np.array([0.0, 0.1, 0.25001], np.float32)) is None
    assert levels(np.zeros((2, 2), np.float32)) is None
