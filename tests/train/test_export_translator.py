"""A translator becomes files of two graphs that `load` translates with, as the net does and as transformers would."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.train.conftest import NEEDS

torch = pytest.importorskip("torch", reason=NEEDS)
transformers = pytest.importorskip("transformers", reason=NEEDS)
for module in ("onnx", "sentencepiece", "sacrebleu"):
    pytest.importorskip(module, reason=f"export of translators needs {module}; install edgebench[export]")

import edgebench  # noqa: E402
from edgebench.errors import EngineError, IntegrityError, UsageError  # noqa: E402
from edgebench.models import card as cards  # noqa: E402
from edgebench.models.artifact import verify  # noqa: E402
from edgebench.train import export_translator, marian, pieces, translate  # noqa: E402
from edgebench.train.export import BACKENDS  # noqa: E402
from edgebench.train.export_translator import VARIANTS, published, write  # noqa: E402
from tests.train.test_translate import sentences, weights  # noqa: E402, F401

TEXTS = ("red dog", "a big house", "two", "the tree sees café", "")


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> Path:  # noqa: F811
    """Every variant of the net with random weights, written and scored."""
    return write(published("tiny-en-fr", weights, "words"), tmp_path_factory.mktemp("models"), sentences(30))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_of_two_files_is_opened_and_scored(card: Path, variant: str) -> None:
    read = cards.read(card)
    form, precision = variant.split("/")
    found = read.variant(form, precision)
    assert [one.file for one in found.files] == [
        f"tiny-en-fr/tiny-en-fr-{part}-{precision}.{'onnx' if form == 'onnx' else 'pt'}" for part in ("encoder", "step")
    ]
    for file in read.listed:
        verify(card.parent / file.file, file.sha256, file.size_bytes)
    assert found.total_bytes == sum((card.parent / one.file).stat().st_size for one in found.files)
    assert found.accuracy is not None
    assert found.accuracy.n == 30


@pytest.mark.parametrize("variant", ["onnx/fp32", "torchscript/fp32"])
def test_the_files_say_what_the_net_says(card: Path, weights: Path, variant: str) -> None:  # noqa: F811
    net, names = marian.load(weights), pieces.names_of(weights / "vocab.json")
    reader, writer = pieces.reader(weights / "source.spm", names), pieces.writer(names)
    form, precision = variant.split("/")
    with edgebench.load(str(card), backend=BACKENDS[form], precision=precision, allow_code=True) as pipe:
        for text in TEXTS[:-1]:
            (wanted,) = translate.greedy(net, [reader.encode(text).ids])
            assert pipe(text).text == writer.decode(wanted).strip()
        assert pipe("").text == ""
        assert [one.text for one in pipe.batch(TEXTS)] == [pipe(text).text for text in TEXTS]
        staged = pipe.stages("red dog")
        assert list(staged.stages_ns) == ["tokenise", "encoder", "decoder", "search", "detokenise"]
        assert staged.prediction == pipe("red dog")


@pytest.mark.parametrize("beams", [1, 2, 4])
def test_beams_give_the_translation_that_transformers_gives(card: Path, weights: Path, tmp_path: Path, beams: int) -> None:  # noqa: F811
    shape = marian.load(weights).shape
    config = transformers.MarianConfig(
        vocab_size=shape.vocab, d_model=16, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=24, decoder_ffn_dim=24, max_position_embeddings=64, pad_token_id=shape.start, decoder_start_token_id=shape.start,
        eos_token_id=0, scale_embedding=True, activation_function="swish",
    )  # fmt: skip
    theirs = transformers.MarianMTModel(config).eval()
    theirs.load_state_dict(torch.load(weights / "pytorch_model.bin", weights_only=True), strict=False)
    theirs.tie_weights()
    data = card.read_text().replace("beams = 1", f"beams = {beams}")
    path = card.parent / f"beams-{beams}.toml"
    path.write_text(data.replace('name = "tiny-en-fr"', f'name = "beams-{beams}"', 1))
    names = pieces.names_of(weights / "vocab.json")
    reader, writer = pieces.reader(weights / "source.spm", names), pieces.writer(names)
    with edgebench.load(str(path), precision="fp32") as pipe:
        for text in TEXTS[:-1]:
            ids = reader.encode(text).ids
            wanted = theirs.generate(
                torch.tensor([ids]), num_beams=beams, do_sample=False, max_length=2 * len(ids) + 11, bad_words_ids=[[shape.start]], forced_eos_token_id=None
            )
            assert pipe(text).text == writer.decode(wanted[0].tolist()).strip()


def test_int8_gives_the_output_weights_of_all_eight_bits_and_everything_else_seven(card: Path) -> None:
    onnx = pytest.importorskip("onnx")
    graph = onnx.load(card.parent / "tiny-en-fr" / "tiny-en-fr-step-int8.onnx").graph
    kinds = {one.name: one.data_type for one in graph.initializer}
    products = {node.name: kinds[node.input[1]] for node in graph.node if node.op_type == "MatMulInteger"}
    unsigned = [name for name, kind in products.items() if kind == onnx.TensorProto.UINT8]
    assert [("output" in name) for name in unsigned] == [True]
    assert {kind for name, kind in products.items() if name not in unsigned} == {onnx.TensorProto.INT8}
    encoder = onnx.load(card.parent / "tiny-en-fr" / "tiny-en-fr-encoder-int8.onnx").graph
    constants = {one.name for one in encoder.initializer}
    assert [node.name for node in encoder.node if node.op_type == "MatMul" and node.input[1] in constants] == ["/fc2/MatMul", "/fc2_1/MatMul"]
    assert len(products) == 1 + 2 * 8  # a layer's: three and one of self-attention, two of attention to the source, two of feed-forward


def test_a_trimmed_translator_keeps_as_many_pieces_as_were_asked_for(weights: Path) -> None:  # noqa: F811
    made = published("tiny-en-fr", weights, "words")
    small = export_translator.trimmed(made, sentences(1), 40)
    assert (small.name, len(small.names), small.net.shape.vocab) == ("tiny-en-fr-trimmed", 40, 40)
    with pytest.raises(UsageError, match=r"500 pieces are none or all of the \d+ that tiny-en-fr has; give fewer"):
        export_translator.trimmed(made, sentences(1), 500)


def test_a_changed_step_is_not_opened(card: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(card.parent, tmp_path / "models")
    step = tmp_path / "models" / "tiny-en-fr" / "tiny-en-fr-step-int8.onnx"
    step.write_bytes(step.read_bytes()[:-1] + b"?")
    with pytest.raises(IntegrityError, match="sha256 of .*step-int8"):
        edgebench.load(str(tmp_path / "models" / card.name))


def test_a_file_that_disagrees_with_the_net_is_refused(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr(export_translator, "BOUND", {"fp32": 0.0, "int8": 0.0})
    with pytest.raises(EngineError, match="onnx/int8 of tiny-en-fr disagrees with the net"):
        write(published("tiny-en-fr", weights, "words"), tmp_path, sentences(3), variants=["onnx/int8"])


def test_a_variant_that_a_translator_has_not_is_refused(weights: Path, tmp_path: Path) -> None:  # noqa: F811
    with pytest.raises(UsageError, match="no variant 'tflite/int8' of a translator"):
        write(published("tiny-en-fr", weights, "words"), tmp_path, sentences(3), variants=["tflite/int8"])
