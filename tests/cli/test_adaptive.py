"""edgebench compress --method adaptive, on a device that answers from a formula: few are measured, one is taken and written alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner

import edgebench
from edgebench import catalog
from edgebench.bench.job import Answer, Job
from edgebench.cli.adaptive import Asked, compress
from edgebench.cli.compress import command
from edgebench.errors import UnsupportedError, UsageError
from edgebench.models import card as cards
from edgebench.record import Accuracy, Cold, Latency, Memory

pytest.importorskip("onnx", reason="one speed is written with onnx; install edgebench[test]")
pytest.importorskip("tomli_w", reason="cards are written with tomli-w; install edgebench[test]")

FORMULA = {"1x1": 3_700_000, "1x0.5": 1_950_000, "0.25x1": 1_450_000, "0.25x0.5": 825_000, "0.25x0.75": 1_137_500}  # 0.2 + 0.5 d + 3 w d ms
RIGHT = {"0.25x1": 88, "0.25x0.5": 84, "1x0.5": 84}  # of a hundred; 90 otherwise


class Device:
    """An executor: what it took is FORMULA's, what it answered RIGHT's."""

    jobs: ClassVar[list[Job]] = []

    def __init__(self, profile: Any) -> None:
        pass

    def facts(self) -> dict[str, Any]:
        return {"cpu": "a formula", "usable_cores": 1}

    def findings(self) -> list[Any]:
        return []

    def close(self) -> None:
        pass

    def run(self, job: Job) -> Answer:
        self.jobs.append(job)
        point = job.spec.model.partition("@")[2]
        facts: dict[str, Any] = {"engine": {"library": "onnxruntime"}, "artifact": {"size_bytes": 15_000_000}}
        if job.part == "accuracy":
            right = RIGHT.get(point, 90)
            return Answer(accuracy=Accuracy(
                metric="accuracy", value=right / 100, low=0.5, high=1.0, interval="Wilson 95 %", n=100, dataset="sst2", dataset_sha256="ab", dataset_source="",
                predictions=["p"] * 100, probabilities=[[0.0, 1.0]] * 100,
            ), **facts)  # fmt: skip
        if job.part == "memory":
            return Answer(memory=Memory(baseline_bytes=1, loaded_bytes=2, first_answer_bytes=3, peak_bytes=4, runs=50, method="VmHWM"), **facts)
        cold = Cold(process_start_ns=1, import_ns=1, load_ns=1, first_answer_ns=1, total_ns=4)
        took = Latency(processes_ns=[[FORMULA[point]] * 60], warm_up_ns=[[1]], settled=[True], tokens=[[3] * 60], stages_ns={"run": [1]})
        return Answer(cold=cold, latency=took, **facts)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Device, "jobs", [])
    return tmp_path


def asked(budget: str, **more: Any) -> Asked:
    return Asked("elastic-sst2", budget, "host", Path("models"), **more)


def timed() -> list[str]:
    return list(dict.fromkeys(job.spec.model.partition("@")[2] for job in Device.jobs if job.part == "latency"))


def test_the_fastest_that_keeps_the_budget_is_measured_again_and_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert compress(asked("latency 2 ms, accuracy -1 %"), Device)
    said = capsys.readouterr().out
    assert set(timed()[:4]) == {"1x1", "1x0.5", "0.25x1", "0.25x0.5"}
    assert set(timed()[4:]) == {"0.25x0.75"}
    line = next(one for one in said.splitlines() if one.startswith(">"))
    assert line.split() == [
        ">", "elastic-sst2@0.25x0.75", "int8", "in", "onnxruntime", "1.14", "ms", "–", "1.14", "ms", "0.0", "%", "90.1", "%", "90.0", "%",
    ]
    assert "cost of elastic-sst2 int8 in onnxruntime: 200 µs + 500 µs x depth + 3.00 ms x width x depth; fitted to 4 measured ways" in said


def test_what_is_written_is_that_speed_alone_and_answers_as_it_did() -> None:
    assert compress(asked("latency 2 ms, accuracy -1 %", name="small"), Device)
    card = cards.read(Path("models/small.toml"))
    (variant,) = card.variants
    assert (variant.points, len(variant.shared), card.made_by["predicted_ns"], card.made_by["measured_ns"]) == ((), 1, 1_137_500, 1_137_500)
    source = cards.read(catalog.find("models", "elastic-sst2")).variants[0]
    assert variant.shared[0].size_bytes < 0.9 * source.shared[0].size_bytes
    with edgebench.load("models/small-deployment.toml") as alone, edgebench.load("elastic-sst2@0.25x0.75") as whole:
        for text in ("a gripping film", "what a bore", "neither good nor bad"):
            assert alone(text) == whole(text)


def test_where_none_keeps_the_budget_the_nearest_is_told_and_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert not compress(asked("latency 500 us"), Device)
    assert not Path("models").exists()
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("none keeps median <= 500 µs; the nearest is elastic-sst2@0.25x0.5 int8 in onnxruntime: 825 µs")


def test_a_loss_that_shows_only_on_the_device_counts(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(RIGHT, "0.25x0.75", 80)
    assert not compress(asked("latency 1.2 ms, accuracy -1 %"), Device)
    assert "0.25x0.75 int8 in onnxruntime: accuracy is 80.0 %, 9.0 points below the 89.0 % of its budget" in capsys.readouterr().out


def test_a_model_of_one_speed_is_measured_beside_those_of_several_speeds_made_from_it() -> None:
    from edgebench.cli.adaptive import _relatives

    assert _relatives(cards.read(catalog.find("models", "tinybert-sst2"))) == ["elastic-sst2"]


def test_a_variant_that_is_not_there_is_said() -> None:
    with pytest.raises(UnsupportedError, match="nothing of elastic-sst2 can be measured as onnx/int4"):
        compress(asked("latency 2 ms", variants=("onnx/int4",)), Device)


def test_only_the_engines_and_precisions_that_are_named_are_considered() -> None:
    from edgebench.cli.adaptive import _plan, _ways
    from edgebench.devices import profile

    def considered(**only: tuple[str, ...]) -> set[tuple[str, str]]:
        wanted = asked("latency 2 ms", **only)
        return {(way.spec.backend, way.spec.precision) for way in _ways(wanted, _plan(wanted, profile.read(catalog.find("devices", "host"))))}

    assert considered(backends=("onnxruntime",), precisions=("int8",)) == {("onnxruntime", "int8")}
    with pytest.raises(UnsupportedError, match="nothing of elastic-sst2 can be measured.*tflite"):
        considered(backends=("tflite",))
    with pytest.raises(UsageError, match="there is no precision 'int4' in elastic-sst2"):
        considered(precisions=("int4",))


def test_engines_and_precisions_are_for_adaptive_alone() -> None:
    result = CliRunner().invoke(command, ["tinybert-sst2", "--data", "sst2", "--method", "prune", "--backend", "onnxruntime"])
    assert result.exit_code == 2
    assert "say what adaptive considers; what another method writes, --variants says" in result.output


@pytest.mark.parametrize(("options", "said"), [
    ([], "adaptive chooses by a budget; say one"),
    (["--budget", "latency 2 ms", "--data", "reviews.tsv"], "adaptive trains nothing"),
])  # fmt: skip
def test_what_adaptive_cannot_do_without_or_with(options: list[str], said: str) -> None:
    result = CliRunner().invoke(command, ["elastic-sst2", "--method", "adaptive", *options])
    assert result.exit_code == 2
    assert said in result.output


def test_the_other_methods_want_data() -> None:
    result = CliRunner().invoke(command, ["elastic-sst2", "--method", "prune"])
    assert result.exit_code == 2
    assert "--data is missing" in result.output


@pytest.mark.slow
def test_on_this_machine_a_budget_that_is_wide_is_kept() -> None:
    result = CliRunner().invoke(command, ["elastic-sst2", "--method", "adaptive", "--budget", "latency 10 s, accuracy -20 %", "--offline"])
    assert result.exit_code == 0, result.output
    (deployment,) = Path("models").glob("*-deployment.toml")
    with edgebench.load(str(deployment)) as pipe:
        assert pipe("a gripping film").label == "positive"
