"""What the runtime costs beside the engine it calls, and beside the libraries people use today."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

import edgebench
from edgebench.backends.base import Options
from edgebench.models import card as cards
from edgebench.plugins import get

from .conftest import MODEL, Process, fresh, in_turn, python, ratio

pytestmark = pytest.mark.benchmark_figures

TEXT = "it 's a charming and often affecting journey ."
ANSWER = f"import edgebench; pipe = edgebench.load({MODEL!r}, backend='onnxruntime', precision='{{precision}}'); print(pipe({TEXT!r}).label)"


@pytest.mark.parametrize("backend", ["onnxruntime", "tflite"])
def test_a_pipeline_call_costs_little_more_than_tokenizer_and_engine(backend: str, card_path: Path, figure: Callable[..., None], benchmark: Any) -> None:
    card = cards.read(card_path)
    engine = get("backends", backend)
    try:
        engine.version()
    except edgebench.EdgebenchError as error:
        pytest.skip(str(error))
    variant = card.variant(engine.formats[0], "int8")
    session = engine.open(card_path.parent / variant.file, Options(threads=1))
    tokenizer = Tokenizer.from_file(str(card_path.parent / card.files["tokenizer"].file))
    tokenizer.no_padding()
    tokenizer.enable_truncation(128)
    dtypes = {spec.name: spec.dtype for spec in session.inputs}
    width = next((length for length in session.lengths if length >= len(tokenizer.encode(TEXT).ids)), None)

    def raw() -> Any:
        encoding = tokenizer.encode(TEXT)
        ids, mask = encoding.ids, encoding.attention_mask
        pad = (width or len(ids)) - len(ids)
        return session.run({
            "input_ids": np.array([ids + [0] * pad], dtype=dtypes["input_ids"]),
            "attention_mask": np.array([mask + [0] * pad], dtype=dtypes["attention_mask"]),
        })

    with edgebench.load(MODEL, backend=backend, precision="int8") as pipe:
        ours, theirs = in_turn(lambda: pipe(TEXT), raw, 3000)
        benchmark.pedantic(pipe, args=(TEXT,), rounds=200, warmup_rounds=20)
    found = ratio(ours, theirs)
    microseconds = [round(statistics.median(times) / 1e3) for times in (ours, theirs)]
    figure(f"pipeline / (tokenizers + {backend})", found.value, "<= 1.05", n=len(ours), quartiles=found.quartiles, microseconds=microseconds)
    assert found.value <= 1.05


def test_batch_is_faster_than_one_padded_loop(card_path: Path, sentences: list[str], figure: Callable[..., None]) -> None:
    with edgebench.load(MODEL, backend="onnxruntime", precision="int8") as pipe:
        inputs = pipe._inputs

        def padded() -> list[str]:
            found = []
            for at in range(0, len(sentences), 32):
                chosen = sentences[at:at + 32]
                feeds, encoded = pipe.task.encode(chosen, inputs, (128,))
                found += [one.label for one in pipe.task.decode(pipe._session.run(feeds), encoded)]
            return found

        agree = np.mean([one.label == label for one, label in zip(pipe.batch(sentences), padded(), strict=True)])
        ours, theirs = in_turn(lambda: pipe.batch(sentences), padded, 5)
    found = ratio(theirs, ours)
    figure("one padded loop / batch", found.value, ">= 2", n=len(ours), quartiles=found.quartiles, sentences=len(sentences), agreement=round(float(agree), 4))
    assert agree >= 0.99
    assert found.value >= 2


def test_import_and_help_are_quick(figure: Callable[..., None]) -> None:
    empty = [fresh(python("pass")).wall_s for _ in range(15)]
    imported = [fresh(python("import edgebench")).wall_s for _ in range(15)]
    helped = [fresh(python("from edgebench.cli import main; main(['--help'])")).wall_s for _ in range(15)]
    base = statistics.median(empty)
    figure("import edgebench, s beyond an empty Python", statistics.median(imported) - base, "<= 0.1", n=15, quartiles=_quartiles(imported, base))
    figure("edgebench --help, s whole process", statistics.median(helped), "<= 0.2", n=15, quartiles=_quartiles(helped))
    assert statistics.median(imported) - base <= 0.1
    assert statistics.median(helped) <= 0.2


def _quartiles(seconds: list[float], base: float = 0.0) -> tuple[float, float]:
    low, _, high = statistics.quantiles(seconds, n=4)
    return round(low - base, 4), round(high - base, 4)


@pytest.fixture(scope="module")
def checkpoint(card_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled fp32 weights as a transformers checkpoint, checked to give the same logits."""
    torch = pytest.importorskip("torch", reason="the comparison needs torch and transformers; install edgebench[train]")
    pytest.importorskip("transformers", reason="the comparison needs transformers; install edgebench[train]")
    pytest.importorskip("onnx", reason="the weights are read with onnx; install edgebench[test]")
    from .checkpoint import from_onnx

    card = cards.read(card_path)
    folder = tmp_path_factory.mktemp("checkpoint")
    onnx, tokenizer = card_path.parent / card.variant("onnx", "fp32").file, card_path.parent / card.files["tokenizer"].file
    net = from_onnx(onnx, tokenizer, folder, list(card.labels))
    with edgebench.load(MODEL, backend="onnxruntime", precision="fp32") as pipe, torch.inference_mode():
        ids = Tokenizer.from_file(str(folder / "tokenizer.json")).encode(TEXT).ids
        theirs = torch.softmax(net.eval()(input_ids=torch.tensor([ids])).logits, -1)[0].tolist()
        assert list(pipe(TEXT).scores.values()) == pytest.approx(theirs, abs=1e-4)
    return folder


@pytest.fixture(scope="module", params=["fp32", "int8"])
def processes(request: pytest.FixtureRequest, checkpoint: Path) -> tuple[str, list[Process], list[Process]]:
    """Our precision; then whole processes that give one answer, of a transformers pipeline in fp32 and of ours, in turn."""
    code = f"from transformers import pipeline; print(pipeline('text-classification', model={str(checkpoint)!r})({TEXT!r}))"
    quiet = {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_OFFLINE": "1"}
    pairs = [(fresh(python(code), environment=quiet), fresh(python(ANSWER.format(precision=request.param)))) for _ in range(7)][1:]
    return request.param, [theirs for theirs, _ in pairs], [ours for _, ours in pairs]


def test_first_answer_beside_a_transformers_pipeline(processes: tuple[str, list[Process], list[Process]], figure: Callable[..., None]) -> None:
    precision, theirs, ours = processes
    found = ratio([one.wall_s for one in theirs], [one.wall_s for one in ours])
    seconds = round(statistics.median(one.wall_s for one in ours), 3)
    figure(f"start to first answer, transformers fp32 / edgebench {precision}", found.value, ">= 15", n=len(ours), quartiles=found.quartiles, ours_s=seconds)
    assert found.value >= 15


def test_peak_memory_beside_a_transformers_pipeline(
    processes: tuple[str, list[Process], list[Process]], figure: Callable[..., None], request: pytest.FixtureRequest
) -> None:
    precision, theirs, ours = processes
    found = ratio([one.peak_bytes for one in theirs], [one.peak_bytes for one in ours])
    megabytes = round(statistics.median(one.peak_bytes for one in ours) / 1e6)
    figure(f"peak memory, transformers fp32 / edgebench {precision}", found.value, ">= 4", n=len(ours), quartiles=found.quartiles, ours_mb=megabytes)
    if precision == "fp32":  # the engine alone took 153 MB with any of its options; see docs/figures.md
        request.applymarker(pytest.mark.xfail(strict=True, reason="onnxruntime holds a file and its tensors at once while it loads"))
    assert found.value >= 4


def test_first_answer_beside_a_light_runtime(card_path: Path, checkpoint: Path, figure: Callable[..., None]) -> None:
    pytest.importorskip("fastembed", reason="the comparison needs fastembed")
    from .checkpoint import fastembed_code

    code = fastembed_code(card_path.parent / cards.read(card_path).variant("onnx", "fp32").file, checkpoint, TEXT)
    pairs = [(fresh(python(code)), fresh(python(ANSWER.format(precision="fp32")))) for _ in range(8)][1:]
    found = ratio([one.wall_s for one, _ in pairs], [one.wall_s for _, one in pairs])
    figure("start to first answer, fastembed / edgebench, same file", found.value, ">= 2", n=len(pairs), quartiles=found.quartiles)
    assert found.value >= 2
