"""One net, six files: each answers as the net does on padded sentences, in the engine that an app would open it with."""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.train.conftest import NEEDS

torch = pytest.importorskip("torch", reason=NEEDS)
pytest.importorskip("transformers", reason=NEEDS)

from transformers import BertForSequenceClassification  # noqa: E402

from edgebench import plugins  # noqa: E402
from edgebench.backends.base import Options, Session  # noqa: E402
from edgebench.errors import MissingError, UsageError  # noqa: E402
from edgebench.train import nets  # noqa: E402
from edgebench.train.export import BACKENDS, Classifier, Exported, export, parity, probabilities, whole  # noqa: E402

LENGTHS = (8, 24)  # of the TFLite files
WRITERS = {
    "onnx": (("onnx", "onnxruntime"), "edgebench[export]"),
    "tflite": (("litert_torch", "ai_edge_quantizer"), "edgebench[export]"),
    "torchscript": (("torch",), "edgebench[torch]"),
}
# how far a probability may be from the net's: fp32 is the same arithmetic in another order; int8 has steps of 1/127 of the
# largest weight of a channel (1/64 in TorchScript), in a net of random weights that damps none of it
BOUND = {"fp32": 1e-4, "int8": 0.05}
CLEAR = 0.2  # a prediction that leads by more keeps its label in int8

VARIANTS = [
    pytest.param((form, precision), id=f"{form}-{precision}", marks=[pytest.mark.slow] if form == "tflite" else [])
    for form in WRITERS for precision in ("fp32", "int8")
]
TAKES_ANY = [one for one in VARIANTS if one.values[0][0] != "tflite"]  # type: ignore[index]


def random_net(vocab: int = 100, layers: int = 2) -> BertForSequenceClassification:
    """Three labels, and weights so large that different sentences get different answers."""
    generator = torch.Generator().manual_seed(7)
    net = nets.build(layers=layers, hidden=24, heads=2, ffn=48, labels=3, vocab=vocab).eval()
    for name, parameter in net.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.data = noise if name == "classifier.weight" else noise * 0.1 + name.endswith("LayerNorm.weight")
    return net


def padded_batches() -> list[tuple[torch.Tensor, torch.Tensor]]:
    """96 sentences of 3 to 24 tokens in batches of different sizes and lengths; what stands in the padding is not zero."""
    generator = torch.Generator().manual_seed(1)
    batches = []
    for rows, longest in ((16, 5), (32, 13), (48, 24)):
        used = torch.randint(3, longest + 1, (rows, 1), generator=generator)
        batches.append((torch.randint(4, 100, (rows, longest), generator=generator), (torch.arange(longest)[None] < used).long()))
    return batches


def answers(net: BertForSequenceClassification, batches: list[tuple[torch.Tensor, torch.Tensor]]) -> np.ndarray:
    with torch.no_grad():
        return torch.cat([torch.softmax(net(input_ids=ids, attention_mask=mask).logits, dim=-1) for ids, mask in batches]).numpy()


def need(form: str) -> None:
    modules, extra = WRITERS[form]
    for module in modules:
        pytest.importorskip(module, reason=f"export to {form} needs {module}; install {extra}")


@pytest.fixture(scope="module")
def net() -> BertForSequenceClassification:
    return random_net()


@pytest.fixture(scope="module")
def written(request: pytest.FixtureRequest, net: BertForSequenceClassification, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """The file of the (format, precision) that the test names."""
    form, precision = request.param
    need(form)
    [one] = export(net, tmp_path_factory.mktemp(form) / "tiny", variants=[f"{form}/{precision}"], lengths=LENGTHS)
    return one


def opened(one: Exported) -> Session:
    return plugins.get("backends", BACKENDS[one.format]).open(one.path, Options(threads=1))


def test_the_plain_module_is_the_net(net: BertForSequenceClassification) -> None:
    module = Classifier(net).eval()
    with torch.no_grad():
        for ids, mask in padded_batches():
            torch.testing.assert_close(module(ids, mask), net(input_ids=ids, attention_mask=mask).logits, atol=1e-5, rtol=0)


def test_the_answers_of_the_test_net_differ(net: BertForSequenceClassification) -> None:
    """Else every comparison below would pass on a file that ignores its input."""
    found = answers(net, padded_batches())
    assert np.bincount(found.argmax(axis=1), minlength=3).min() > 10
    assert found.std(axis=0).min() > 0.2


@pytest.mark.parametrize("written", VARIANTS, indirect=True)
def test_a_file_answers_as_the_net_does(written: Exported, net: BertForSequenceClassification) -> None:
    close = parity(net, written, padded_batches())
    assert close.n == 96
    assert close.difference <= BOUND[written.precision]


@pytest.mark.parametrize("written", VARIANTS, indirect=True)
def test_a_clear_label_is_kept(written: Exported, net: BertForSequenceClassification) -> None:
    wanted, found = answers(net, padded_batches()), probabilities(written, padded_batches())
    second, first = np.sort(wanted, axis=1)[:, -2:].T
    clear = first - second > CLEAR
    assert clear.mean() > 0.5
    assert np.array_equal(found.argmax(axis=1)[clear], wanted.argmax(axis=1)[clear])


@pytest.mark.parametrize("written", TAKES_ANY, indirect=True)
def test_padding_changes_no_answer(written: Exported) -> None:
    """In int8 little: one step for a whole tensor is as wide as its largest value, and padding has values too."""
    [(ids, mask), *_] = padded_batches()
    wide, real = torch.cat([ids, ids.flip(1)], dim=1), torch.cat([mask, torch.zeros_like(mask)], dim=1)
    difference = np.abs(probabilities(written, [(wide, real)]) - probabilities(written, [(ids, mask)])).max()
    assert difference <= {"fp32": 1e-5, "int8": BOUND["int8"]}[written.precision]


@pytest.mark.slow
@pytest.mark.parametrize("written", [("tflite", "fp32"), ("tflite", "int8")], ids="-".join, indirect=True)
def test_padding_changes_no_answer_of_tflite(written: Exported) -> None:
    """Nor in int8: each token's activations have a step of their own."""
    session = opened(written)
    ids = np.random.default_rng(0).integers(4, 100, (1, LENGTHS[-1]), dtype=np.int32)
    mask = (np.arange(LENGTHS[-1])[None] < 6).astype(np.int32)
    short, long = (session.run({"input_ids": ids[:, :n], "attention_mask": mask[:, :n]})["logits"] for n in LENGTHS)
    np.testing.assert_allclose(long, short, atol=1e-4)


@pytest.mark.parametrize("written", TAKES_ANY, indirect=True)
def test_one_file_takes_any_batch_and_length(written: Exported) -> None:
    session = opened(written)
    assert session.lengths == ()
    for shape in ((1, 1), (1, 31), (5, 2), (3, 512)):
        ids = np.ones(shape, np.int64)
        assert session.run({"input_ids": ids, "attention_mask": ids})["logits"].shape == (shape[0], 3)


@pytest.mark.slow
@pytest.mark.parametrize("written", [("tflite", "fp32"), ("tflite", "int8")], ids="-".join, indirect=True)
def test_a_tflite_file_has_a_signature_for_each_length(written: Exported) -> None:
    assert opened(written).lengths == LENGTHS


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_signatures_share_the_weights(precision: str, tmp_path: Path) -> None:
    need("tflite")
    net = random_net(vocab=60_000)  # most of the file, as in a real net
    (one,), (three,) = (
        export(net, tmp_path / str(len(lengths)), variants=[f"tflite/{precision}"], lengths=lengths) for lengths in ((8,), (8, 16, 24))
    )
    assert one.size_bytes < three.size_bytes < one.size_bytes * 1.1


@pytest.mark.slow
@pytest.mark.parametrize("written", [("tflite", "fp32"), ("tflite", "int8")], ids="-".join, indirect=True)
def test_a_tflite_file_holds_what_tflite_runtime_2_14_knows(written: Exported) -> None:
    """No GATHER_ND, which it refuses, and no scale for each channel, which it ignores. With zero points for activations it is
    as far from a fine-tuned gte-small as LiteRT is (0.008 in a probability, mean of 252 sentences), without them 0.021."""
    from ai_edge_litert import schema_py_generated as schema

    tree = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(written.path.read_bytes()), 0))
    newest = {code.builtinCode: code.version for code in tree.operatorCodes}
    assert schema.BuiltinOperator.GATHER_ND not in newest
    assert newest[schema.BuiltinOperator.FULLY_CONNECTED] <= 9
    int8 = [tensor for graph in tree.subgraphs for tensor in graph.tensors if tensor.type == schema.TensorType.INT8]
    assert all(len(tensor.quantization.scale) == 1 for tensor in int8)
    products = [one.builtinOptions for graph in tree.subgraphs for one in graph.operators if isinstance(one.builtinOptions, schema.FullyConnectedOptionsT)]
    if written.precision == "int8":
        assert len(int8) == len(LENGTHS) * (1 + 2 * 6 + 2)  # words; four maps and two of the FFN in each layer; pooler and head
        assert all(one.asymmetricQuantizeInputs for one in products)
    else:
        assert not int8


@pytest.mark.parametrize("written", VARIANTS, indirect=True)
def test_a_file_names_no_folder_of_the_machine_that_wrote_it(written: Exported) -> None:
    records = [written.path.read_bytes()]
    if zipfile.is_zipfile(written.path):
        with zipfile.ZipFile(written.path) as archive:
            records += [archive.read(name) for name in archive.namelist()]
    for folder in (Path(torch.__file__).parent, Path(nets.__file__).parent, written.path.parent, Path.home() / "", Path.cwd() / ""):
        assert not any(os.fsencode(folder) + b"/" in record for record in records), folder


@pytest.mark.parametrize("written", VARIANTS, indirect=True)
def test_a_file_is_named_after_its_folder_and_precision_and_its_digest_is_its_own(written: Exported) -> None:
    import hashlib

    suffix = {"onnx": ".onnx", "tflite": ".tflite", "torchscript": ".pt"}[written.format]
    assert written.path.name == f"tiny-{written.precision}{suffix}"
    assert (written.sha256, written.size_bytes) == (hashlib.sha256(written.path.read_bytes()).hexdigest(), written.path.stat().st_size)
    assert [path.name for path in written.path.parent.iterdir()] == [written.path.name]  # nothing is left of the steps between


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"variants": ["onx/int8"]}, r"there is no variant 'onx/int8' to export to; there are onnx/fp32, onnx/int8, .* Did you mean 'onnx/int8'\?"),
        ({"variants": ["onnx"]}, r"there is no variant 'onnx' to export to"),
        ({"lengths": []}, "lengths are empty; expected whole numbers from 1 to 512"),
        ({"lengths": [0, 32]}, "lengths are 0, 32; expected whole numbers from 1 to 512, the positions the net knows"),
        ({"lengths": [600]}, "lengths are 600; expected whole numbers from 1 to 512"),
    ],
)
def test_what_cannot_be_exported_is_wrong_usage(net: BertForSequenceClassification, tmp_path: Path, options: dict[str, list], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        export(net, tmp_path / "none", **options)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("form", "module"), [("onnx", "onnx"), ("onnx", "onnxruntime.quantization"), ("tflite", "litert_torch"), ("tflite", "ai_edge_quantizer")],
)
def test_a_missing_library_says_what_to_install(
    net: BertForSequenceClassification, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, module: str,
) -> None:
    for one in ("litert_torch", "ai_edge_quantizer"):  # importing the one that is not missing here would take seconds
        monkeypatch.setitem(sys.modules, one, type(sys)(one))
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingError, match=rf"export to {form} needs {module}, which cannot be imported .*; install edgebench\[export\]$"):
        export(net, tmp_path / "none", variants=[f"{form}/fp32"])


def test_a_missing_library_is_found_before_anything_is_written(
    net: BertForSequenceClassification, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_quantizer", None)
    with pytest.raises(MissingError, match="export to tflite needs ai_edge_quantizer"):
        export(net, tmp_path / "none", variants=["torchscript/fp32", "tflite/fp32"])
    assert not list(tmp_path.rglob("*.pt"))


def test_an_interrupted_write_leaves_no_half_file(tmp_path: Path) -> None:
    def write_half() -> None:
        with whole(tmp_path / "tiny.onnx") as part:
            part.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert not list(tmp_path.iterdir())


def test_an_interrupted_export_leaves_the_earlier_file(tmp_path: Path) -> None:
    net = random_net()
    [before] = export(net, tmp_path / "tiny", variants=["torchscript/fp32"])

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    net.classifier.register_forward_hook(stop)
    with pytest.raises(KeyboardInterrupt):
        export(net, tmp_path / "tiny", variants=["torchscript/fp32"])
    assert [path.read_bytes() for path in (tmp_path / "tiny").iterdir()] == [before.path.read_bytes()]
    assert parity(random_net(), before, padded_batches()).difference <= BOUND["fp32"]


@pytest.mark.slow
def test_a_sentence_longer_than_the_longest_signature_is_wrong_usage(net: BertForSequenceClassification, tmp_path: Path) -> None:
    need("tflite")
    [one] = export(net, tmp_path / "short", variants=["tflite/fp32"], lengths=[4])
    with pytest.raises(UsageError, match="a sentence has 5 tokens, the file takes at most 4; export it with a longer length"):
        parity(net, one, [(torch.ones(1, 5, dtype=torch.int64),) * 2])


@pytest.mark.slow
def test_a_length_given_twice_is_one_signature(net: BertForSequenceClassification, tmp_path: Path) -> None:
    need("tflite")
    [one] = export(net, tmp_path / "twice", variants=["tflite/fp32"], lengths=[8, 4, 8])
    assert opened(one).lengths == (4, 8)


@pytest.mark.slow
@pytest.mark.parametrize("form", WRITERS)
def test_tinybert_in_int8_is_a_quarter_of_its_size(form: str, tmp_path: Path) -> None:
    """14.4 million parameters: 57 MB in fp32, 14 to 17 MB in int8, which only holds if the word table is quantised too."""
    need(form)
    torch.manual_seed(0)
    net = nets.build(layers=4, hidden=312, heads=12, ffn=1200, labels=2).eval()
    full, small = export(net, tmp_path / "tinybert", variants=[f"{form}/fp32", f"{form}/int8"])
    assert 57e6 < full.size_bytes < 59e6
    assert 14e6 < small.size_bytes < 17.5e6
