"""A small net as an ExecuTorch file: it answers as the net does, in float32 and int8, and says what its tensors are and where its nodes run."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from tests.train.conftest import NEEDS

torch = pytest.importorskip("torch", reason=NEEDS)
pytest.importorskip("transformers", reason=NEEDS)
pytest.importorskip("executorch", reason="executorch is not installed; install edgebench[executorch]")

from edgebench.backends.base import Options  # noqa: E402
from edgebench.backends.executorch import BACKEND  # noqa: E402
from edgebench.errors import MissingError, UsageError  # noqa: E402
from edgebench.train import nets  # noqa: E402
from edgebench.train.export import Exported, export, parity  # noqa: E402
from edgebench.train.export_executorch import Words  # noqa: E402
from edgebench.train.export_picture import PictureNet, export_picture  # noqa: E402
from tests.train.test_export import BOUND, padded_batches, random_net  # noqa: E402

pytestmark = pytest.mark.slow  # an export takes its exporter half a minute
LONGEST = 24


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Exported]:
    folder = tmp_path_factory.mktemp("executorch") / "tiny"
    return {one.precision: one for one in export(random_net(layers=1), folder, variants=["executorch/fp32", "executorch/int8"], lengths=(8, LONGEST))}


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_file_answers_as_the_net_does(written: dict[str, Exported], precision: str) -> None:
    close = parity(random_net(layers=1), written[precision], padded_batches())
    assert close.n == 96
    assert close.difference <= BOUND[precision]


def test_a_text_may_be_as_long_as_the_longest_asked_for(written: dict[str, Exported]) -> None:
    session = BACKEND.open(written["fp32"].path, Options())
    assert [(one.name, one.shape) for one in session.inputs] == [("input_ids", (1, None)), ("attention_mask", (1, None))]
    for length in (1, LONGEST):
        ones = np.ones((1, length), np.int64)
        assert session.run({"input_ids": ones, "attention_mask": ones})["logits"].shape == (1, 3)
    session.close()


def test_a_tagger_answers_for_every_token(tmp_path: Path) -> None:
    net = nets.build(layers=1, hidden=24, heads=2, ffn=48, labels=7, vocab=100, task="token-classification").eval()
    [one] = export(net, tmp_path / "tagger", variants=["executorch/fp32"], lengths=(LONGEST,))
    session = BACKEND.open(one.path, Options())
    assert session.outputs[0].shape == (1, None, 7)
    session.close()
    assert parity(net, one, padded_batches()).difference <= BOUND["fp32"]


def test_every_product_and_no_table_is_given_to_xnnpack(written: dict[str, Exported]) -> None:
    session = BACKEND.open(written["int8"].path, Options())
    stayed = " ".join(session.facts.details["stayed"])
    session.close()
    assert "aten_embedding" in stayed
    assert "linear" not in stayed
    assert "bmm" not in stayed


def test_words_in_int8_are_within_half_a_step_of_each_words_own() -> None:
    table = torch.nn.Embedding(5, 8)
    table.weight.data[3] = 0.0
    found = Words(table)(torch.arange(5)[None])[0]
    steps = table.weight.abs().amax(dim=1, keepdim=True) / 127
    assert ((found - table.weight).abs() <= steps / 2 + 1e-7).all()


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_net_of_pictures_answers_as_it_did(tmp_path: Path, precision: str) -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(8, 4)).eval()
    net = PictureNet(module, 16, 16, ("logits",))
    pictures = [torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(seed)).numpy() for seed in range(8)]
    [one] = export_picture(net, tmp_path / "tiny", variants=[f"executorch/{precision}"], calibration=pictures)
    session = BACKEND.open(one.path, Options())
    assert (session.inputs[0].name, session.inputs[0].shape) == ("picture", (1, 3, 16, 16))
    for picture in pictures:
        assert np.abs(session.run({"picture": picture})["logits"] - net(picture)["logits"]).max() <= {"fp32": 1e-5, "int8": 0.02}[precision]
    session.close()


def test_executorch_is_written_where_it_is_asked_for_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgebench.train import export as exports

    assert not any(one.startswith("executorch") for one in exports.VARIANTS)
    with pytest.raises(UsageError, match=r"no variant 'executorch/int4'.*Did you mean 'executorch/int8'"):
        export(random_net(layers=1), tmp_path / "tiny", variants=["executorch/int4"])
    monkeypatch.setitem(sys.modules, "executorch.exir", None)
    with pytest.raises(MissingError, match=r"export to executorch needs .*; install edgebench\[export,executorch\]"):
        export(random_net(layers=1), tmp_path / "tiny", variants=["executorch/fp32"])
