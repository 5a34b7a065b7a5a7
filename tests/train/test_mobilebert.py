"""Bottlenecks by their published sizes, transfer by hand, stages one at a time, and the real weights out of a published file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.train.conftest import NEEDS

torch = pytest.importorskip("torch", reason=NEEDS)
pytest.importorskip("transformers", reason=NEEDS)

from edgebench import catalog  # noqa: E402
from edgebench.errors import CardError  # noqa: E402
from edgebench.train import mobilebert  # noqa: E402
from edgebench.train.data import Examples  # noqa: E402
from edgebench.train.export import export, parity  # noqa: E402
from edgebench.train.loop import Schedule, train  # noqa: E402
from edgebench.train.mobilebert import MobileBert, build  # noqa: E402
from edgebench.train.nets import parameter_count  # noqa: E402

SMALL = {"layers": 3, "hidden": 32, "heads": 4, "labels": 2, "words": 16, "vocab": 40, "positions": 32}
FILE = catalog.cache_folder() / "pretrained" / "mobilebert" / "embedder.tflite"


def student(**changes: object) -> MobileBert:
    torch.manual_seed(1)
    return build(**{**SMALL, "inner": 16, "ffn": 24, "ffns": 2, **changes})  # type: ignore[arg-type]


def teacher() -> MobileBert:
    """IB-BERT's kind, with weights so large that its states and attentions differ."""
    torch.manual_seed(0)
    net = build(**SMALL, inner=48, ffn=64, ffns=1, norm="layer_norm", activation="gelu")  # type: ignore[arg-type]
    for name, parameter in net.named_parameters():
        torch.nn.init.normal_(parameter, mean=float(name.endswith("LayerNorm.weight")), std=0.3)
    return net.eval()


def padded() -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.randint(4, 40, (5, 8), generator=torch.Generator().manual_seed(2))
    return ids, (torch.arange(8)[None] < torch.tensor([[8], [6], [4], [2], [1]])).long()


@pytest.mark.parametrize(("changes", "millions"), [({}, 24.582), ({"ffns": 2, "thin_attention": True}, 15.486)], ids=["MobileBERT", "TINY"])
def test_the_nets_have_their_published_sizes(changes: dict, millions: float) -> None:
    with torch.device("meta"):
        net = build(layers=24, hidden=512, inner=128, heads=4, labels=2, **changes)
    assert parameter_count(net.mobilebert) / 1e6 == pytest.approx(millions, abs=0.0005)


@pytest.mark.parametrize(
    "changes", [{}, {"norm": "layer_norm", "activation": "gelu"}, {"thin_attention": True}, {"ffns": 1}], ids=["opt", "without", "thin", "one"],
)
def test_the_plain_module_is_the_net(changes: dict) -> None:
    net = student(**changes).eval()
    for parameter in net.parameters():
        parameter.data += torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3)) * 0.2
    ids, mask = padded()
    with torch.no_grad():
        wanted = net(input_ids=ids, attention_mask=mask).logits
        torch.testing.assert_close(net.exported()(ids, mask), wanted, atol=1e-4, rtol=1e-4)
    assert wanted.std(0).min() > 1e-3


@pytest.mark.parametrize("form", ["onnx", "torchscript"])
def test_a_file_answers_as_the_net_does(tmp_path: Path, form: str) -> None:
    if form == "onnx":
        pytest.importorskip("onnx", reason="export to onnx needs onnx; install edgebench[export]")
    net = student().eval()
    net.classifier.weight.data *= 50
    full, small = export(net, tmp_path / "mobile", variants=[f"{form}/fp32", f"{form}/int8"], lengths=(8,))
    assert parity(net, full, [padded()]).difference < 1e-4
    assert parity(net, small, [padded()]).difference < 0.1


def test_features_by_hand() -> None:
    """Two channels: 1, 3 against 2, 6. Normalised they are equal; means 2 and 4; variances 1 and 4. The second position is padding."""
    mine, theirs = torch.tensor([[[1.0, 3.0], [9.0, 9.0]]]), torch.tensor([[[2.0, 6.0], [0.0, 5.0]]])
    assert mobilebert.feature_transfer(mine, theirs, torch.tensor([[1, 0]])).item() == pytest.approx(5000 * 4 + 5 * 3, rel=1e-4)
    turned = mobilebert.feature_transfer(torch.tensor([[[1.0, 3.0]]]), torch.tensor([[[3.0, 1.0]]]), torch.tensor([[1]])).item()
    assert turned == pytest.approx(100 * 4, rel=1e-3)  # +-1 against -+1


def test_attention_by_hand_and_without_padding() -> None:
    import math

    mine = torch.tensor([[[[0.0, 0.0, 7.0], [0.0, 0.0, 7.0], [5.0, 0.0, 0.0]]]])
    theirs = torch.tensor([[[[math.log(3), 0.0, -4.0], [0.0, 0.0, 2.0], [0.0, 1.0, 2.0]]]])
    found = mobilebert.attention_transfer(mine, theirs, torch.tensor([[1, 1, 0]])).item()
    assert found == pytest.approx((0.75 * math.log(1.5) + 0.25 * math.log(0.5)) / 2, rel=1e-4)  # the second row is equal, the third padding


def test_a_student_like_its_teacher_has_nothing_to_learn(examples: Examples) -> None:
    from edgebench.train.data import collate

    net = teacher()
    terms = mobilebert.transfer_loss(net, net, range(3))(collate(examples, range(8)))
    assert all(abs(term.item()) < 1e-6 for term in terms.values())


def test_transfer_falls_stage_by_stage_and_only_the_stages_block_moves(examples: Examples, tmp_path: Path) -> None:
    wide, thin = teacher(), student()
    mobilebert.take_embeddings(thin, wide)
    before = {name: tensor.clone() for name, tensor in thin.state_dict().items()}
    for layer in range(2):
        losses: list[float] = []
        loss = mobilebert.transfer_loss(thin, wide, [layer])

        def keep(batch, loss=loss, losses=losses):  # type: ignore[no-untyped-def]
            terms = loss(batch)
            losses.append(sum(term.item() for term in terms.values()))
            return terms

        block, schedule = mobilebert.stage(thin, layer), Schedule(epochs=8, batch_size=16, learning_rate=3e-3)
        train(keep, block, examples, schedule, seed=0, checkpoint=tmp_path / f"{layer}", log=tmp_path / f"{layer}.log")
        assert sum(losses[-6:]) < sum(losses[:6]) / 2
    moved = {name.split(".")[3] for name, tensor in thin.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved == {"0", "1"}
    words = thin.mobilebert.embeddings.word_embeddings.weight
    assert torch.equal(words, wide.mobilebert.embeddings.word_embeddings.weight)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("module/bert/encoder/layer_3/ffn_layer_0/output/FakeLayerNorm/gamma", "encoder.layer.3.ffn.0.output.LayerNorm.weight"),
        ("module_apply_tokens/bert/encoder/layer_11/bottleneck/attention/dense/Tensordot/MatMul", "encoder.layer.11.bottleneck.attention.dense.weight"),
        ("module/bert/encoder/layer_0/attention/self/key/bias", "encoder.layer.0.attention.self.key.bias"),
        ("module/bert/embeddings/word_embeddings", "embeddings.word_embeddings.weight"),
        ("module_apply_tokens/bert/embeddings/Reshape_1", "embeddings.position_embeddings.weight"),
        ("module_apply_tokens/bert/encoder/layer_0/attention/self/transpose/perm", None),
        ("input_mask", None),
    ],
)
def test_names_of_the_published_file_are_those_of_the_library(written: str, name: str | None) -> None:
    assert mobilebert._name(written) == name


def test_a_file_of_something_else_is_refused() -> None:
    pytest.importorskip("ai_edge_litert", reason="a TFLite file is read with ai-edge-litert; install edgebench[tflite]")
    with pytest.raises(CardError, match="holds no tensors with the names of a MobileBERT"):
        mobilebert.from_tflite(Path(__file__).parent.parent / "backends" / "data" / "two_lengths.tflite")


@pytest.mark.skipif(not FILE.exists(), reason="the weights mobilebert were not fetched")
@pytest.mark.slow
def test_the_real_net_gives_the_published_files_answers() -> None:
    """The file computes with activations in int8. It hides padding behind -6, so that 120 words of it still weigh 0.3 of one word: only
    sentences without any compare."""
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    net, engine = mobilebert.from_tflite(FILE), Interpreter(str(FILE), num_threads=1)
    engine.allocate_tensors()
    places, out = {one["name"]: one["index"] for one in engine.get_input_details()}, engine.get_output_details()[0]["index"]
    generator = np.random.default_rng(0)
    for _ in range(3):
        ids = np.array([[101, *generator.integers(1996, 9000, 126), 102]], np.int32)
        mask = np.ones_like(ids)
        for name, value in (("input_word_ids", ids), ("input_mask", mask), ("input_type_ids", ids * 0)):
            engine.set_tensor(places[name], value)
        engine.invoke()
        wanted = torch.from_numpy(engine.get_tensor(out).copy())
        with torch.no_grad():
            found = net(input_ids=torch.from_numpy(ids).long(), attention_mask=torch.from_numpy(mask).long()).pooler_output
        assert torch.nn.functional.cosine_similarity(found, wanted).item() > 0.98
