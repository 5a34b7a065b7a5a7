"""edgebench report: which format it writes and where, what it refuses to write over, and what it says where it cannot."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest

from edgebench.cli import status
from edgebench.record import Record, read_lines, write_lines
from edgebench.reports import csv, html, markdown, table
from edgebench.reports.plots import base as look


@pytest.fixture(autouse=True)
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def records(at: Path) -> list[Record]:
    """Of one cell in the file r.jsonl."""
    from tests.reports.conftest import cell

    found = [cell("tflite", "int8", 1), cell("onnxruntime", "*", verdict="unsupported", reasons=["why"])]
    (at / "r.jsonl").write_bytes(write_lines(found))
    return found


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.strip()


def test_without_a_file_it_prints_the_table(records: list[Record], capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["report", "r.jsonl"]) == 0
    assert capsys.readouterr().out == table.render(records)


def test_without_records_the_newest_of_results_is_shown(records: list[Record], at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (at / "results").mkdir()
    (at / "r.jsonl").rename(at / "results" / "r.jsonl")
    assert status(["report"]) == 0
    assert capsys.readouterr().out == table.render(records)


@pytest.mark.parametrize(("form", "render"), [("md", markdown.render), ("csv", csv.render)])
def test_text_of_any_format_goes_to_standard_output(records: list[Record], form: str, render: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["report", "r.jsonl", "--format", form]) == 0
    assert capsys.readouterr().out == render(records)  # type: ignore[operator]


def test_the_ending_of_the_file_says_the_format(records: list[Record], capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in (("new/a.md", markdown.render(records)), ("a.CSV", csv.render(records)), ("a.txt", table.render(records))):
        assert status(["report", "r.jsonl", "-o", name]) == 0
        assert Path(name).read_text() == text
        assert said(capsys) == f"report: {name}"


def test_the_format_that_is_named_goes_before_the_ending(records: list[Record]) -> None:
    assert status(["report", "r.jsonl", "-o", "a.txt", "--format", "csv"]) == 0
    assert Path("a.txt").read_text() == csv.render(records)


def test_a_page_is_written_whole(records: list[Record]) -> None:
    pytest.importorskip("matplotlib", reason="install edgebench[report]")
    assert status(["report", "r.jsonl", "-o", "a.html"]) == 0
    assert Path("a.html").read_text() == html.render(records)


def test_parquet_is_written_and_read(records: list[Record]) -> None:
    pandas = pytest.importorskip("pandas", reason="install edgebench[frame]")
    pytest.importorskip("pyarrow", reason="install edgebench[frame]")
    assert status(["report", "r.jsonl", "-o", "a.parquet"]) == 0
    assert pandas.read_parquet(BytesIO(Path("a.parquet").read_bytes()))["backend"].tolist() == ["tflite", "onnxruntime"]


@pytest.mark.parametrize("form", ["html", "parquet"])
def test_what_no_terminal_shows_needs_a_file(records: list[Record], form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["report", "r.jsonl", "--format", form]) == 2
    assert said(capsys).endswith(f"error: {form} is a file, not text for a terminal; name it with -o report.{form}, or pipe it with -o -")


def test_a_minus_is_standard_output(records: list[Record], capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="install edgebench[report]")
    assert status(["report", "r.jsonl", "--format", "html", "-o", "-"]) == 0
    assert capsys.readouterr() == (html.render(records), "")


def test_several_files_are_one_report(records: list[Record], capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["report", "r.jsonl", "r.jsonl"]) == 0
    assert capsys.readouterr().out == table.render(read_lines(Path("r.jsonl")) + read_lines(Path("r.jsonl")))


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_each_plot_is_a_file_of_the_asked_kind(records: list[Record], kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="install edgebench[report]")
    assert status(["report", "r.jsonl", "--plots", "out/figures", "--plot-format", kind]) == 0
    files = sorted(Path("out/figures").iterdir())
    assert [one.name for one in files] == [f"{stem}.{kind}" for stem in ("cold-start", "latency", "memory")]
    assert all(one.read_bytes().startswith(b"\x89PNG" if kind == "png" else b"<?xml") for one in files)
    assert "plots: 3 in out/figures" in said(capsys)


@pytest.mark.parametrize("name", ["r.jsonl", "./r.jsonl", "other.jsonl", "renamed"])
def test_records_are_never_written_over(records: list[Record], at: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    for other in ("other.jsonl", "renamed"):
        (at / other).write_bytes((at / "r.jsonl").read_bytes())
    assert status(["report", "r.jsonl", "-o", name, "--format", "csv"]) == 2
    assert said(capsys) == f"error: {Path(name)} holds records, which a report must not replace; name another file with -o"
    assert read_lines(Path(name)) == records


def test_a_report_may_be_written_again(records: list[Record]) -> None:
    for _ in "ab":
        assert status(["report", "r.jsonl", "-o", "a.md"]) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["empty.jsonl"], 2, "error: empty.jsonl: there is no record; measure with `edgebench bench`"),
        (["none.jsonl"], 2, "error: none.jsonl does not exist; name a file of records, as `edgebench bench -o` writes it"),
        ([], 2, "error: there is no file of records in results/; measure with `edgebench bench`, or name a file"),
        (["r.jsonl", "-o", "a.pdf"], 2, "error: the ending of a.pdf says no format; end it in .html, .htm, .md, .csv, .jsonl, .parquet, .txt"),
        (["r.jsonl", "--format", "htlm"], 2,
         "error: there is no report 'htlm'; there are csv, html, json, md, parquet, pytest-benchmark, scores, table. Did you mean 'html'?"),
        (["r.jsonl", "-o", "r.jsonl/a.md"], 1, "error: the report cannot be written to r.jsonl/a.md: File exists; name another place, or make room"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    records: list[Record], at: Path, arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (at / "empty.jsonl").write_text("")
    assert status(["report", *arguments]) == code
    assert said(capsys) == message


@pytest.mark.parametrize("arguments", [["-o", "a.html"], ["--plots", "figures"]])
def test_without_matplotlib_the_extra_is_named(
    records: list[Record], arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(look, "find_spec", lambda name: None)
    assert status(["report", "r.jsonl", *arguments]) == 3
    assert said(capsys) == "error: plots need matplotlib, which is not installed; install edgebench[report]"
    assert not Path("a.html").exists()
