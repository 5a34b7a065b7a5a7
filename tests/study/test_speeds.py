"""A model's speeds in a study: what each keeps, how much faster it is, and its time as four of them tell it."""

from __future__ import annotations

import msgspec
import pytest

from edgebench import catalog
from edgebench.models import card as cards
from edgebench.record import Record
from edgebench.study import report
from edgebench.study.description import Model, Row, Study, Table
from edgebench.study.evidence import Evidence
from edgebench.study.speeds import findings, points
from tests.reports.conftest import accuracy, cell

CARD = cards.read(catalog.find("models", "elastic-sst2"))
TABLE = Table(name="s", title="Speeds", kind="speeds", figure="none", rows=(Row(model="elastic"),))
STUDY = Study(
    schema=1, name="one", title="One", about="a test", models=(Model(name="elastic", about="elastic", card="elastic-sst2"),), tables=(TABLE,),
)


def records(slow: str = "") -> list[Record]:
    """Every point takes 1 + 2 d + 4 w d ms, `slow` twice as long; widths under 0.5 lose four points."""
    found = []
    for one in CARD.variants[0].points:
        ms = (1 + 2 * one.depth + 4 * one.width * one.depth) * (2 if one.name == slow else 1)
        made = cell("onnxruntime", "int8", ms, accuracy=accuracy(0.9 if one.width >= 0.5 else 0.86))
        found.append(msgspec.structs.replace(made, spec=msgspec.structs.replace(made.spec, model=f"elastic-sst2@{one.name}")))
    return found


def evidence(known: list[Record]) -> Evidence:
    return Evidence(study=STUDY, records=known, cards={"elastic": CARD}, gaps={})


def test_the_whole_net_comes_first_and_every_point_has_a_line() -> None:
    grid = points(TABLE, evidence(records()))
    assert [line.entries["width x depth"].text for line in grid.lines][:3] == ["1 x 1", "1 x 0.75", "1 x 0.5"]
    assert len(grid.lines) == 12
    assert grid.lines[0].entries["times as fast"].text == "is the whole"


def test_how_much_faster_is_told_beside_what_is_kept() -> None:
    line = next(one for one in points(TABLE, evidence(records())).lines if one.entries["width x depth"].text == "0.25 x 0.5")
    assert line.entries["times as fast"].value == pytest.approx(7 / 2.5)
    assert line.entries["of the whole"].text == "95.6 %"


def test_a_prediction_is_told_only_of_what_it_was_not_fitted_to() -> None:
    lines = {one.entries["width x depth"].text: one.entries for one in points(TABLE, evidence(records(slow="0.5x0.75"))).lines}
    assert lines["1 x 1"]["off by"].why == "one of those that the cost was fitted to"
    assert lines["0.5 x 0.75"]["off by"].text == "-50.0 %"
    assert lines["0.75 x 0.75"]["off by"].text in ("0.0 %", "-0.0 %", "+0.0 %")


def test_the_findings_name_the_fastest_that_keeps_nearly_all_and_the_worst_prediction() -> None:
    best, worst = findings(points(TABLE, evidence(records(slow="0.5x0.75"))))
    assert best.startswith("Of one set of weights 0.5 x 0.5 of width and depth keeps 100.0 % of the whole net's accuracy at 2.33")
    assert worst == "A cost fitted to four points told the time of the other 8 to within 50.0 %."


def test_a_model_that_was_not_measured_is_one_line_that_says_so() -> None:
    (line,) = points(TABLE, evidence([])).lines
    assert (line.entries["model"].text, line.entries["median"].why) == ("elastic", "not measured: `edgebench study`")


def test_the_report_holds_the_table() -> None:
    assert "| 0.5 x 0.75 | onnxruntime | int8 |" in report.to_markdown(report.report(evidence(records())))
