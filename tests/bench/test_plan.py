"""What was asked for -> cells, rows that say why there is none, references; and one clear error for what does not exist."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edgebench import catalog, plugins
from edgebench.bench.plan import FULL, QUICK, USUAL, Ask, Effort, Plan, plan
from edgebench.errors import UsageError
from edgebench.models import card as cards
from edgebench.record import Spec


@pytest.fixture(autouse=True)
def alone(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labelled data is what is bundled, and no engine is installed that `edgebench[all]` does not bring."""
    monkeypatch.delenv("EDGEBENCH_DATA", raising=False)
    for engine in ("executorch", "openvino"):
        monkeypatch.setitem(sys.modules, engine, None)


@pytest.fixture
def four(tmp_path: Path) -> str:
    """A card with four variants, the reference onnx/fp32. No file of it is there: planning opens none."""
    variants = "".join(
        f'[[variants]]\nformat = "{format}"\nprecision = "{precision}"\nfile = "{format}-{precision}"\nsha256 = "{"0" * 64}"\nsize_bytes = 1\n'
        for format, precision in [("onnx", "fp32"), ("onnx", "int8"), ("tflite", "int8"), ("torchscript", "fp16")]
    )
    card = tmp_path / "four.toml"
    card.write_text(
        'schema = 1\nname = "four"\ntask = "text-classification"\nabout = "a"\nlicence = "MIT"\nsource = "b"\nlabels = ["negative", "positive"]\n'
        f'dataset = "sst2"\nreference = "onnx/fp32"\n{variants}'
    )
    return str(card)


def cells(found: Plan) -> list[str]:
    """Without the model's name, which is a path here."""
    return [one.name.removeprefix(one.model).strip() for one in found.cells]


def rows(found: Plan) -> list[tuple[str, str, str]]:
    return [(row.spec.backend, row.spec.precision, row.reasons[0]) for row in found.rows]


# what there is


def test_of_every_file_in_every_engine_a_cell(four: str) -> None:
    found = plan(Ask(models=(four,)))
    assert cells(found) == ["onnxruntime fp32 1 thread", "onnxruntime int8 1 thread", "tflite int8 1 thread", "torchscript fp16 1 thread"]
    assert found.rows == []


def test_an_engine_of_an_extra_joins_where_it_is_installed(four: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = plugins.get("backends", "openvino")
    monkeypatch.setattr(type(engine), "version", lambda self: "1.0")
    found = plan(Ask(models=(four,)))
    assert cells(found)[-2:] == ["openvino fp32 1 thread", "openvino int8 1 thread"]
    assert found.models[four].reference is not None
    assert found.models[four].reference.backend == "onnxruntime"


def test_precisions_threads_and_lengths_multiply_in_the_order_asked(four: str) -> None:
    found = plan(Ask(models=(four,), backends=("onnxruntime",), precisions=("int8", "fp32"), threads=(2, 1), lengths=(8, 16)))
    assert cells(found) == [
        f"onnxruntime {precision} {threads} {length} tokens" for precision in ("int8", "fp32") for threads in ("2 threads", "1 thread") for length in (8, 16)
    ]


def test_models_multiply_too(four: str) -> None:
    found = plan(Ask(models=("bag", four), backends=("onnxruntime",)))
    assert [(one.model, one.precision) for one in found.cells] == [("bag", "fp32"), (four, "fp32"), (four, "int8")]
    assert list(found.models) == ["bag", four]


@pytest.mark.parametrize("effort", [QUICK, USUAL, FULL])
def test_every_cell_carries_the_options(effort: Effort) -> None:
    (found,) = plan(Ask(models=("bag",), backends=("onnxruntime",), threads=(3,), effort=effort, seed=7, allow_code=True, timeout_s=99, profile="desk")).cells
    assert found == Spec(
        model="bag", format="onnx", precision="fp32", backend="onnxruntime", threads=3, profile="desk", seed=7, examples=effort.examples,
        processes=effort.processes, max_processes=effort.max_processes, min_runs=effort.min_runs, min_time_s=effort.min_time_s,
        warm_up_cap_s=effort.warm_up_cap_s, allow_code=True, timeout_s=99,
    )


@pytest.mark.parametrize("effort", [QUICK, USUAL, FULL])
def test_no_cell_is_judged_by_fewer_than_three_processes(effort: Effort) -> None:
    assert 3 <= effort.processes <= effort.max_processes


def test_unasked_only_what_is_bundled_is_measured(bag_of_words: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped_folder = catalog.shipped_folder
    monkeypatch.setattr(catalog, "shipped_folder", lambda kind: bag_of_words.parent if kind == "models" else shipped_folder(kind))
    assert list(plan(Ask()).models) == ["bag"]


def test_of_what_is_bundled_a_single_file_is_left_out_for_it_compares_nothing() -> None:
    alone = [name for name, path in catalog.paths("models").items() if len(cards.read(path).variants) == 1]
    assert "adabert-sst2" in alone
    assert list(plan(Ask()).models) == ["tinybert-sst2"]


def test_where_nothing_is_bundled_the_error_names_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "shipped_folder", lambda kind: tmp_path / "none" / kind)
    with pytest.raises(UsageError, match="no model is bundled with this edgebench; name one, or a card file: there are bag"):
        plan(Ask())


# what there is not


def test_an_engine_the_card_has_no_file_for_is_a_row_that_says_so() -> None:
    assert rows(plan(Ask(models=("bag",)))) == [
        ("tflite", "*", "tflite opens tflite files and card 'bag' has none; it has onnx/fp32"),
        ("torchscript", "*", "torchscript opens torchscript files and card 'bag' has none; it has onnx/fp32"),
    ]


def test_an_engine_of_tests_is_no_row_unless_it_is_named() -> None:
    assert "fake" not in [backend for backend, _, _ in rows(plan(Ask(models=("bag",))))]
    assert rows(plan(Ask(models=("bag",), backends=("fake",)))) == [("fake", "*", "fake opens fake files and card 'bag' has none; it has onnx/fp32")]


def test_an_engine_beyond_the_usual_ones_is_taken_where_the_card_has_a_file(scripted: Callable[..., Path]) -> None:
    assert cells(plan(Ask(models=(str(scripted()),)))) == ["fake fp32 1 thread"]


def test_a_precision_one_engine_lacks_is_a_row_and_the_others_are_cells(four: str) -> None:
    found = plan(Ask(models=(four,), backends=("onnxruntime", "tflite"), precisions=("fp32",)))
    assert cells(found) == ["onnxruntime fp32 1 thread"]
    assert rows(found) == [("tflite", "fp32", "card 'four' has no fp32 file for tflite; it has onnx/fp32, onnx/int8, tflite/int8, torchscript/fp16")]


def test_a_row_is_unsupported_and_measured_nothing() -> None:
    for row in plan(Ask(models=("bag",))).rows:
        assert (row.outcome, row.verdict, row.latency, row.accuracy, row.cold) == ("unsupported", "unsupported", None, None, [])


def test_a_broken_plug_in_is_a_row_and_the_engines_that_work_are_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rusty-1.dist-info").mkdir()
    (tmp_path / "rusty-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: rusty\nVersion: 1\n")
    (tmp_path / "rusty-1.dist-info" / "entry_points.txt").write_text("[edgebench.backends]\nrusty = rusty:BACKEND\n")
    (tmp_path / "rusty.py").write_text("raise OSError('librusty.so.1 is missing')\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = plan(Ask(models=("bag",)))
    assert cells(found) == ["onnxruntime fp32 1 thread"]
    why = "backend 'rusty' of package 'rusty' failed to load: OSError: librusty.so.1 is missing; update or uninstall that package"
    assert rows(found)[-1] == ("rusty", "*", why)


# what does not exist


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (Ask(models=("bog",)), r"there is no model 'bog'; there are bag.* Did you mean 'bag'\?"),
        (Ask(models=("bag",), backends=("onnxruntim",)), r"there is no backend 'onnxruntim'; there are executorch, fake, .* Did you mean 'onnxruntime'\?"),
        (Ask(models=("deeplabv3",), lengths=(32,)), "deeplabv3 reads pixels, and a length is in tokens: .* leave --length out"),
        (Ask(models=("bag",), precisions=("fp23",)), r"there is no precision 'fp23' in bag; there are fp32. Did you mean 'fp32'\?"),
        (Ask(models=("gone.toml",)), "gone.toml does not exist"),
    ],
)
def test_a_name_that_does_not_exist_is_one_clear_error(ask: Ask, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        plan(ask)


# references and labelled data


def test_the_reference_is_the_cards_own_variant_in_the_first_engine_that_opens_it(four: str) -> None:
    found = plan(Ask(models=(four,), backends=("tflite",), threads=(2, 4), lengths=(8,))).models[four].reference
    assert found is not None
    assert (found.name.removeprefix(four), found.length) == (" onnxruntime fp32 2 threads", None)


def test_a_reference_that_no_engine_opens_is_none(four: str) -> None:
    card = Path(four)
    card.write_text(card.read_text().replace("onnx", "mlmodel"))
    assert plan(Ask(models=(four,))).models[four].reference is None


def test_the_labelled_set_is_the_bundled_one_where_no_other_can_be_had() -> None:
    found = plan(Ask(models=("bag",), effort=FULL)).models["bag"].labelled
    assert (found.name, len(found)) == ("edgebench-reviews", 252)


def test_the_seed_draws_the_examples() -> None:
    effort = replace(QUICK, examples=20)
    first, again, other = (plan(Ask(models=("bag",), effort=effort, seed=seed)).models["bag"].labelled.texts for seed in (1, 1, 2))
    assert len(first) == 20
    assert first == again != other


# scenarios


def scenario(*names: str, **more: object) -> list[Spec]:
    return plan(Ask(models=("bag",), backends=("onnxruntime",), scenarios=names, **more)).cells  # type: ignore[arg-type]


def test_every_scenario_is_a_cell_with_its_own_passes_batch_and_processes() -> None:
    stream, many, cold = scenario("single-stream", "multi-stream", "cold-start")
    assert (stream.passes, stream.batch, stream.processes) == (("accuracy", "latency", "memory", "cold"), 1, USUAL.processes)
    assert (many.scenario, many.passes, many.batch) == ("multi-stream", ("accuracy", "latency", "cold"), 8)
    assert (cold.passes, cold.processes, cold.max_processes) == (("accuracy", "drop", "cold"), 10, 20)


def test_what_is_asked_beyond_the_scenario_counts() -> None:
    (found,) = scenario("multi-stream", options={"batch": 4}, energy=True)
    assert (found.batch, found.passes[-1]) == (4, "energy")


def test_the_roofline_is_two_passes_more_and_none_without_the_asking() -> None:
    (usual,), (asked,) = scenario("single-stream"), scenario("single-stream", roofline=True)
    assert asked.passes == (*usual.passes, "roof", "work")


def test_a_cold_start_has_no_roofline() -> None:
    (usual,), (asked,) = scenario("cold-start"), scenario("cold-start", roofline=True)
    assert asked.passes == usual.passes


def test_a_scenario_that_does_not_exist_or_does_not_fit_is_one_clear_error() -> None:
    with pytest.raises(UsageError, match="there is no scenario 'sever'; there are .* Did you mean 'server'?"):
        scenario("sever")
    with pytest.raises(UsageError, match="a rate and a bound are for the scenario 'server'"):
        scenario("offline", options={"rate_hz": 5.0})


def test_what_is_measured_unasked_has_labelled_data_that_a_stranger_has(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("EDGEBENCH_DATA", raising=False)
    monkeypatch.setenv("EDGEBENCH_HOME", str(tmp_path))
    monkeypatch.setenv("EDGEBENCH_CACHE", str(tmp_path))
    found = plan(Ask())
    assert "tinybert-sst2" in found.models
    assert all(len(one.labelled) for one in found.models.values())


# models of several speeds


@pytest.fixture
def speeds(four: str) -> str:
    """The card with two operating points of its first variant."""
    card = Path(four)
    card.write_text(card.read_text().replace("size_bytes = 1\n", 'size_bytes = 1\npoints = [{name = "1x1"}, {name = "0.5x1", width = 0.5}]\n', 1))
    return four


@pytest.mark.parametrize(("asked", "names"), [((), ("",)), (("all",), ("@1x1", "@0.5x1")), (("0.5x1",), ("@0.5x1",))])
def test_a_model_is_measured_at_the_points_asked_for(speeds: str, asked: tuple[str, ...], names: tuple[str, ...]) -> None:
    found = plan(Ask(models=(speeds,), backends=("onnxruntime",), precisions=("fp32",), points=asked))
    assert [one.model for one in found.cells] == [f"{speeds}{name}" for name in names]


def test_a_point_is_compared_with_the_reference_at_that_point(speeds: str) -> None:
    found = plan(Ask(models=(speeds,), points=("0.5x1",)))
    reference = found.models[f"{speeds}@0.5x1"].reference
    assert reference is not None
    assert (reference.model, reference.precision) == (f"{speeds}@0.5x1", "fp32")


def test_a_model_of_one_speed_is_measured_as_it_is(four: str) -> None:
    assert [one.model for one in plan(Ask(models=("bag",), backends=("onnxruntime",), points=("all",))).cells] == ["bag"]


@pytest.mark.parametrize(("model", "asked"), [("{}@half", ()), ("{}", ("half",))])
def test_a_point_that_is_not_there_is_named_with_those_that_are(speeds: str, model: str, asked: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="four has no operating point 'half'; it has 1x1, 0.5x1"):
        plan(Ask(models=(model.format(speeds),), points=asked))
