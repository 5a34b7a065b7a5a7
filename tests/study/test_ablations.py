"""A variant is told beside its whole: by pairs where answers were kept, by the mean and range where there are several seeds."""

from __future__ import annotations

from typing import Any

import msgspec

from edgebench.models.card import Card, Variant
from edgebench.record import Record
from edgebench.study import ablations
from edgebench.study.description import Study, Table
from edgebench.study.evidence import TRAIN, Evidence
from edgebench.study.grid import ABSENT
from tests.study.conftest import REFERENCES


def line(variant: str, wrong: int, seed: int = 1, **more: Any) -> dict[str, Any]:
    """The first `wrong` of 100 answers are wrong."""
    numbers = [(1 - number if place < wrong else number) for place, number in enumerate(REFERENCES.index(one) for one in REFERENCES)]
    return {
        "recipe": "small", "variant": variant, "seed": seed, "dataset": "sst2", "n": 100, "correct": 100 - wrong, "answers": numbers, "steps": 300,
        "minutes": 4.4, "parameters": 2_000_000, "encoder_parameters": 500_000, **more,
    }


def told(study: Study, records: list[Record], *lines: dict[str, Any]) -> list[dict[str, str]]:
    table = Table(name="t", title="T", kind="ablation", recipes=("small",))
    variant = Variant(file="f", sha256="0" * 64, size_bytes=1, format="onnx", precision="fp32")
    card = Card(
        schema=1, name="large", task="text-classification", about="", licence="", source="", labels=("a", "b"), dataset="sst2", reference="onnx/fp32",
        variants=(variant,),
    )
    found = ablations.variants(table, Evidence(study=study, records=records, cards={"large": card}, training=lines))
    return [{name: entry.text for name, entry in one.entries.items()} for one in found.lines]


def test_a_variant_is_paired_with_the_whole_of_its_seed(study: Study, records: list[Record]) -> None:
    """Ten that the whole has right and the variant has not: p = 2 * 0.5^10."""
    whole, variant = told(study, records, line("without hidden", 12), line("whole", 2))
    assert (whole["variant"], whole["against the whole"]) == ("whole", "is the whole")
    assert (variant["against the whole"], variant["steps"], variant["minutes"], variant["in the encoder"]) == ("-10.0 points, p 0.002", "300", "4", "0.50 M")


def test_answers_that_do_not_fit_the_references_are_not_paired(study: Study, records: list[Record]) -> None:
    """Another order of the rows would count another number of them right than the line says."""
    shifted = line("without hidden", 12)
    shifted["answers"] = shifted["answers"][1:] + shifted["answers"][:1]
    _, variant = told(study, records, shifted, line("whole", 2))
    assert variant["against the whole"] == "-10.0 points"


def test_of_several_seeds_the_mean_and_range_are_told(study: Study, records: list[Record]) -> None:
    lines = [line("whole", 2, 1), line("whole", 4, 2), line("without hidden", 12, 1), line("without hidden", 8, 2)]
    _, variant = told(study, records, *lines)
    assert (variant["seeds"], variant["accuracy"]) == ("2", "90.0 % (88.0 % to 92.0 %)")
    assert variant["against the whole"] == "-7.0 points (-10.0 to -4.0)"


def test_a_line_trained_again_replaces_the_first(study: Study, records: list[Record]) -> None:
    (whole,) = told(study, records, line("whole", 50), line("whole", 2))
    assert (whole["seeds"], whole["accuracy"].split(" ±")[0]) == ("1", "98.0 %")


def test_its_teacher_is_told_from_the_line_itself(study: Study, records: list[Record]) -> None:
    teacher = {"name": "large", "correct": 97, "answers": line("", 3)["answers"], "p": 0.03}
    (whole,) = told(study, records, line("whole", 5, teacher=teacher))
    assert (whole["against its teacher"], whole["same answers"]) == ("-2.0 points, p 0.030", "98.0 %")


def test_what_no_log_tells_of_says_how_to_have_it(study: Study) -> None:
    table = Table(name="t", title="T", kind="ablation", recipes=("small",))
    (one,) = ablations.variants(table, Evidence(study=study, records=[])).lines
    assert (one.entries["accuracy"].text, one.entries["accuracy"].why) == (ABSENT, TRAIN)


def test_what_a_search_found_is_told_in_words(study: Study) -> None:
    table = Table(name="t", title="T", kind="ablation", recipes=("small",))
    found = {"depth": 3, "edges": [{"operation": "conv3", "source": 0, "target": 2}], "cost": 0.25}
    evidence = Evidence(study=msgspec.structs.replace(study), records=[], training=[line("whole", 2, found=found)])
    assert ablations.drawings(table, evidence) == ["the student: 3 cells of conv3 0 to 2, 25.0 % of the dearest net in its space."]
