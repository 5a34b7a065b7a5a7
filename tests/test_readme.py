"""The README's commands exist, its Python runs, its examples are the files, and its table is what the records say."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from edgebench import catalog
from edgebench.cli import COMMANDS, group

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, flags=re.DOTALL)


def blocks(language: str) -> list[str]:
    return [text for kind, text in BLOCKS if kind == language]


def commands() -> list[list[str]]:
    """Every call of edgebench in a console block, as its arguments."""
    calls = [call.strip() for block in blocks("console") for line in block.splitlines() for call in line.split("&&")]
    words = [shlex.split(call.split(" < ")[0]) for call in calls]
    return [one[1:] for one in words if one and one[0].rsplit("/")[-1] == "edgebench"]


def parsed(arguments: list[str]) -> click.Context:
    """The context of the innermost command, its arguments checked but not carried out."""
    context = click.Context(group, info_name="edgebench", **group.context_settings)  # commands keep the first help option they are asked for
    found = group
    while isinstance(found, click.Group):
        inner = found.get_command(context, arguments[0])
        assert inner is not None, f"edgebench has no command {arguments[0]!r}"
        found, arguments = inner, arguments[1:]
    return found.make_context(found.name, [one.replace("my-model.toml", "pyproject.toml").replace("~/datasets", ".") for one in arguments], parent=context)


@pytest.mark.parametrize("arguments", commands(), ids=" ".join)
def test_every_command_line_is_accepted(arguments: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "tinybert-sst2").mkdir(parents=True)
    assert parsed(arguments).command.callback is not None


def test_every_command_is_shown() -> None:
    assert {one[0] for one in commands()} >= set(COMMANDS) - {"devices"}


def test_python_examples_run() -> None:
    if not (catalog.shipped_folder("models") / "tinybert-sst2.toml").is_file():
        pytest.skip("tinybert-sst2 is not bundled here")
    (example,) = blocks("python")[:1]
    names: dict[str, object] = {}
    exec(compile(example, "README.md", "exec"), names)
    assert [one.label for one in names["many"]][:2] == ["positive", "negative"]  # type: ignore[attr-defined]


def test_the_example_of_data_frames_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pandas", reason="install edgebench[frame]")
    (example,) = [block for block in blocks("python") if "reports.frame" in block]
    monkeypatch.chdir(ROOT)
    exec(compile(example, "README.md", "exec"), {})
    assert "torchscript" in capsys.readouterr().out


def test_the_backend_example_is_the_file_that_the_tests_install() -> None:
    assert (ROOT / "tests/plugins/edgebench-numpy-backend/edgebench_numpy/__init__.py").read_text() in blocks("python")


def test_the_test_command_is_what_ci_runs() -> None:
    (command,) = [block.strip() for block in blocks("console") if "pytest" in block]
    assert command in (ROOT / ".ci/run").read_text()


def test_the_table_is_drawn_from_the_records() -> None:
    from edgebench import record
    from edgebench.reports import table

    assert table.render(record.read_lines(ROOT / "docs/measured/bench.jsonl")) in blocks("text")


def test_the_table_of_tasks_and_scores_is_what_the_records_say() -> None:
    from edgebench import record
    from edgebench.reports import scores

    (shown,) = re.findall(r"<!-- scores -->\n(.*?)<!-- end of scores -->", README, flags=re.DOTALL)
    assert shown == scores.render(record.read_lines(ROOT / "docs/measured/tasks.jsonl"))


def test_the_table_of_tasks_and_scores_is_of_every_bundled_file_as_it_is() -> None:
    from edgebench import record
    from edgebench.models import card

    records = [one for one in record.read_lines(ROOT / "docs/measured/tasks.jsonl") if one.accuracy]
    judged = {one.artifact["sha256"] for one in records if one.artifact["task"] != "translation"}  # translators are made, not bundled
    assert judged == {one.sha256 for path in sorted((ROOT / "models").glob("*.toml")) for one in card.read(path).variants}


def test_the_figures_are_what_was_recorded() -> None:
    from tests.benchmarks import figures

    assert figures.table(ROOT / "docs/measured/figures.jsonl") in (ROOT / "docs/figures.md").read_text()


def test_the_tables_of_engines_are_what_was_recorded() -> None:
    from tests.benchmarks import engines

    page = (ROOT / "docs/engines.md").read_text()
    assert engines.table("openvino") in page
    assert engines.tried() in page
    assert engines.table("executorch") in page
    assert engines.opened() in page
    assert engines.converted() in page
    assert engines.accelerators() in page


def test_the_tree_names_what_is_there() -> None:
    (tree,) = [block for block in blocks("") if block.startswith("edgebench/\n")]
    for line in tree.splitlines():
        name = line.split()[0]
        assert (ROOT / ("edgebench" if line.startswith(" ") else "") / name).exists(), name


def test_links_lead_to_files() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
