"""A translator is taught: what the teacher says, cut to the words that are used, and said by a smaller net."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from tests.train.conftest import NEEDS

torch = pytest.importorskip("torch", reason=NEEDS)
sentencepiece = pytest.importorskip("sentencepiece", reason="translators are trained with sentencepiece; install edgebench[train]")
pytest.importorskip("sacrebleu", reason="translations are scored by sacrebleu; install edgebench[metrics]")

from edgebench.errors import CardError  # noqa: E402
from edgebench.models.data import Labelled  # noqa: E402
from edgebench.train import marian, pieces, translate  # noqa: E402
from edgebench.train.marian import Marian, Shape  # noqa: E402

WORDS = {"dog": "chien", "cat": "chat", "red": "rouge", "big": "grand", "house": "maison", "sees": "voit", "tree": "arbre", "café": "café", "two": "deux"}
RECIPE = """
schema = 1
name = "tiny-en-fr"
about = "a test"
task = "translation"
dataset = "none"
weights = "none"
seed = 3
sentences = 60
least = 1
max_tokens = 24

[student]
encoder = [1]
decoder = [[1, 2, 2]]
schedule = { epochs = 2, batch_size = 8, learning_rate = 1e-3 }
"""


def sentences(count: int) -> Labelled:
    random = Random(0)
    rows = [random.choices(list(WORDS), k=random.randint(1, 5)) for _ in range(count)]
    answers = tuple(" ".join(WORDS[word] for word in row) for row in rows)
    return Labelled(tuple(" ".join(row) for row in rows), answers, (), "words", "train", "made in a test", "ab12", "", "")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `fetch_weights` leaves it: SentencePiece models of both languages, their vocabulary, a net with random weights."""
    folder = tmp_path_factory.mktemp("marian")
    texts = sentences(400)
    names = ["</s>", "<unk>"]
    for side, lines in (("source", texts.texts), ("target", texts.references)):
        (folder / f"{side}.txt").write_text("\n".join(lines))
        sentencepiece.SentencePieceTrainer.train(
            input=str(folder / f"{side}.txt"), model_prefix=str(folder / side), vocab_size=50, hard_vocab_limit=False, minloglevel=2,
            normalization_rule_name="nmt_nfkc", character_coverage=1.0,
        )  # fmt: skip
        (folder / f"{side}.model").rename(folder / f"{side}.spm")
        spm = sentencepiece.SentencePieceProcessor(model_file=str(folder / f"{side}.spm"))
        names += [piece for piece in map(spm.id_to_piece, range(3, spm.get_piece_size())) if piece not in names]
    names.append("<pad>")
    (folder / "vocab.json").write_text(json.dumps({name: number for number, name in enumerate(names)}))
    torch.manual_seed(0)
    shape = Shape(vocab=len(names), width=16, heads=2, ffn=24, encoder_layers=2, decoder_layers=2, end=0, start=len(names) - 1, unknown=1, places=64)
    net = Marian(shape)
    torch.nn.init.normal_(net.bias)
    found = {f"model.{name}": one for name, one in net.state_dict().items() if ".layers." in name}
    torch.save({**found, "model.shared.weight": net.words.weight, "final_logits_bias": net.bias[None]}, folder / "pytorch_model.bin")
    (folder / "config.json").write_text(json.dumps({
        "vocab_size": len(names), "d_model": 16, "encoder_attention_heads": 2, "encoder_ffn_dim": 24, "encoder_layers": 2, "decoder_layers": 2,
        "eos_token_id": 0, "decoder_start_token_id": len(names) - 1, "max_position_embeddings": 64,
    }))  # fmt: skip
    return folder


ODD = ("", " ", "  dog   cat  ", "dog\tcat\ncat", "▁dog", "cafe\u0301", "½ ﬁ ①", "日本語 dog", "😀cat", "dog\u00a0cat", "\ufeffdog", "DOG", "dog" * 20)


def test_the_reader_cuts_as_sentencepiece_does_and_gives_the_nets_numbers(weights: Path) -> None:
    names = pieces.names_of(weights / "vocab.json")
    numbers = {name: number for number, name in enumerate(names)}
    texts = [*sentences(200).texts, *ODD]
    wanted = [[*(numbers.get(piece, 1) for piece in cut), 0] for cut in pieces.cut(weights / "source.spm", texts)]
    assert [one.ids for one in pieces.reader(weights / "source.spm", names).encode_batch(texts)] == wanted


def test_the_writer_gives_back_what_was_cut(weights: Path) -> None:
    names = pieces.names_of(weights / "vocab.json")
    numbers, writer = {name: number for number, name in enumerate(names)}, pieces.writer(names)
    for text in sentences(50).references:
        (cut,) = pieces.cut(weights / "target.spm", [text])
        assert writer.decode([*(numbers[piece] for piece in cut), 0, len(names) - 1]) == text


def test_a_piece_that_is_no_longer_there_is_cut_into_ones_that_are(weights: Path) -> None:
    names = [name for name in pieces.names_of(weights / "vocab.json") if name != "▁dog"]
    reader = pieces.reader(weights / "source.spm", names)
    encoding = reader.encode("dog")
    assert len(encoding.ids) > 2
    assert 1 not in encoding.ids  # not unknown
    assert "".join(names[one] for one in encoding.ids[:-1]) == "▁dog"


def test_greedy_gives_the_likeliest_next_token_each_time_and_ends_within_its_limit(weights: Path) -> None:
    net = marian.load(weights)
    sources = [[5, 6, 0], [7, 0], [9, 10, 11, 12, 0]]
    together = translate.greedy(net, sources, lambda length: 12)
    for source, found in zip(sources, together, strict=True):
        assert translate.greedy(net, [source], lambda length: 12) == [found]
        begun = [net.shape.start, *found]
        with torch.no_grad():
            logits = net(torch.tensor([source]), torch.ones(1, len(source)), torch.tensor([begun]))[0]
        logits[:, net.shape.start] = -1e9
        assert logits.argmax(1).tolist()[: len(found)] == found
        assert len(found) <= 12


def test_a_recipe_runs_end_to_end_and_goes_on_to_the_same_student(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(RECIPE)
    plan, training, dev = translate.read(tmp_path / "tiny.toml"), sentences(80), sentences(20)
    stages: list[str] = []
    result = translate.run(plan, training, dev, weights, tmp_path / "whole", lambda stage, *_: stages.append(stage))
    assert json.loads((tmp_path / "whole" / "result.json").read_text()) == json.loads(json.dumps(result))
    assert stages == ["translate", "student"]
    assert result["teacher"]["bleu"].startswith("BLEU nrefs:1|case:mixed")
    assert (result["n_dev"], result["source_sha256"]) == (20, "ab12")

    def stop(stage: str, *_: object) -> None:
        if stage == "student":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        translate.run(plan, training, dev, weights, tmp_path / "cut", stop)
    translate.run(plan, training, dev, weights, tmp_path / "cut")
    whole, cut = (marian.read(tmp_path / name / "student.pt").state_dict() for name in ("whole", "cut"))
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_only_the_decoder_is_trained_and_the_loss_is_over_real_tokens(weights: Path, tmp_path: Path) -> None:
    from edgebench.train.data import Examples, collate

    (tmp_path / "tiny.toml").write_text(RECIPE)
    student = translate.start(marian.load(weights), translate.read(tmp_path / "tiny.toml"))
    assert {name.split(".")[0] for name, one in student.named_parameters() if one.requires_grad} == {"decoder", "bias"}
    student.eval()
    examples = Examples([[5, 6, 0], [7, 0]], [[4, 8, 9, 0], [4, 0]])
    loss = translate.imitation(student)
    both, one, other = (loss(collate(examples, rows))["cross_entropy"].item() for rows in ([0, 1], [0], [1]))
    assert both == pytest.approx((4 * one + 2 * other) / 6, rel=1e-4)


SHAPE = "shape = { width = 8, heads = 2, ffn = 12, encoder_layers = 2, decoder_layers = 1, dropout = 0.0 }"


def test_a_narrow_student_has_its_own_shape_and_all_of_it_is_trained(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(RECIPE.replace("encoder = [1]\ndecoder = [[1, 2, 2]]", SHAPE))
    teacher = marian.load(weights)
    student = translate.start(teacher, translate.read(tmp_path / "tiny.toml"))
    assert (student.shape.width, student.shape.encoder_layers, student.shape.decoder_layers) == (8, 2, 1)
    assert all(getattr(student.shape, name) == getattr(teacher.shape, name) for name in ("vocab", "start", "end", "unknown"))
    assert all(one.requires_grad for one in student.parameters())


@pytest.mark.parametrize(
    ("given", "said"),
    [("", "neither layers of its teacher nor a shape"), (f"encoder = [1]\ndecoder = [[1, 2, 2]]\n{SHAPE}", "layers of its teacher and a shape")],
)
def test_a_student_has_layers_or_a_shape(tmp_path: Path, given: str, said: str) -> None:
    (tmp_path / "tiny.toml").write_text(RECIPE.replace("encoder = [1]\ndecoder = [[1, 2, 2]]", given))
    with pytest.raises(CardError, match=f"the student has {said}; give encoder and decoder, or shape"):
        translate.read(tmp_path / "tiny.toml")


def test_a_narrow_student_that_learns_from_references_translates_as_they_do(weights: Path, tmp_path: Path) -> None:
    """Its teacher has random weights: what it learns, it has from the references."""
    text = RECIPE.replace("encoder = [1]\ndecoder = [[1, 2, 2]]", SHAPE.replace("width = 8", "width = 32")).replace("least = 1", "least = 1\nreferences = true")
    (tmp_path / "tiny.toml").write_text(text.replace("epochs = 2", "epochs = 40").replace("1e-3", "1e-2"))
    result = translate.run(translate.read(tmp_path / "tiny.toml"), sentences(60), sentences(60), weights, tmp_path / "out")
    assert result["student"]["bleu_dev"] > 5 * max(result["teacher"]["bleu_dev"], 0.02)


def test_a_trimmed_net_is_filled_up_with_the_likeliest_pieces_and_says_the_same_of_those_it_has(weights: Path) -> None:
    net, names = marian.load(weights), pieces.names_of(weights / "vocab.json")
    few = sentences(1)
    small, kept = translate.trimmed(net, weights, few, 1)
    larger, more = translate.trimmed(net, weights, few, 1, len(kept) + 2)
    added = [name for name in more if name not in kept]
    left = [name for name in names if name not in more]
    likely = {**pieces.likelihoods(weights / "source.spm"), **{
        name: max(score, pieces.likelihoods(weights / "source.spm").get(name, score)) for name, score in pieces.likelihoods(weights / "target.spm").items()
    }}  # fmt: skip
    assert len(more) == len(kept) + 2 == larger.shape.vocab == small.shape.vocab + 2
    assert min(likely[name] for name in added) >= max(likely[name] for name in left)
    ids = [names.index(name) for name in more[:6]]
    mask, start = torch.ones(1, 6, dtype=torch.int64), net.shape.start
    wanted = net(torch.tensor([ids]), mask, torch.tensor([[start]]))[..., [names.index(name) for name in more]]
    found = larger(torch.arange(6)[None], mask, torch.tensor([[larger.shape.start]]))
    assert torch.allclose(found, wanted, atol=1e-5)


def test_a_recipe_of_another_task_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(RECIPE.replace('"translation"', '"text-classification"'))
    with pytest.raises(CardError, match="task is 'text-classification'"):
        translate.read(tmp_path / "tiny.toml")


@pytest.mark.slow
def test_thousands_of_captions_are_cut_as_sentencepiece_does_with_the_published_models(monkeypatch: pytest.MonkeyPatch) -> None:
    from edgebench.errors import FetchError
    from edgebench.models import data
    from edgebench.models.weights import fetch_weights

    try:
        folder, labelled = fetch_weights("opus-mt-en-fr", offline=True), data.load("multi30k", "train", offline=True)
    except FetchError as error:
        pytest.skip(f"opus-mt-en-fr or multi30k is not here: {error}")
    names = pieces.names_of(folder / "vocab.json")
    numbers = {name: number for number, name in enumerate(names)}
    texts = [*labelled.texts[:5_000], *ODD]
    wanted = [[*(numbers.get(piece, numbers["<unk>"]) for piece in cut), 0] for cut in pieces.cut(folder / "source.spm", texts)]
    found = [one.ids for one in pieces.reader(folder / "source.spm", names).encode_batch_fast(texts)]
    assert [text for text, a, b in zip(texts, found, wanted, strict=True) if a != b] == []
    writer = pieces.writer(names)
    for cut in pieces.cut(folder / "target.spm", labelled.references[:2_000]):
        if all(piece in numbers for piece in cut):
            assert writer.decode([numbers[piece] for piece in cut]) == "".join(cut).replace("▁", " ").strip()
