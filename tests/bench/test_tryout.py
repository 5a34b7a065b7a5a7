"""What doctor tries out: engines through an executor, the bundled files, packages, folders, and a calculation on a clock one sets."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from edgebench import catalog, plugins
from edgebench.bench import tryout
from edgebench.bench.job import Answer, Job
from edgebench.bench.plan import Ask, Plan, plan
from edgebench.bench.tryout import Engine, Folder, Model
from edgebench.devices.local import LocalExecutor
from edgebench.devices.profile import Profile
from edgebench.errors import MissingError, WorkerError
from edgebench.record import Cold

COLD = Cold(process_start_ns=1, import_ns=2, load_ns=3, first_answer_ns=4, total_ns=10)


@pytest.fixture
def bundled(bag_of_words: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of bundled models that holds "bag" and nothing else."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "bag").symlink_to(bag_of_words.parent / "bag")
    (tmp_path / "models" / "bag.toml").write_text(bag_of_words.read_text())
    datasets, real = catalog.shipped_folder("models/datasets"), catalog.shipped_folder
    monkeypatch.setattr(catalog, "shipped_folder", lambda kind: {"models": tmp_path / "models", "models/datasets": datasets}.get(kind) or real(kind))
    monkeypatch.setenv("EDGEBENCH_HOME", str(tmp_path / "home"))
    return tmp_path / "models"


def asked(execute: Callable[[Job], Answer]) -> dict[str, Engine]:
    return {one.name: one for one in tryout.engines(execute)}


def answers(job: Job) -> Answer:
    assert (job.part, len(job.examples)) == ("cold", 1)
    return Answer(cold=COLD, engine={"version": "9.9"})


@pytest.mark.usefixtures("bundled")
def test_an_engine_is_asked_about_a_bundled_model_and_the_players_engine_is_not() -> None:
    found = asked(answers)
    assert found["onnxruntime"] == Engine("onnxruntime", "9.9", "bag fp32", 10)
    assert "fake" not in found


@pytest.mark.usefixtures("bundled")
def test_an_engine_without_a_file_is_only_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other:
        name, formats, runs_code, extra = "tflite", ("tflite",), False, "tflite"

        def version(self) -> str:
            raise MissingError("backend 'tflite' needs ai-edge-litert; install edgebench[tflite]")

    real = plugins.get
    monkeypatch.setattr(plugins, "get", lambda group, name: Other() if name == "tflite" else real(group, name))
    found = asked(answers)["tflite"]
    assert (found.version, found.missing, found.install) == (None, True, tryout.install("tflite"))


@pytest.mark.usefixtures("bundled")
def test_an_engine_that_crashes_is_told_and_the_next_is_asked() -> None:
    def crash(job: Job) -> Answer:
        raise WorkerError("the process was killed by SIGILL")

    found = asked(crash)
    assert found["onnxruntime"].install == tryout.install("")
    assert (found["onnxruntime"].error, found["onnxruntime"].missing) == ("the process was killed by SIGILL", False)
    assert list(found) == [name for name in plugins.names("backends") if name != "fake"]


@pytest.mark.usefixtures("home")
def test_a_real_worker_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "names", lambda group: ["fake", "onnxruntime"])
    monkeypatch.setattr(tryout, "_sweep", lambda: plan(Ask(models=("bag",))))  # the user's own: a worker knows no other bundled folder
    (found,) = tryout.engines(LocalExecutor(Profile(1, "host", "this machine", "local")).run)
    assert (found.error, found.model) == ("", "bag fp32")
    assert found.first_answer_ns is not None
    assert found.first_answer_ns > 1_000_000


@pytest.mark.usefixtures("bundled")
def test_how_another_packages_engine_is_installed_is_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(group: str, name: str) -> None:
        raise MissingError("backend 'other' needs x; install x")

    monkeypatch.setattr(plugins, "names", lambda group: ["other"])
    monkeypatch.setattr(tryout, "_sweep", lambda: Plan([], [], {}, 0))
    monkeypatch.setattr(plugins, "get", absent)
    assert asked(answers)["other"] == Engine("other", error="backend 'other' needs x; install x", missing=True)


def test_without_bundled_models_engines_are_looked_for(bundled: Path) -> None:
    (bundled / "bag.toml").unlink()
    found = asked(answers)["onnxruntime"]
    assert found.version is not None
    assert (found.model, found.first_answer_ns) == ("", None)


def test_bundled_files_are_read_and_a_wrong_one_is_told(bundled: Path) -> None:
    assert tryout.models() == [Model("bag", 2)]
    (bundled / "bag.toml").write_text((bundled / "bag.toml").read_text().replace("size_bytes = ", "size_bytes = 1"))
    (found,) = tryout.models()
    assert "delete the file or correct the card" in found.error


def test_extras_are_those_of_the_package_that_are_no_engines_and_not_for_making_it() -> None:
    found = {one.name: one for one in tryout.extras()}
    assert "train" in found
    assert not {"all", "lint", "test", "tflite", "torch"} & set(found)
    brought = {"protobuf", "pycocotools", "sacrebleu", "safetensors", "sentencepiece", "seqeval", "torch", "transformers"}  # those of metrics, too
    assert set(found["train"].packages) == brought
    assert found["train"].install == tryout.install("train")


def test_an_extra_is_installed_from_the_checkout_with_its_pinned_versions() -> None:
    root = Path(__file__).resolve().parents[2]
    assert tryout.install("train") == f'cd {root} && python -m pip install -c constraints.txt -e ".[train]"'


def test_an_extra_is_installed_by_name_where_there_is_no_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgebench.__file__", str(tmp_path / "edgebench" / "__init__.py"))
    assert tryout.install("train") == 'python -m pip install "edgebench[train]"'
    assert tryout.install("") == 'python -m pip install "edgebench"'


def test_a_folder_that_is_not_there_yet_can_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEBENCH_HOME", str(tmp_path / "a" / "b"))
    monkeypatch.chdir(tmp_path)
    assert tryout.folders() == [Folder(tmp_path / "a/b/cache", True), Folder(tmp_path / "a/b/models", True), Folder(Path("results"), True)]


def test_a_file_in_the_folders_place_is_in_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").write_text("a file")
    (tmp_path / "results").chmod(0o755)
    assert tryout.folders()[2] == Folder(Path("results"), False)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere; run as another user")
def test_a_folder_of_somebody_else_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "theirs").mkdir(mode=0o500)
    monkeypatch.setenv("EDGEBENCH_HOME", str(tmp_path / "theirs"))
    assert not tryout.folders()[0].writable


def test_a_fixed_calculation_is_timed_for_as_long_as_it_is_told() -> None:
    ticks: Iterator[int] = (10_000_000 * tick for tick in count())  # each look at the clock takes 10 ms
    assert tryout.steadiness(lambda: next(ticks), seconds=0.3) == [10_000_000] * 10
