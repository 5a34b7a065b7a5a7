"""docs/faults.md is what the results say, and the results say that nothing was lost."""

from __future__ import annotations

import json

from tests.faults.page import LOAD, PAGE, RESULTS, render, rows

ONE = {
    "kind": "model", "fault": "onnx: cut short at 5 %", "expected": "IntegrityError", "happened": "IntegrityError", "tries": 1, "lost": 0,
    "seconds": 0.5, "test": "t",
}


def test_the_page_is_made_from_the_results() -> None:
    assert PAGE.read_text() == render(RESULTS.read_text().splitlines(), LOAD.read_text().splitlines())


def test_the_results_are_of_60_faults_and_more_and_none_was_lost() -> None:
    _, *found = map(json.loads, RESULTS.read_text().splitlines())
    assert len({(one["kind"], one["fault"]) for one in found}) >= 60
    assert [one for one in found if one["lost"] or one["happened"] != one["expected"]] == []


def test_faults_that_differ_in_a_share_are_one_row_with_the_longest_time() -> None:
    (row,) = rows([ONE, {**ONE, "fault": "onnx: cut short at 95 %", "seconds": 2.0}])
    assert (row.fault, row.tries, row.survived, row.seconds) == ("onnx: cut short at each share", 2, 2, 2.0)


def test_a_fault_that_went_otherwise_did_not_survive_and_is_a_silent_answer_in_the_sum() -> None:
    page = render([json.dumps({"machine": "m", "date": "d", "python": "p"}), json.dumps({**ONE, "happened": "answers"})])
    assert "**1 faults, tried 1 times: 0 survived, 0 records lost or invented, 1 silent wrong answers.**" in page
