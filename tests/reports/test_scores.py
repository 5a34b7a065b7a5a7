"""The table of tasks, models, engines and scores, as whole text."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from edgebench.record import Record
from edgebench.reports.scores import render

Make = Callable[..., Record]

TABLE = """\
| task | model | labelled set | engine | precision | score | 95 % interval | equal answers | size |
| --- | --- | --- | --- | --- | --- | ---: | ---: | ---: |
| text classification | a | sst2, n = 872 | onnxruntime | int8 | accuracy 91.0 % | 89.0 to 92.8 | 99.5 % | 14.6 MB |
| translation | tiny | sst2, n = 872 | tflite | fp32 | BLEU 91.0 %, chrF2 95.0 % | 89.0 to 92.8 | – | 14.6 MB |

Measured on Test CPU, 4 cores, 2026-01-02. The interval is of the first score (accuracy: Wilson 95 %; BLEU: bootstrap 95 %). Equal answers: the share \
of examples that the model's reference file answers alike. Sizes are of the model's files.

- sst2: brackets are spelled out
"""


def test_the_whole_table_by_task_and_without_what_was_not_judged(make: Make) -> None:
    size = 14_600_000
    translated = make("tflite", "fp32", 1, artifact={"size_bytes": size, "task": "translation"}, parity=None)
    assert translated.accuracy
    bleu = msgspec.structs.replace(translated.accuracy, metric="BLEU nrefs:1|tok:13a", more={"chrF2 nrefs:1": 0.95}, interval="bootstrap 95 %")
    records = [
        msgspec.structs.replace(translated, accuracy=bleu),
        make("onnxruntime", "int8", 1, spec={"model": "/cards/a.toml"}, artifact={"size_bytes": size, "task": "text-classification"},
             notes=["sst2: brackets are spelled out", "there is no meter"]),
        make("torchscript", "int8", verdict="failed", reasons=["the process was killed"]),
    ]
    assert render(records) == TABLE


def test_where_nothing_was_judged_that_is_said() -> None:
    assert render([]) == "nothing was judged\n"
