"""int8 with ranges measured beforehand, and weights of four bits: each engine's own quantiser, held against the net."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.train.conftest import NEEDS

torch = pytest.importorskip("torch", reason=NEEDS)
pytest.importorskip("transformers", reason=NEEDS)

from transformers import BertForSequenceClassification  # noqa: E402

from edgebench.errors import UsageError  # noqa: E402
from edgebench.train import qat  # noqa: E402
from edgebench.train.export import Exported, export, parity, probabilities  # noqa: E402
from tests.train.test_export import need, padded_batches, random_net  # noqa: E402

pytest.importorskip("onnx", reason="export to onnx needs onnx; install edgebench[export]")
pytest.importorskip("onnx_ir", reason="onnxruntime's 4-bit quantiser needs onnx-ir; install edgebench[export]")

ASKED = [
    pytest.param(one, marks=[pytest.mark.slow] if one.startswith("tflite") else [])
    for one in ("onnx/int8-static", "onnx/int4", "tflite/int8-static", "tflite/int4")
]
# how far a probability may be from the net's, mean and most, in a net of random weights that damps nothing: 4 bits leave 15 values of a weight
MEAN, MOST = {"int8-static": 0.06, "int4": 0.07}, {"int8-static": 0.5, "int4": 0.6}


@pytest.fixture(scope="module")
def net() -> BertForSequenceClassification:
    return random_net()


def written(net: BertForSequenceClassification, folder: Path, variant: str, samples: list | None = None) -> Exported:
    need(variant.split("/")[0])
    [one] = export(net, folder / "tiny", variants=[variant], lengths=(8, 24), samples=padded_batches() if samples is None else samples)
    return one


def answers(net: BertForSequenceClassification) -> np.ndarray:
    with torch.no_grad():
        return torch.cat([torch.softmax(net(input_ids=ids, attention_mask=mask).logits, dim=-1) for ids, mask in padded_batches()]).numpy()


@pytest.mark.parametrize("variant", ASKED)
def test_a_file_answers_nearly_as_the_net_does(net: BertForSequenceClassification, tmp_path: Path, variant: str) -> None:
    one = written(net, tmp_path, variant)
    off = np.abs(probabilities(one, padded_batches()) - answers(net))
    assert off.mean() <= MEAN[one.precision]
    assert parity(net, one, padded_batches()).difference <= MOST[one.precision]


def test_static_ranges_are_those_of_the_samples(net: BertForSequenceClassification, tmp_path: Path) -> None:
    """Ranges of a single sentence do not fit the others."""
    ids, mask = padded_batches()[0]
    good, bad = (
        written(net, tmp_path / name, "onnx/int8-static", samples) for name, samples in (("all", padded_batches()), ("one", [(ids[:1, :1], mask[:1, :1])]))
    )
    errors = [np.abs(probabilities(one, padded_batches()) - answers(net)).mean() for one in (good, bad)]
    assert errors[0] < errors[1] / 1.2


def test_a_word_of_zeros_is_no_warning_and_stays_zeros(tmp_path: Path) -> None:
    net = random_net()
    net.bert.embeddings.word_embeddings.weight.data[5] = 0.0
    one = written(net, tmp_path, "onnx/int4")
    assert parity(net, one, [(torch.full((1, 6), 5), torch.ones(1, 6, dtype=torch.int64))]).difference <= MOST["int4"]


def test_four_bits_take_half_of_eight(tmp_path: Path) -> None:
    net = random_net(vocab=40_000)  # most of the file, as in a real net
    small, large = (written(net, tmp_path / precision, f"onnx/{precision}").size_bytes for precision in ("int4", "int8"))
    assert small < 0.72 * large  # beside them a scale for each block of 32, of which 24 channels fill three quarters


@pytest.mark.slow
def test_a_net_trained_on_the_steps_of_four_bits_loses_nothing_more_in_the_file(net: BertForSequenceClassification, tmp_path: Path) -> None:
    on_steps = random_net()
    qat.begin(on_steps, 4)
    qat.end(on_steps)
    off = [parity(one, written(one, tmp_path / name, "tflite/int4"), padded_batches()).difference for name, one in (("as it is", net), ("on steps", on_steps))]
    assert off[1] < off[0] / 4


@pytest.mark.parametrize("variant", ["onnx/int8-static", "tflite/int8-static"])
def test_static_without_samples_is_wrong_usage(net: BertForSequenceClassification, tmp_path: Path, variant: str) -> None:
    with pytest.raises(UsageError, match=f"{variant} measures the ranges of activations on real texts, and there are none"):
        export(net, tmp_path / "none", variants=[variant])


def test_torchscript_has_no_four_bits(net: BertForSequenceClassification, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no variant 'torchscript/int4' to export to"):
        export(net, tmp_path / "none", variants=["torchscript/int4"])
