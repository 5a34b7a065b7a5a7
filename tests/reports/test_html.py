"""The page: well formed, nothing fetched and nothing run, every cell with its reasons, and nothing of a record taken for markup."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from edgebench.errors import MissingError
from edgebench.record import Record
from edgebench.reports import html
from edgebench.reports.plots import base as look
from tests.reports.conftest import accuracy, full, rated

pytest.importorskip("matplotlib", reason="the page's plots need matplotlib; install edgebench[report]")

Make = Callable[..., Record]
FEW: dict[str, Any] = {"memory": None, "cold": []}  # plots: each takes a while to draw
EMPTY = {"meta", "link", "br"}  # elements of HTML that have no end


class Page(HTMLParser):
    """The page's elements with their attributes, its text, and what is not closed in the order in which it was opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def text() -> str:
    """A page of ten cells with every section."""
    return html.render([
        *(full(f"engine{place}", "int8", 3 + place) for place in range(5)),
        full("tflite", "int8", 1), full("onnxruntime", "fp32", 2), full("torchscript", "int8", 0.5, verdict="invalid", reasons=["accuracy is lost"]),
        rated("tflite", [100, 120]), full("executorch", "int8", 1, verdict="failed", reasons=["killed by SIGSEGV"], latency=None),
    ])  # fmt: skip


def test_every_element_is_closed_and_no_id_comes_twice(text: str) -> None:
    page = Page(text)
    assert page.open == []
    ids = [str(attributes["id"]) for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    assert used <= set(ids)


def test_nothing_is_fetched_and_nothing_is_run(text: str) -> None:
    page = Page(text)
    assert not {"script", "iframe", "img", "object", "embed", "form", "base"} & {name for name, _ in page.elements}
    addresses = [str(value) for _, attributes in page.elements for name, value in attributes.items() if name in ("src", "href", "xlink:href", "action")]
    assert set(re.findall(r"^#|^data:,$", "\n".join(addresses), re.MULTILINE)) == {"#", "data:,"}
    assert all(one.startswith("#") or one == "data:," for one in addresses)
    assert not re.findall(r"url\((?!#)|@import|https?://", text)
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]


def test_a_policy_holds_a_browser_to_it(text: str) -> None:
    (policy,) = [one for one in Page(text).named("meta") if one.get("http-equiv") == "Content-Security-Policy"]
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def test_it_is_made_for_a_phone_too_and_for_the_dark(text: str) -> None:
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in Page(text).named("meta")
    assert "@media (prefers-color-scheme: dark)" in text
    assert text.count('<div class="wide">') == text.count('<div class="narrow">') > 8
    body = text[text.index("</style>") :]
    assert not re.findall(r"#[0-9a-fA-F]{6}\b", body)
    assert {f"var({name})" for name in html.VARIABLES.values()} >= set(re.findall(r"var\(--[a-z0-9]+\)", body)) - {"var(--sans)"}
    assert all(f"{name}:" in text for name in html.VARIABLES.values())


def test_every_cell_is_a_row_with_its_verdict_and_its_reason(text: str) -> None:
    page = Page(text)
    assert len(page.named("tr")) == 1 + 10
    said = "".join(page.text)
    for shown in ("invalid [1]", "failed [2]", "[1] accuracy is lost", "[2] killed by SIGSEGV", "10 cells: 8 valid, 1 invalid, 1 failed"):
        assert shown in said


def test_the_versions_of_everything_that_ran_are_in_the_head(make: Make) -> None:
    host = {"packages": {"edgebench": "0.1.0"}, "python": "3.11.7", "os": "Debian 12"}
    records = [make(name, "int8", verdict="failed", host=host, engine={"library": name, "version": "1.2"}) for name in ("tflite", "onnxruntime", "tflite")]
    assert "<p>edgebench 0.1.0, onnxruntime 1.2, tflite 1.2, Python 3.11.7, Debian 12</p>" in html.render(records)


def test_the_verdict_stands_before_the_numbers(text: str) -> None:
    head = [re.sub("<.*?>", "", one) for one in re.findall(r"<th .*?</th>", text)]
    assert head[head.index("verdict") + 1] == "median"
    assert head.count("verdict") == 1


def test_every_section_with_data_is_there_and_no_other(text: str, make: Make) -> None:
    def sections(page: str) -> list[str]:
        return re.findall(r"<h2>(.*?)</h2>", page)

    always = ["Every cell", "The machine", "How to read this page"]
    assert [one for one in sections(text) if one not in always] == [
        "Accuracy against time against memory", "How times are spread", "What a call consists of", "Throughput", "What a server held", "Over minutes", "Memory",
        "From start to first answer", "Energy", "Roofline",
    ]  # fmt: skip
    assert sections(html.render([make("tflite", "*", verdict="unsupported", reasons=["why"])])) == ["Every cell", "How to read this page"]


def test_what_to_take_is_said_for_each_question_with_the_reasons_against_the_others(text: str) -> None:
    said = "".join(Page(text).text)
    assert "single-stream, own lengths: take tiny tflite int8 1 thread: 1.00 ms" in said
    assert "tiny torchscript int8 1 thread: invalid: accuracy is lost" in said


HOSTILE = "<script>alert(1)</script>\"'>\n&lt;b\x1b[31m"
SHOWN = "<script>alert(1)</script>\"'> &lt;b [31m"


def test_nothing_in_a_record_is_taken_for_markup(make: Make) -> None:
    record = make(
        HOSTILE, "int8", 1, verdict="noisy", reasons=[HOSTILE], notes=[HOSTILE], host={"cpu": HOSTILE, HOSTILE: [HOSTILE], "usable_cores": 2},
        spec={"model": HOSTILE, "scenario": HOSTILE}, **FEW,
    )  # fmt: skip
    plain = make("tflite", "int8", 2, host=record.host, spec={"model": "tiny", "scenario": HOSTILE}, **FEW)
    page = Page(html.render([record, plain]))
    assert page.named("script") == []
    assert page.open == []
    assert "".join(page.text).count(SHOWN) >= 6
    for heading in ("title", "h1"):
        assert len(page.named(heading)) == 1


def test_records_of_two_machines_stand_apart_and_that_is_said(make: Make) -> None:
    here, there = make("tflite", "int8", 1, **FEW), make("onnxruntime", "int8", 2, host={"cpu": "Other", "usable_cores": 8}, **FEW)
    text = html.render([here, there])
    assert "These are records of 2 machines or labelled sets." in text
    assert text.count("<section>") == text.count("<h2>Every cell</h2>") == 2
    assert [part for part in text.split("<section>")[1:] if "onnxruntime" in part and "tflite" in part] == []
    assert text.count(", fastest</td>") == 2
    assert "These are records of" not in html.render([here])


def test_records_of_two_labelled_sets_stand_apart(make: Make) -> None:
    import msgspec

    other = msgspec.structs.replace(accuracy(0.9), dataset="imdb")
    text = html.render([make("tflite", "int8", 1, **FEW), make("tflite", "int8", 1, accuracy=other, **FEW)])
    assert text.count("<section>") == 2


def test_a_cell_that_was_measured_twice_is_two_rows_and_that_is_said(make: Make) -> None:
    text = html.render([make("tflite", "int8", 1, **FEW), make("tflite", "int8", 1, **FEW)])
    assert len(Page(text).named("tr")) == 3
    assert "1 record of cells that were measured again" in text


def test_the_same_records_give_the_same_page(make: Make) -> None:
    records = [make("tflite", "int8", 1, **FEW), make("onnxruntime", "int8", 2, **FEW)]
    assert html.render(records) == html.render(records)


def test_facts_about_the_machine_have_units_and_what_is_not_known_is_named(make: Make) -> None:
    host = {"cpu": "Test CPU", "memory_bytes": 8e9, "freq_max_hz": 2_400_000_000, "smt": False, "governor": None, "packages": {"numpy": "2.4", "torch": None}}
    said = "".join(Page(html.render([make("tflite", "int8", 1, host={**host, "before": [{"temp_c": 1}]}, **FEW)])).text)
    for shown in ("8.00 GB", "2.40 GHz", "smt", "no", "numpy 2.4", "Not known here: governor."):
        assert shown in said
    assert "temp" not in said.split("The machine")[1].split("How to read")[0]


def test_a_page_of_ten_cells_is_below_a_megabyte(text: str) -> None:
    assert len(text.encode()) < 1_000_000


def test_nothing_measured_is_said_so() -> None:
    assert "<h1>nothing was measured</h1>" in html.render([])


def test_without_matplotlib_the_extra_is_named(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "find_spec", lambda name: None)
    with pytest.raises(MissingError, match=r"install edgebench\[report\]"):
        html.render([make("tflite", "int8", 1)])


def test_the_wheel_carries_the_style() -> None:
    builders = pytest.importorskip("hatchling.builders.wheel", reason="hatchling builds the wheel; install it")
    root = Path(html.__file__).resolve().parent.parent.parent
    if not (root / "pyproject.toml").is_file():
        pytest.skip("this is an installed edgebench, not its source")
    assert "edgebench/reports/page.css" in {one.distribution_path for one in builders.WheelBuilder(str(root)).recurse_included_files()}
