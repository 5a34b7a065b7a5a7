"""What all plots share: names of cells, colours, files that do not change from run to run, and the sentence where nothing can be drawn."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import BytesIO
from xml.etree import ElementTree

import pytest

from edgebench.errors import MissingError
from edgebench.record import Record
from edgebench.reports.plots import base, named
from edgebench.reports.plots.base import NARROW, WIDE, colours, drawn, labels, png, svg
from tests.reports.conftest import full, rated
from tests.reports.plots.conftest import texts

pytest.importorskip("matplotlib", reason="plots need matplotlib; install edgebench[report]")

Make = Callable[..., Record]


def test_a_cell_is_named_by_engine_and_precision_and_what_differs(make: Make) -> None:
    records = [make("tflite", "int8", 1), make("onnxruntime", "int8", 1, spec={"threads": 2, "length": 32})]
    assert list(labels(records).values()) == ["tflite int8 1 thread own lengths", "onnxruntime int8 2 threads 32 tokens"]
    assert list(labels(records[:1]).values()) == ["tflite int8"]


def test_what_tells_no_two_cells_apart_is_left_out_of_their_names(make: Make) -> None:
    records = [make("tflite", "int8", 1, spec={"format": "tflite"}), make("onnxruntime", "int8", 1), make("onnxruntime", "int8", 1, spec={"batch": 8})]
    assert list(labels(records).values()) == ["tflite int8 batch 1", "onnxruntime int8 batch 1", "onnxruntime int8 batch 8"]


def test_an_engine_has_the_same_colour_in_every_plot_of_the_same_engines(make: Make) -> None:
    records = [make("tflite", "int8", 1), make("onnxruntime", "int8", 1)]
    assert colours(records) == colours(records[::-1])
    assert len(set(colours(records).values())) == 2


@pytest.mark.parametrize("write", [svg, png])
def test_the_same_records_give_the_same_bytes(write: Callable[..., bytes | str]) -> None:
    first, second = (named([full("tflite", "int8", 1), full("onnxruntime", "fp32", 2)]) for _ in "ab")
    for name in ("latency", "memory"):
        assert write(first[name]) == write(second[name])


def test_svg_holds_text_as_text_and_no_date_or_address() -> None:
    picture = svg(named([full("tflite", "int8", 1)])["memory"])
    assert "tflite int8" in "".join(ElementTree.fromstring(picture).itertext())
    assert "<metadata" not in picture
    assert not re.findall(r"(?:href|src)=\"(?!#)|url\((?!#)", picture)


def test_png_is_a_png_of_the_plots_size() -> None:
    from PIL import Image

    with Image.open(BytesIO(png(named([full("tflite", "int8", 1)])["memory"]))) as picture:
        assert picture.width == round(WIDE * base.DOTS_PER_INCH)
        assert "Software" not in picture.info


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_any_name_can_be_drawn_and_none_is_taken_for_mathematics_or_markup(width: float) -> None:
    alike = ("a$b$c", "<script>&\"'", "模型", "\\frac{1}")
    names = {**dict(zip(alike, alike, strict=True)), "one\ntwo": "one two", "\ud800x": " x", "a" * 300: "aaa…aaa"}
    records = [full("tflite", "int8", 1 + place, spec={"model": name}) for place, name in enumerate(names)]
    plots = named(records)
    for plot in (plots["memory"], plots["pareto"]):
        figure = drawn(plot, width)
        assert not [shown for shown in names.values() if not any(shown in text for text in texts(figure))]
        written = "".join(ElementTree.fromstring(svg(plot, width)).itertext())
        assert not [shown for shown in names.values() if shown not in written]


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "find_spec", lambda name: None)
    with pytest.raises(MissingError, match=re.escape("plots need matplotlib, which is not installed; install edgebench[report]")):
        svg(named([full("tflite", "int8", 1)])["memory"])


def test_drawing_leaves_matplotlibs_settings_as_they_were() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    svg(named([full("tflite", "int8", 1)])["memory"])
    assert dict(matplotlib.rcParams) == before


def test_every_plot_has_a_file_of_its_own_by_machine_and_question(make: Make) -> None:
    one = [full("tflite", "int8", 1), full("onnxruntime", "int8", 2), full("tflite", "int8", 3, spec={"length": 32})]
    single = [f"latency-single-stream-{lengths}" for lengths in ("own-lengths", "32-tokens")]
    rest = ["memory", "cold-start", "energy", "roofline"]
    assert list(named(one)) == ["pareto-single-stream-own-lengths", *single, "stages", "sustained", *rest]
    rates = ["throughput-server-own-lengths-50-0-ms-for-99", "server-trials"]
    alone = rest[:-1]  # several calls at once have no roof of their own
    assert list(named([rated("tflite", [100, 120])])) == ["latency", "stages", *rates, "sustained", *alone]
    other = make("tflite", "int8", 1, host={"cpu": "Other"})
    assert [name for name in named([*one, other]) if name.startswith("records-2")] == ["records-2-latency", "records-2-memory", "records-2-cold-start"]


def test_nothing_measured_is_no_plot(make: Make) -> None:
    assert named([]) == {}
    assert named([make("tflite", "*", verdict="unsupported", reasons=["why"])]) == {}
