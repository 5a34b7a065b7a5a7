"""From a net that knows its task to a smaller one that still does."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.train.conftest import NEEDS

torch = pytest.importorskip("torch", reason=NEEDS)
pytest.importorskip("transformers", reason=NEEDS)

from edgebench.errors import UsageError  # noqa: E402
from edgebench.models.data import Labelled  # noqa: E402
from edgebench.train import nets  # noqa: E402
from edgebench.train.checkpoint import Source  # noqa: E402
from edgebench.train.compress import Plan, compress  # noqa: E402
from edgebench.train.data import tokenised  # noqa: E402
from edgebench.train.loop import Schedule, accuracy, train  # noqa: E402

WORDS = ("good", "fine", "bad", "dull")


@pytest.fixture(scope="module")
def texts() -> Labelled:
    """Whether a text holds `good` or `bad` decides."""
    random = Random(0)
    labels = tuple(row % 2 for row in range(200))
    rows = tuple(" ".join(random.sample([("bad", "good")[label], *random.choices(("a", "film", "films"), k=3)], k=4)) for label in labels)
    return Labelled(rows, labels, ("negative", "positive"), "tiny", "train", "", "ab" * 32, "", "")


@pytest.fixture(scope="module")
def source(bag_of_words: Path, texts: Labelled, tmp_path_factory: pytest.TempPathFactory) -> Source:
    """A net of two layers, trained until it knows."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    tokenizer, out = bag_of_words.parent / "bag" / "tokenizer.json", tmp_path_factory.mktemp("teacher")
    net, examples = nets.build(layers=2, hidden=32, heads=4, ffn=64, labels=2, vocab=11, dropout=0.0), tokenised(texts, tokenizer, 16)

    def loss(batch):  # type: ignore[no-untyped-def]
        return {"cross_entropy": torch.nn.functional.cross_entropy(net(input_ids=batch.ids, attention_mask=batch.mask).logits, batch.labels)}

    train(loss, net, examples, Schedule(epochs=5, batch_size=20, learning_rate=3e-3), seed=0, checkpoint=out / "c", log=out / "l")
    assert accuracy(net, examples) == 1.0
    return Source(net.eval(), tokenizer, ("negative", "positive"), 16, "Apache-2.0", "tiny, sha256 00")


@pytest.mark.parametrize(  # positions are half of so small a net, and no method's concern
    ("methods", "smaller"), [(("prune",), 0.8), (("factorize",), 0.8), (("trim",), 0.9999), (("trim", "factorize", "prune"), 0.7),
                              (("tinybert",), 0.6), (("distilbert",), 0.8)],
    ids=["prune", "factorize", "trim", "all", "tinybert", "distilbert"],
)
def test_what_comes_out_is_smaller_and_still_knows_the_task(source: Source, texts: Labelled, tmp_path: Path, methods: tuple[str, ...], smaller: float) -> None:
    work, facts = compress(source, texts, texts, Plan(methods, epochs=3, learning_rate=2e-3, batch_size=20), tmp_path)
    assert facts["after"]["parameters"] == nets.parameter_count(work.net) < smaller * facts["before"]["parameters"]
    assert facts["after"]["accuracy_dev"] > 0.98
    assert accuracy(work.net, tokenised(texts, work.tokenizer, 16)) == facts["after"]["accuracy_dev"]


def test_imitation_wins_back_what_pruning_lost(source: Source, texts: Labelled, tmp_path: Path) -> None:
    losses: list[dict[str, float]] = []
    plan = Plan(("prune",), keep=0.25, epochs=10, learning_rate=3e-3, batch_size=20)
    lost, _ = compress(source, texts, texts, Plan(("prune",), keep=0.25, epochs=0), tmp_path / "lost")
    won, _ = compress(source, texts, texts, plan, tmp_path / "won", lambda stage, step, steps, terms: losses.append(terms))
    examples = tokenised(texts, source.tokenizer, 16)

    def error(net: torch.nn.Module) -> float:
        from edgebench.train.loop import predict_logits

        return (predict_logits(net, examples) - predict_logits(source.net, examples)).pow(2).mean().item()

    assert error(won.net) < error(lost.net) / 2
    assert set(losses[-1]) == {"soft_cross_entropy", "hidden"}


def test_the_same_seed_gives_the_same_net(source: Source, texts: Labelled, tmp_path: Path) -> None:
    plan = Plan(("prune",), seed=3, batch_size=20)
    one, two = (compress(source, texts, texts, plan, tmp_path / name)[0].net.state_dict() for name in "ab")
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_folder_of_another_plan_is_not_gone_on_with(source: Source, texts: Labelled, tmp_path: Path) -> None:
    """Its checkpoint would be taken for this plan's."""
    compress(source, texts, texts, Plan(("prune",), epochs=0), tmp_path)
    compress(source, texts, texts, Plan(("prune",), epochs=0), tmp_path)
    with pytest.raises(UsageError, match="holds another compression; give another name, or delete it"):
        compress(source, texts, texts, Plan(("prune",), epochs=0, seed=1), tmp_path)


def test_the_source_is_left_as_it_was(source: Source, texts: Labelled, tmp_path: Path) -> None:
    before = {name: tensor.clone() for name, tensor in source.net.state_dict().items()}
    compress(source, texts, texts, Plan(("trim", "prune", "factorize"), batch_size=20), tmp_path)
    assert all(torch.equal(tensor, before[name]) for name, tensor in source.net.state_dict().items())


def test_held_out_texts_are_trained_on_by_no_method(source: Source, texts: Labelled, tmp_path: Path) -> None:
    _, facts = compress(source, texts, texts, Plan(("prune",), epochs=1, held_out=50, batch_size=20), tmp_path)
    assert f"{len(texts) - 40:,} examples" in facts["done"][1]  # a fifth at most is held out


@pytest.mark.parametrize(
    ("options", "said"),
    [({"methods": ("adabert", "trim")}, "adabert makes a net of cells, so it must come last"),
     ({"methods": ("adabert",), "epochs": 0}, "adabert has nothing to search with in 0 epochs"),
     ({"methods": ("mobilebert",)}, "mobilebert cannot be made out of a plain BERT: .*edgebench train mobilebert-sst2"),
     ({"methods": ("prun",)}, "there is no method 'prun'; there are .*Did you mean 'prune'"), ({"methods": ()}, "methods are none, keep is 0.5"),
     ({"methods": ("prune",), "keep": 2.0}, "keep is 2.0")],
)
def test_a_plan_that_cannot_be_carried_out_is_wrong_usage(options: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Plan(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["tinybert", "distilbert", "prune", "factorize", "quantize"])  # adabert: test_search.py
def test_training_lowers_the_loss_of_each_stage(source: Source, texts: Labelled, tmp_path: Path, method: str) -> None:
    """After one step and after many, of the same batches in the same order."""
    found: dict[str, dict[str, float]] = {}
    for name, epochs in (("one", 1 / 8), ("many", 8.0)):
        plan = Plan((method,), keep=0.5, epochs=epochs, learning_rate=2e-3, batch_size=20, bits=4)
        ends = found.setdefault(name, {})

        def progress(stage: str, step: int, steps: int, losses: dict[str, float], ends: dict[str, float] = ends) -> None:
            if step == steps:
                ends[stage] = sum(losses.values())

        compress(source, texts, texts, plan, tmp_path / name, progress)
    assert found["one"].keys() == found["many"].keys()
    assert all(found["many"][stage] < found["one"][stage] for stage in found["one"]), found


@pytest.mark.parametrize("method", ["prune", "factorize", "trim", "tinybert", "distilbert", "quantize", "adabert"])
def test_the_file_of_what_a_method_makes_gives_the_nets_numbers(source: Source, texts: Labelled, tmp_path: Path, method: str) -> None:
    pytest.importorskip("onnx", reason="files are written with onnx; install edgebench[export]")
    from edgebench.train.data import collate
    from edgebench.train.export import export, parity

    work, _ = compress(source, texts, texts, Plan((method,), epochs=0.25, learning_rate=2e-3, batch_size=20), tmp_path / "run")
    (written,) = export(work.net, tmp_path / "small", variants=["onnx/fp32"], lengths=[16])
    examples = tokenised(texts, work.tokenizer, 16)
    close = parity(work.net, written, [(one.ids, one.mask) for one in (collate(examples, range(at, at + 4)) for at in range(0, 40, 4))])
    assert close.difference < 1e-4
