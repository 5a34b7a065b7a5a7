"""What is said at the top is computed from the same records as the tables, and nothing is said where nothing is known."""

from __future__ import annotations

import msgspec

from edgebench.study import report
from edgebench.study.description import Study
from edgebench.study.evidence import Evidence
from tests.study.conftest import of


def test_every_sentence_is_about_what_was_measured(evidence: Evidence) -> None:
    assert report.report(evidence).findings == [
        "Quantised to int8, 1 model changed by -1.0 points of accuracy, at 0.25 of the size, and 2.00 times as fast in the best engine of each.",
        "Of the engines, with the same weights, the fastest valid one is onnxruntime at fp32 (10.0 ms).",
        "With every weight rounded, 8 bits cost nothing that n = 200 shows and 2 bits cost 40.0 points.",
        "The part that suffers most alone is words at 2 bits: -30.0 points.",
        "Left out whole, layer 2 costs most (-20.0 points) and layer 1 least (-0.5 points), with nothing trained after.",
        "Of 2 claims of the papers 2 could be checked here, of which 2 hold.",
        "Being small cost -8.0 points, p 0.008; being large brought +8.0 points, p 0.008.",
    ]


def test_where_all_is_noisy_no_engine_is_called_the_fastest(study: Study) -> None:
    table = study.tables[1]
    noisy = [of("small", "fp32", ms, 10, 1, backend, verdict="noisy") for ms, backend in ((9, "onnxruntime"), (7, "tflite"))]
    found = report.report(Evidence(study=msgspec.structs.replace(study, tables=(table,)), records=noisy)).findings
    assert found == [
        "No cell was measured steadily enough to be called the fastest (2 noisy cells); the lowest median is that of tflite at fp32, 7.00 ms ±0.0 %.",
    ]


def test_nothing_is_said_of_nothing(study: Study) -> None:
    assert report.report(Evidence(study=study, records=[])).findings == []


def test_the_technique_that_matters_most_is_named(study: Study) -> None:
    table = msgspec.structs.replace(study.tables[0], kind="ablation", recipes=("small",), rows=())
    rights = {"whole": 90, "without hidden": 80, "without attention": 89}
    lines = [{"recipe": "small", "variant": name, "seed": 1, "dataset": "sst2", "n": 100, "correct": right} for name, right in rights.items()]
    lines[0]["teacher"] = {"name": "large", "correct": 95, "p": 0.2}
    found = report.report(Evidence(study=msgspec.structs.replace(study, tables=(table,)), records=[], training=lines)).findings
    assert found == [
        "the student reached 90.0 % (n = 100), -5.0 points, p 0.20 beside its teacher.",
        "Of the student, without hidden changes accuracy most, by -10.0 points; without attention least, by -1.0 points.",
    ]
