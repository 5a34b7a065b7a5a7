"""The four passes over the bag of words and over a script, in this process."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgebench.bench import passes, timed
from edgebench.bench.job import Answer, Job, Labels, Pass
from edgebench.errors import EngineError, InputError, UnsupportedError
from edgebench.record import Cooling, Spec

pytestmark = pytest.mark.usefixtures("home")

BAG = Spec(model="bag", format="onnx", precision="fp32", backend="onnxruntime", min_runs=30, min_time_s=0.0, warm_up_cap_s=0.0)
TEXTS = ["good film", "bad", "a dull film", "fine"]
LABELS = Labels(labels=["positive", "negative", "positive", "positive"], dataset="four", sha256="ab12", source="made in a test")


def answer(part: Pass, spec: Spec = BAG, examples: list[Any] = TEXTS, expected: Labels | None = None) -> Answer:
    now = time.monotonic_ns()
    return passes.run(Job(spec=spec, part=part, examples=examples, expected=expected), spawned_ns=now - 5_000_000, first_line_ns=now - 2_000_000)


def played(card: Path, **options: Any) -> Spec:
    return Spec(model=str(card), format="fake", precision="fp32", backend="fake", warm_up_cap_s=0.0, min_time_s=0.0, **options)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


# accuracy


def test_accuracy_is_the_share_of_right_answers_on_the_named_set() -> None:
    found = answer("accuracy", expected=LABELS).accuracy
    assert found is not None
    assert (found.metric, found.value, found.n, found.interval) == ("accuracy", 0.75, 4, "Wilson 95 %")
    assert (found.dataset, found.dataset_sha256, found.dataset_source) == ("four", "ab12", "made in a test")


def test_accuracy_keeps_every_answer_its_probability_and_what_was_right() -> None:
    found = answer("accuracy", expected=LABELS).accuracy
    assert found is not None
    assert found.references == LABELS.labels
    assert found.predictions == ["positive", "negative", "negative", "positive"]
    assert found.probabilities == [pytest.approx([sigmoid(-x), sigmoid(x)], abs=1e-6) for x in (2, -2, -1, 1)]


def test_accuracy_without_labels_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="given no labels; give a labelled dataset"):
        answer("accuracy")


def test_answers_that_are_no_numbers_are_an_error_and_not_an_accuracy(scripted: Callable[..., Path]) -> None:
    card = scripted(replace=("[2.0, 0.0]", "[nan, 0.0]"))
    with pytest.raises(EngineError, match="the model's answer is not finite numbers, so it says nothing; the file or the engine's kernels are broken"):
        answer("accuracy", played(card), ["good", "fine", "bad", "dull"], LABELS)  # keys 9, 10, 11, 12: every other one is the row of nan


# cold


def test_the_phases_of_a_cold_start_sum_to_its_total() -> None:
    found = answer("cold").cold
    assert found is not None
    assert found.process_start_ns == 3_000_000
    assert found.total_ns == found.process_start_ns + found.import_ns + found.load_ns + found.first_answer_ns
    assert min(found.import_ns, found.load_ns, found.first_answer_ns) > 0


def test_a_cold_start_says_whether_its_files_were_in_memory() -> None:
    job = Job(spec=BAG, part="cold", examples=TEXTS, file_cache="dropped")
    found = passes.run(job, spawned_ns=0, first_line_ns=0).cold
    assert found is not None
    assert found.file_cache == "dropped"


# latency


def test_latency_keeps_every_call_of_warm_up_and_timing_apart() -> None:
    found = answer("latency").latency
    assert found is not None
    ((warm,), (timed,)) = found.warm_up_ns, found.processes_ns
    assert len(warm) == 10  # its cap is over at once
    assert len(timed) >= 30
    assert min(warm + timed) > 0


def test_latency_knows_each_calls_tokens_and_draws_them_by_the_seed() -> None:
    drawn = []
    for seed in (1, 1, 2):
        found = answer("latency", msgspec.structs.replace(BAG, seed=seed)).latency
        assert found is not None
        assert found.tokens is not None
        assert len(found.tokens[0]) == len(found.processes_ns[0])
        drawn.append(found.tokens[0][:30])
    assert set(drawn[0]) == {3, 4, 5}  # a word or more between [CLS] and [SEP]
    assert drawn[0] == drawn[1] != drawn[2]


def test_latency_at_a_length_takes_inputs_of_exactly_that_length() -> None:
    found = answer("latency", msgspec.structs.replace(BAG, length=12)).latency
    assert found is not None
    assert found.tokens is not None
    assert set(found.tokens[0]) == {12}


@pytest.mark.parametrize("settled", [True, False])
def test_latency_says_whether_the_warm_up_settled(settled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgebench.bench.loop.warm_up", lambda *_, **__: ([5, 6], settled))
    found = answer("latency").latency
    assert found is not None
    assert (found.warm_up_ns, found.settled) == ([[5, 6]], [settled])


def test_latency_of_batches_knows_the_tokens_of_every_input() -> None:
    found = answer("latency", msgspec.structs.replace(BAG, scenario="multi-stream", batch=3)).latency
    assert found is not None
    assert found.tokens is not None
    assert len(found.tokens[0]) == 3 * len(found.processes_ns[0])
    assert set(found.tokens[0]) == {3, 4, 5}


@pytest.mark.parametrize("batch", [1, 3, 8, 5_000])
def test_inputs_are_drawn_for_whole_queries(batch: int) -> None:
    order = timed.drawn(TEXTS, batch, 1)
    assert len(order) >= 4096
    assert len(order) % batch == 0
    assert len(order) - batch < 4096


def test_latency_brings_what_else_its_scenario_found() -> None:
    found = answer("latency", msgspec.structs.replace(BAG, scenario="offline", batch=64))
    assert found.throughput is not None
    assert found.latency is not None
    assert found.throughput.rounds_ns == found.latency.processes_ns
    assert found.latency.tokens is not None
    assert len(found.latency.tokens[0]) == 64  # those of one round


def test_latency_brings_the_notes_of_its_scenario() -> None:
    spec = msgspec.structs.replace(BAG, scenario="server", rate_hz=100.0, bound_ns=10**10, timeout_s=0.2)
    assert "queries fit into the time, 662 are needed" in answer("latency", spec).notes[0]


def test_latency_waits_for_a_cooler_device_where_the_spec_says_how_cool(monkeypatch: pytest.MonkeyPatch) -> None:
    waited = Cooling(from_c=70.0, to_c=50.0, waited_s=9.0, reached=True)
    monkeypatch.setattr("edgebench.bench.heat.cool", lambda spec: waited if spec.cool_to_c == 50.0 else None)
    assert [answer("latency", msgspec.structs.replace(BAG, cool_to_c=one)).cooling for one in (50.0, None)] == [waited, None]


def test_latency_has_each_stage_of_calls_of_their_own() -> None:
    found = answer("latency").latency
    assert found is not None
    assert {name: len(times) for name, times in found.stages_ns.items()} == {"tokenise": 50, "run": 50, "decode": 50}


def test_latency_begins_as_a_cold_start_and_reads_the_host_before_and_after() -> None:
    found = answer("latency")
    assert found.cold is not None
    assert found.after["monotonic_ns"] > found.before["monotonic_ns"]


def test_a_length_beyond_the_model_is_one_clear_error() -> None:
    with pytest.raises(InputError, match="length 17 is more than the 16 tokens this model reads"):
        answer("latency", msgspec.structs.replace(BAG, length=17))


# every pass


@pytest.mark.parametrize("part", ["accuracy", "latency", "memory", "cold"])
def test_every_pass_names_the_engine_and_the_file(part: Pass, scripted: Callable[..., Path]) -> None:
    found = answer(part, played(scripted(), threads=3), TEXTS, LABELS)
    assert (found.engine["library"], found.engine["threads"], found.engine["accelerator"]) == ("edgebench", 3, "cpu")
    assert (found.artifact["task"], found.artifact["file"], found.artifact["format"]) == ("text-classification", "scripted.fake", "fake")
    assert len(found.artifact["sha256"]) == 64


def test_a_file_of_another_format_is_not_measured_in_its_place() -> None:
    with pytest.raises(UnsupportedError, match="backend 'onnxruntime' opened onnx/fp32, not ort/fp32"):
        answer("cold", msgspec.structs.replace(BAG, format="ort"))


def test_torchscript_of_a_card_that_is_not_bundled_needs_consent(bag_of_words: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="only an installed engine is asked; install edgebench[torch]")
    text = bag_of_words.read_text().replace("onnx", "torchscript")
    (tmp_path / "bag.toml").write_text(text)
    spec = msgspec.structs.replace(BAG, model=str(tmp_path / "bag.toml"), format="torchscript", backend="torchscript")
    with pytest.raises(UnsupportedError, match=r"is a torchscript program .* not one that edgebench bundles; .* say allow_code=True \(--allow-code\)"):
        answer("cold", spec)
