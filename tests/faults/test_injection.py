"""Names that a model, a device or a file may have, in every report: no terminal obeys them, no browser runs them, no spreadsheet computes them."""

from __future__ import annotations

import csv
import io
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgebench import cli, plugins, record
from edgebench.record import Record
from edgebench.reports.recommend import recommend
from edgebench.reports.recommend import render as recommended
from tests.test_record import FULL

NAMES = {
    "a script": "<script>alert(1)</script>", "an attribute": '" onmouseover="alert(1)', "an entity": "&lt;b&gt;", "an image": "<img src=x onerror=alert(1)>",
    "a formula": "=cmd|' /C calc'!A0", "a formula with a sign": "+1+1", "a formula with an at": "@SUM(1)", "a formula behind a tab": "\t=1+1",
    "a formula behind blanks": "  -2+3", "a Markdown link": "[x](javascript:alert(1))", "a Markdown table": "a | b |\n| --- |", "a heading": "# x",
    "Markdown code": "`x` **y** _z_ ~~w~~", "a terminal's title": "\x1b]0;owned\x07", "a cleared screen": "\x1b[2J\x1b[H", "a carriage return": "good\rbad",
    "text from right to left": "a\u202egnp.exe", "a NUL": "a\0b", "a shell": "$(touch pwned); `touch pwned` && touch pwned", "a line break": "a\nb",
    "an 8-bit escape": "\x9b2J",
}


def named(name: str) -> list[Record]:
    """Records that have it everywhere where a stranger may write something."""
    spec = msgspec.structs.replace(FULL.spec, model=name, precision="fp32", backend=name, profile=name)
    one = msgspec.structs.replace(
        FULL, spec=spec, reasons=[name], notes=[name], host={"cpu": name, "board": name, "os": name, "usable_cores": 2, "python": name},
        engine={"library": name, "version": name}, artifact={"file": name, "size_bytes": 5},
    )
    return [one, msgspec.structs.replace(one, spec=msgspec.structs.replace(spec, threads=3), outcome="failed", verdict="failed", latency=None)]


def report(form: str, name: str) -> str:
    return str(plugins.get("reports", form)(named(name)))


def obeyed(text: str) -> list[str]:
    """What of it a terminal would obey, or would show in another order."""
    return [one for one in text if one != "\n" and not one.isprintable()]


@pytest.mark.parametrize("what", NAMES)
@pytest.mark.parametrize("form", ["table", "md", "csv"])
def test_no_terminal_obeys_a_name(form: str, what: str) -> None:
    assert not obeyed(report(form, NAMES[what]))


@pytest.mark.parametrize("what", NAMES)
def test_no_spreadsheet_computes_a_name(what: str) -> None:
    rows = list(csv.reader(io.StringIO(report("csv", NAMES[what]))))
    assert len(rows) == 3
    numbers = re.compile(r"-?[0-9.]+(e[+-]?[0-9]+)?")
    for text in (cell for row in rows[1:] for cell in row if not numbers.fullmatch(cell)):
        assert not text.lstrip().startswith(("=", "+", "-", "@"))


@pytest.mark.parametrize("what", NAMES)
def test_no_name_becomes_markdown(what: str) -> None:
    lines = report("md", NAMES[what]).splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 4
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
    text = "\n".join(lines)
    assert "<" not in text
    assert not re.search(r"(?<!\\)\]\(", text)
    assert not [line for line in lines if line.startswith("#")]


class Page(HTMLParser):
    """The elements and attributes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags = set[str]()
        self.attributes = set[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def checked(name: str) -> None:
    """Its page has the elements of a harmless one."""
    harmless, text = Page(report("html", "tiny")), report("html", name)
    page = Page(text)
    assert page.tags <= harmless.tags
    assert page.attributes <= harmless.attributes
    assert "script" not in page.tags
    assert "default-src 'none'" in text
    assert not obeyed(text)


@pytest.mark.parametrize("what", NAMES)
def test_no_browser_runs_a_name(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgebench.reports.html.sections", lambda _: [])  # plots take seconds: see below
    checked(NAMES[what])


@pytest.mark.slow
@pytest.mark.parametrize("what", ["a script", "an attribute", "a terminal's title"])
def test_no_browser_runs_a_name_in_a_plot(what: str) -> None:
    checked(NAMES[what])


@pytest.mark.parametrize("what", NAMES)
def test_a_choice_among_such_cells_is_plain_text(what: str) -> None:
    assert not obeyed(recommended(recommend(named(NAMES[what]), []), [], "latency"))


@pytest.mark.parametrize("what", ["a terminal's title", "a cleared screen", "text from right to left", "a carriage return"])
def test_no_error_obeys_a_name(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.status(["predict", NAMES[what], "good"]) == 2
    assert cli.status(["report", f"{NAMES[what]}.jsonl"]) == 2
    (tmp_path / "card.toml").write_text(f"schema = 1\n{'x'} = {NAMES[what].encode('unicode_escape').decode().replace(chr(92) + 'x', 'u00')!r}\n")
    assert cli.status(["models", "show", str(tmp_path / "card.toml")]) == 1
    assert not obeyed(capsys.readouterr().err)


def test_a_file_of_any_name_is_a_file_and_nothing_else(tmp_path: Path) -> None:
    """Through the shell of a user who quotes it."""
    path = tmp_path / "$(touch pwned); `touch pwned`.jsonl"
    record.append(path, FULL)
    done = subprocess.run(["sh", "-c", 'exec "$0" -m edgebench report --format json "$1"', cli.sys.executable, str(path)], capture_output=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
