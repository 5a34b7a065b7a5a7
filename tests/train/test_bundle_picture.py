"""The best student of a run of pictures becomes files that answer as it does, with a card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.train.conftest import NEEDS

torch = pytest.importorskip("torch", reason=NEEDS)
for module in ("onnx", "PIL"):
    pytest.importorskip(module, reason=f"pictures are exported with {module}; install edgebench[export,vision]")

import edgebench  # noqa: E402
from edgebench.errors import EngineError  # noqa: E402
from edgebench.models import card as cards  # noqa: E402
from edgebench.models.sheets import Pictures  # noqa: E402
from edgebench.train import bundle_picture  # noqa: E402
from edgebench.train.nets_vision import ResNet  # noqa: E402

NET = {"depth": 8, "width": 2, "schedule": {"sides": [8], "batch_size": 4, "learning_rate": 0.1}}
RECIPE = {
    "schema": 1, "name": "tiny-dots", "about": "a test", "task": "image-classification", "sheets": "dots", "seeds": [3, 4], "teacher": NET, "student": NET,
    "ways": {"labels": {}, "logits": {"logits": 0.9}},
}  # fmt: skip
MEAN, STD = [0.5, 0.4, 0.3], [0.2, 0.25, 0.3]
SCORES = {("labels", 3): 5, ("labels", 4): 6, ("logits", 3): 4, ("logits", 4): 8}  # the best way by all seeds is the one with the best net


@pytest.fixture
def run(tmp_path: Path) -> Path:
    students: list[dict[str, Any]] = []
    for (way, seed), right in SCORES.items():
        torch.manual_seed(right)
        net = ResNet(8, 2, 3)
        with torch.no_grad():  # so that no label is the answer to every picture
            net.classifier.bias -= net.eval()(torch.from_numpy((pictures(12).pixels / 255 - MEAN) / STD).permute(0, 3, 1, 2).float()).mean(0)
        torch.save(net.state_dict(), tmp_path / f"student-{way}-{seed}.pt")
        students.append({"way": way, "seed": seed, "right": right, "top1": right / 10, "won": 0, "lost": 0})
    result = {
        "recipe": RECIPE, "students": students, "n_test": 10, "mean": MEAN, "std": STD, "train_sha256": "ab" * 32,
        "teacher": {"top1": 0.9},
    }  # fmt: skip
    (tmp_path / "result.json").write_text(json.dumps(result))
    return tmp_path


def pictures(count: int) -> Pictures:
    random = np.random.default_rng(0)
    return Pictures(random.integers(0, 256, (count, 8, 8, 3)).astype(np.uint8), random.integers(0, 3, count), ("a", "b", "c"), ("00",))


def test_the_best_way_by_all_seeds_is_taken_and_its_best_seed(run: Path) -> None:
    best = bundle_picture.finished(run)
    assert best is not None
    assert (best.way, best.seed, best.top1) == ("logits", 4, 0.8)
    (run / "result.json").write_text('{"recipe": {"task": "translation"}}')
    assert bundle_picture.finished(run) is None


def test_a_file_answers_as_the_net_does_and_is_scored_through_load(run: Path, tmp_path: Path) -> None:
    best, test = bundle_picture.finished(run), pictures(12)
    assert best is not None
    card = bundle_picture.write(best, tmp_path / "models", pictures(5), test, variants=["onnx/fp32"])
    read = cards.read(card)
    mean, std = (np.array(read.preprocess[name], np.float32) for name in ("mean", "std"))
    with torch.no_grad():
        wanted = best.net(torch.from_numpy(((test.pixels / 255 - mean) / std).transpose(0, 3, 1, 2).astype(np.float32))).argmax(1).tolist()
    assert len(set(wanted)) > 1
    with edgebench.load(str(card)) as pipe:
        assert [pipe(one).label for one in test.pixels] == ["abc"[one] for one in wanted]
    accuracy = read.variants[0].accuracy
    assert accuracy is not None
    assert (accuracy.dataset, accuracy.n, accuracy.value) == ("dots", 12, pytest.approx(np.mean(wanted == test.labels), abs=1e-6))
    assert (read.made_by["way"], read.made_by["seed"], read.labels) == ("logits", 4, ("a", "b", "c"))


def test_a_file_that_answers_otherwise_is_refused(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    best = bundle_picture.finished(run)
    assert best is not None
    its = bundle_picture.PictureNet.__call__
    monkeypatch.setattr(bundle_picture.PictureNet, "__call__", lambda self, picture: {"logits": np.roll(its(self, picture)["logits"], 1, axis=1)})
    with pytest.raises(EngineError, match=r"onnx/fp32 of tiny-dots disagrees with the net it was made from: 0 of 12 answers are equal, expected 99.5%"):
        bundle_picture.write(best, tmp_path / "models", pictures(5), pictures(12), variants=["onnx/fp32"])
