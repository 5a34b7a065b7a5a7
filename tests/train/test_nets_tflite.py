"""A TFLite graph read back as a torch net gives the file's own answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="converting needs torch; install edgebench[export]")
pytest.importorskip("ai_edge_litert", reason="reading a TFLite graph needs ai-edge-litert; install edgebench[export]")

from edgebench import plugins  # noqa: E402
from edgebench.backends.base import Options  # noqa: E402
from edgebench.errors import CardError  # noqa: E402
from edgebench.train.nets_tflite import TFLiteNet, _Decode, _padding  # noqa: E402


def test_same_padding_puts_the_odd_pixel_at_the_far_side() -> None:
    assert _padding(300, 3, 2, 1) == (0, 1)
    assert _padding(257, 3, 2, 1) == (1, 1)
    assert _padding(33, 3, 1, 2) == (2, 2)
    assert _padding(10, 1, 1, 1) == (0, 0)


def test_boxes_are_decoded_beside_their_anchors() -> None:
    flexbuffers = pytest.importorskip("flatbuffers.flexbuffers", reason="part of flatbuffers")
    options = bytes(flexbuffers.Dumps({"y_scale": 10.0, "x_scale": 10.0, "h_scale": 5.0, "w_scale": 5.0}))
    decode = _Decode(torch.tensor([[0.5, 0.5, 0.2, 0.4]]), options)
    boxes, scores = decode(torch.tensor([[[1.0, -1.0, 0.0, 5 * float(np.log(2))]]]), torch.tensor([[[0.1, 0.2, 0.7]]]))
    assert boxes[0, 0].tolist() == pytest.approx([0.42, 0.06, 0.62, 0.86])  # centre 0.52, 0.46; height 0.2, width 0.8
    assert scores[0, 0].tolist() == pytest.approx([0.2, 0.7])


def test_what_is_no_tflite_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="is no TFLite file"):
        TFLiteNet(tmp_path / "none.tflite")


@pytest.mark.network
@pytest.mark.parametrize("name", ["deeplabv3", "ssd-mobilenetv1"])
def test_the_published_files_give_their_own_answers(name: str) -> None:
    from edgebench.models.weights import fetch_weights

    (path,) = fetch_weights(name).glob("*.tflite")
    net = TFLiteNet(path).eval()
    session = plugins.get("backends", "tflite").open(path, Options())
    (spec,) = session.inputs
    pixels = np.random.default_rng(0).integers(0, 256, spec.shape, np.uint8)
    floats = pixels.astype(np.float32) / 127.5 - 1
    found = session.run({spec.name: pixels if spec.dtype == "uint8" else floats})
    with torch.inference_mode():
        mine = net(torch.from_numpy(floats.transpose(0, 3, 1, 2).copy()))
    if name == "deeplabv3":
        np.testing.assert_allclose(mine.numpy().transpose(0, 2, 3, 1), next(iter(found.values())), atol=1e-3)
    else:
        assert mine[1].max().item() == pytest.approx(list(found.values())[2][0, 0], abs=0.1)  # 8 bits at every step against none
