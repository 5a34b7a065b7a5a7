"""A net of many speeds becomes a card whose every point answers as the net does there, from one file of weights."""

from __future__ import annotations

import shutil
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from tests.train.conftest import NEEDS

torch = pytest.importorskip("torch", reason=NEEDS)
pytest.importorskip("transformers", reason=NEEDS)
pytest.importorskip("onnx", reason="export to onnx needs onnx; install edgebench[test]")
pytest.importorskip("tomli_w", reason="cards are written with tomli-w; install edgebench[export]")

from tokenizers import Tokenizer  # noqa: E402

import edgebench  # noqa: E402
from edgebench.errors import IntegrityError, UsageError  # noqa: E402
from edgebench.models import card as cards  # noqa: E402
from edgebench.models.data import Labelled  # noqa: E402
from edgebench.pipeline.dynamic import DynamicPipeline  # noqa: E402
from edgebench.train import elastic, nets  # noqa: E402
from edgebench.train.checkpoint import Source  # noqa: E402
from edgebench.train.data import Examples  # noqa: E402
from edgebench.train.dynamic import Recipe  # noqa: E402
from edgebench.train.elastic import Elastic  # noqa: E402
from edgebench.train.exits import Exits  # noqa: E402
from edgebench.train.export_dynamic import Run, write  # noqa: E402
from edgebench.train.loop import Schedule  # noqa: E402

TEXTS = tuple(" ".join(words).strip() for words in product(("good", "bad", "dull film"), ("fine", "a", "films"), ("", "film good")))


def run(method: str, tokenizer: Path) -> Run:
    torch.manual_seed(3)
    net = nets.build(layers=4, hidden=24, heads=4, ffn=1_024, labels=2, vocab=11)  # matrices so large that they are shared
    for name, parameter in net.named_parameters():
        torch.nn.init.normal_(parameter, mean=float(name.endswith("LayerNorm.weight")), std=0.1 + name.startswith("classifier"))
    schedule = Schedule(epochs=1, batch_size=8, learning_rate=1e-3)
    shares = {"widths": (1.0, 0.5), "depths": (1.0, 0.5)} if method == "elastic" else {}
    recipe = Recipe(1, method, "a test", "text-classification", method, "tiny", 0, "tiny", schedule, **shares)  # type: ignore[arg-type]
    module = Elastic(net.eval(), recipe.points) if method == "elastic" else Exits(net.eval())
    for name, parameter in module.named_parameters():
        if name.startswith("classifiers"):
            torch.nn.init.normal_(parameter, std=0.5)
    return Run(recipe, {"train_sha256": "ab" * 32}, module.eval(), Source(net, tokenizer, ("negative", "positive"), 16, "Apache-2.0", "tiny"))


@pytest.fixture(scope="module")
def tokenizer(bag_of_words: Path) -> Path:
    return bag_of_words.parent / "bag" / "tokenizer.json"


def written(method: str, tokenizer: Path, into: Path, *variants: str) -> tuple[Run, Path]:
    made = run(method, tokenizer)
    ids = [one.ids for one in Tokenizer.from_file(str(tokenizer)).encode_batch(list(TEXTS))]
    labels = tuple(at % 2 for at in range(len(TEXTS)))
    labelled = Labelled(TEXTS, labels, ("negative", "positive"), "tiny", "dev", "made in a test", "", "", "")
    return made, write(made, into, labelled, Examples(ids, list(labels)), variants=variants)


@pytest.fixture(scope="module")
def elastic_card(tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    """An elastic net's run and its card."""
    return written("elastic", tokenizer, tmp_path_factory.mktemp("elastic"), "onnx/fp32", "onnx/int8")


@pytest.fixture(scope="module")
def exits_card(tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    """Those of a net with exits."""
    return written("exits", tokenizer, tmp_path_factory.mktemp("exits"), "onnx/fp32", "torchscript/fp32")


def probabilities(logits: torch.Tensor) -> list[float]:
    return torch.softmax(logits[0], 0).tolist()


def test_every_point_of_an_elastic_card_answers_as_the_net_does_there(elastic_card: tuple[Run, Path], tokenizer: Path) -> None:
    made, path = elastic_card
    encoder = Tokenizer.from_file(str(tokenizer))
    for precision, near in (("fp32", 1e-5), ("int8", 0.1)):
        with edgebench.load(str(path), precision=precision) as pipe:
            assert isinstance(pipe, DynamicPipeline)
            for point, text in product(made.recipe.points, TEXTS[:5]):
                ids = torch.tensor([encoder.encode(text).ids])
                with torch.no_grad():
                    wanted = probabilities(elastic.at(made.module.net, point).eval()(input_ids=ids).logits)
                assert list(pipe(text, width=point.width, depth=point.depth).scores.values()) == pytest.approx(wanted, abs=near)


def test_the_points_weights_are_one_file(elastic_card: tuple[Run, Path]) -> None:
    _, path = elastic_card
    variant = cards.read(path).variants[0]
    graphs = [one.graph.size_bytes for one in variant.points if one.graph]
    assert len(graphs) == 3
    assert max(graphs) < 0.2 * variant.shared[0].size_bytes
    assert 4 * 2 * 24 * 1_024 * 4 < variant.shared[0].size_bytes < 5 * 2 * 24 * 1_024 * 4


def test_weights_that_were_changed_are_not_opened(elastic_card: tuple[Run, Path], tmp_path: Path) -> None:
    path = shutil.copytree(elastic_card[1].parent, tmp_path / "copy") / elastic_card[1].name
    file = path.parent / cards.read(path).variants[0].shared[0].file
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(IntegrityError, match="sha256"):
        edgebench.load(str(path), precision="fp32")


def test_one_point_can_be_opened_alone(elastic_card: tuple[Run, Path]) -> None:
    _, path = elastic_card
    with edgebench.load(str(path), precision="fp32", point="0.5x0.5") as one, edgebench.load(str(path), precision="fp32") as every:
        assert not isinstance(one, DynamicPipeline)
        assert one(TEXTS[0]) == every(TEXTS[0], point="0.5x0.5")
        assert every(TEXTS[0]) == every(TEXTS[0], width=1.0)
        assert every.batch(list(TEXTS), point="0.5x0.5") == one.batch(list(TEXTS))


@pytest.mark.parametrize(
    ("asked", "said"),
    [({"width": 0.3}, "no point of width 0.3 and depth 1; it has 1 x 1, 1 x 0.5"), ({"point": "half"}, "no operating point 'half'"),
     ({"point": "1x1", "width": 1.0}, "give one or the other")],
)  # fmt: skip
def test_a_point_that_is_not_there_is_one_sentence(elastic_card: tuple[Run, Path], asked: dict[str, object], said: str) -> None:
    _, path = elastic_card
    with edgebench.load(str(path)) as pipe, pytest.raises(UsageError, match=said):
        pipe("good", **asked)


def test_a_target_that_all_points_hold_is_answered_at_the_most_accurate(elastic_card: tuple[Run, Path]) -> None:
    _, path = elastic_card
    with edgebench.load(str(path), target_latency="10 s") as pipe:
        assert pipe.points[pipe.governed[0]].accuracy.value == max(one.accuracy.value for one in pipe.points.values())
        assert pipe("good") == pipe("good", point=pipe.governed[0])
        assert (pipe.governor.calls, pipe.governor.late, pipe.governor.held) == (1, 0, 1.0)


@pytest.mark.parametrize("asked", ["soon", "0 ms", "5"])
def test_a_target_that_is_no_time_is_one_sentence(elastic_card: tuple[Run, Path], asked: str) -> None:
    _, path = elastic_card
    with pytest.raises(UsageError, match="is no length of time"):
        edgebench.load(str(path), target_latency=asked)


def test_a_model_of_one_speed_holds_no_target(bag_of_words: Path) -> None:
    with pytest.raises(UsageError, match="has one speed"):
        edgebench.load(str(bag_of_words), target_latency="5 ms")


@pytest.mark.parametrize("backend", ["onnxruntime", "torchscript"])
def test_a_net_with_exits_answers_as_its_exits_do(exits_card: tuple[Run, Path], tokenizer: Path, backend: str) -> None:
    made, path = exits_card
    assert isinstance(made.module, Exits)
    encoder = Tokenizer.from_file(str(tokenizer))
    with edgebench.load(str(path), backend=backend, allow_code=True) as pipe:
        for text in TEXTS[:6]:
            ids = torch.tensor([encoder.encode(text).ids])
            with torch.no_grad():
                exits = made.module(ids, torch.ones_like(ids))
            entropies = [float(torch.distributions.Categorical(logits=one).entropy()) for one in exits]
            for threshold in (0.02, 0.3, 0.6):
                leaves = next((at for at, nats in enumerate(entropies[:-1]) if nats < threshold), len(exits) - 1)
                found = list(pipe(text, point=f"entropy-{threshold:g}").scores.values())
                assert found == pytest.approx(probabilities(exits[leaves]), abs=1e-5)
            assert list(pipe(text, point="whole").scores.values()) == pytest.approx(probabilities(exits[-1]), abs=1e-5)


def test_a_net_with_exits_answers_a_batch_as_it_answers_one(exits_card: tuple[Run, Path]) -> None:
    _, path = exits_card
    with edgebench.load(str(path), point="entropy-0.5") as pipe:
        together = [list(one.scores.values()) for one in pipe.batch(list(TEXTS), workers=1)]
        assert np.allclose(together, [list(pipe(text).scores.values()) for text in TEXTS], atol=1e-5)
        assert sum(pipe.session.left) == 2 * len(TEXTS)
