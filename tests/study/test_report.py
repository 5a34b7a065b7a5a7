"""The report: both forms tell the same, others' figures stand apart, and each dash has its reason."""

from __future__ import annotations

import re

import pytest

from edgebench.study import report
from edgebench.study.description import Study
from edgebench.study.evidence import Evidence

pytest.importorskip("matplotlib", reason="figures need matplotlib; install edgebench[report]")


def test_the_same_evidence_gives_the_same_bytes(evidence: Evidence) -> None:
    assert report.to_html(report.report(evidence)) == report.to_html(report.report(evidence))


def test_each_table_with_numbers_has_its_figure(evidence: Evidence) -> None:
    assert {one.name: [plot.name for plot in one.plots] for one in report.report(evidence).sections} == {
        "pair": ["pair"], "engines": ["engines"], "losses": ["losses-1", "losses-2"], "claims": [], "cures": [],
    }


def test_markdown_tells_tables_findings_and_reasons(evidence: Evidence) -> None:
    text = report.to_markdown(report.report(evidence), {"pair": "figures/pair.svg"})
    assert "| the student | int8 | 89.0 % ±2.0 | \\-9.0 points, p 0.004 | 91.0 % | 2.50 MB | 2.00 Mop | 5.00 ms | – \\[" in text
    assert "![Before and after](figures/pair.svg)" in text
    assert re.search(r"- \\\[\d\\\] not made here: \\`edgebench study --train\\`", text)
    assert "- someone's: 99 % (their paper)" in text
    assert text.index("## Findings") < text.index("## Before and after")


def test_a_page_marks_others_figures_as_theirs_and_runs_nothing(evidence: Evidence) -> None:
    page = report.to_html(report.report(evidence))
    assert "<h3>Theirs</h3>" in page
    assert "someone&#x27;s: 99 % (their paper)" in page
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="(?!#|data:)', page)


def test_names_are_not_taken_for_markup(study: Study) -> None:
    import msgspec

    odd = msgspec.structs.replace(study.model("large"), about="<b>large</b>")
    study = msgspec.structs.replace(study, models=(odd, *study.models[1:]))
    page = report.to_html(report.report(Evidence(study=study, records=[])))
    assert "<b>large" not in page
    assert "&lt;b&gt;large" in page


def test_a_report_of_nothing_says_so(study: Study) -> None:
    text = report.to_markdown(report.report(Evidence(study=study, records=[])))
    assert "Nothing was timed." in text
    assert "Too little was measured to say anything." in text
