"""Adaptive compression in a study: what it takes under each budget, knowing four points, beside the best of all."""

from __future__ import annotations

import msgspec

from edgebench.study import report
from edgebench.study.adaptive import choices, findings
from edgebench.study.description import Study, Table
from edgebench.study.evidence import Evidence
from edgebench.study.grid import Grid
from tests.study.test_speeds import CARD, STUDY, records

BUDGETS = ("latency 4.5 ms, accuracy -1 %", "latency 1 ms")
TABLE = Table(name="a", title="Adaptive", kind="adaptive", figure="none", budgets=BUDGETS, rows=STUDY.tables[0].rows)


def told(*, slow: str = "", budgets: tuple[str, ...] = BUDGETS) -> Grid:
    """Every point takes 1 + 2 d + 4 w d ms, `slow` twice as long."""
    table = msgspec.structs.replace(TABLE, budgets=budgets)
    study: Study = msgspec.structs.replace(STUDY, tables=(table,))
    return choices(table, Evidence(study=study, records=records(slow), cards={"elastic": CARD}, gaps={}))


def test_where_the_cost_is_right_the_best_of_all_points_is_taken_and_few_are_measured() -> None:
    entries = told().lines[0].entries
    assert entries["takes"].text == entries["best of all points"].text
    assert entries["measured points"].text == "5 of 12"
    assert entries["off by"].text in ("0.0 %", "-0.0 %", "+0.0 %")
    assert (entries["keeps it"].text, entries["its time / the best's"].text) == ("yes", "1.00")


def test_a_point_that_turns_out_slow_when_it_is_measured_is_passed_by() -> None:
    taken = told().lines[0].entries["takes"].text.partition(",")[0].replace(" ", "")
    entries = told(slow=taken).lines[0].entries
    assert entries["takes"].text.partition(",")[0].replace(" ", "") != taken
    assert entries["keeps it"].text == "yes"
    assert entries["measured points"].text == "6 of 12"


def test_where_no_point_keeps_a_budget_the_nearest_is_told_and_nothing_is_best() -> None:
    entries = told().lines[1].entries
    assert entries["keeps it"].text == "no: the nearest"
    assert entries["best of all points"].why == "no point keeps the budget"


def test_the_findings_count_how_often_the_best_was_taken() -> None:
    first, second = findings(told(budgets=("latency 4.5 ms, accuracy -1 %", "latency 6 ms")))
    assert first.startswith("Under 2 budgets that can be kept adaptive compression took the best of all points 2 times, having measured 5 of them")
    assert second.startswith("What it took was predicted to within 0.0 %")


def test_a_model_that_was_not_measured_is_one_line_that_says_so() -> None:
    (line,) = choices(TABLE, Evidence(study=STUDY, records=[], cards={"elastic": CARD}, gaps={})).lines
    assert line.entries["takes"].why == "not measured: `edgebench study`"


def test_the_report_holds_the_table() -> None:
    study = msgspec.structs.replace(STUDY, tables=(TABLE,))
    text = report.to_markdown(report.report(Evidence(study=study, records=records(), cards={"elastic": CARD}, gaps={})))
    assert "| elastic | latency 4.5 ms, accuracy -1 % | " in text
