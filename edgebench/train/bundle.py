"""A trained net, or a finished run (`student.pt`, `result.json`) -> a folder that `load` and `bench` take: files, tokenizer, card.

Every file is compared with the net it came from on real padded sentences before the card is written, and each variant's
accuracy is measured through the pipeline that an app calls.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import msgspec
import tomli_w
import torch
from torch import Tensor

from edgebench import whole
from edgebench.errors import CardError, EngineError
from edgebench.models.artifact import digest_of
from edgebench.models.card import Card, Score, Tolerance, Variant
from edgebench.models.data import Labelled
from edgebench.train import nets, students
from edgebench.train.cards import listed, name_of, write_card
from edgebench.train.data import Examples, collate, encoded, tagged, tokenised
from edgebench.train.export import BACKENDS, Exported, Parity, export, parity
from edgebench.train.recipe import METRICS, Recipe

# what a variant may lose beside the reference: fp32 is the same arithmetic in another order, int8 is not
TOLERANCE = {
    "fp32": Tolerance(difference=1e-3, agreement=0.995, accuracy_loss=0.005), "int8": Tolerance(agreement=0.97, accuracy_loss=0.01),
    "int8-static": Tolerance(agreement=0.95, accuracy_loss=0.02), "int4": Tolerance(agreement=0.95, accuracy_loss=0.02),
}
COMPARED = 256  # sentences
LENGTHS = (32, 64, 128, 256)  # of a TFLite file's signatures, below the most tokens that the model reads


@dataclass(frozen=True)
class Run:
    """What a recipe left in its folder; `which` of its nets `net` is, "student" or "teacher"."""

    recipe: Recipe
    result: dict[str, Any]
    net: nets.Net
    which: str = "student"


@dataclass(frozen=True)
class Made:
    """A net that is ready to be written, and what its card says of it. `tokenizer` is the file it was trained with."""

    name: str
    about: str
    net: nets.Net
    tokenizer: Path
    dataset: str
    made_by: dict[str, Any]
    source: str
    task: str = "text-classification"
    licence: str = "Apache-2.0"
    max_tokens: int = 128


def read_run(folder: Path, which: str = "student") -> Run:
    """The student of a finished run, or its teacher; CardError if the run is not finished, or the folder holds something else."""
    try:
        result = json.loads((folder / "result.json").read_text())
        recipe = msgspec.convert(result["recipe"], Recipe)
        weights = torch.load(folder / f"{which}.pt", weights_only=True, map_location="cpu")
        shape = recipe.student
        layers, hidden, ffn = (len(shape.layers), shape.hidden, shape.ffn) if which == "student" else _shape(weights)
        net = nets.build(
            layers=layers, hidden=hidden, heads=int(result["heads"]), ffn=ffn, labels=weights["classifier.weight"].shape[0],
            vocab=weights["bert.embeddings.word_embeddings.weight"].shape[0], task=recipe.task,
        )
        net.load_state_dict(weights)
    except (OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, UnpicklingError, msgspec.ValidationError) as error:
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise CardError(f"{folder} is no finished run ({said}); expected {which}.pt and result.json, as `edgebench train` leaves them") from error
    return Run(recipe, result, net.eval(), which)


def _shape(weights: dict[str, Tensor]) -> tuple[int, int, int]:
    """Layers, channels and neurons of a net."""
    names = [name for name in weights if name.endswith("intermediate.dense.weight")]
    ffn, hidden = weights[names[0]].shape
    return len(names), hidden, ffn


def read_student(folder: Path) -> Made:
    """The net of a finished run of one method, ready to be written."""
    net, result = students.read(folder)
    recipe, record = result["recipe"], result["record"]
    teacher = record["teacher"] or {"name": None, "correct": None}
    made_by = {
        "recipe": recipe["name"], "variant": record["variant"], "seed": recipe["seed"], "method": recipe["method"], "weights": recipe.get("weights"),
        "teacher": teacher["name"], "teacher_accuracy": teacher["correct"] and round(teacher["correct"] / record["n"], 4),
        "student_accuracy": round(record["correct"] / record["n"], 4), "encoder_parameters": record["encoder_parameters"],
        "trained_on": f"{record['examples']:,} of {recipe['dataset']}, sha256 {record['train_sha256'][:16]}",
        "found": record["found"] and f"{record['found']['depth']} cells of "
        + ", ".join(f"{one['operation']} {one['source']} to {one['target']}" for one in record["found"]["edges"]),
    }
    return Made(
        name=recipe["name"], about=recipe["about"], net=net, tokenizer=folder / "tokenizer.json", dataset=recipe["dataset"], made_by=made_by,
        source=f"trained by edgebench, recipe {recipe['name']}", max_tokens=recipe["max_tokens"],
    )


def bundle(
    run: Run, into: Path, tokenizer: Path, labelled: Labelled, *, variants: Sequence[str],
    samples: Sequence[str] = (), tell: Callable[[str], None] = lambda line: None,
) -> Path:
    """Write `into`/NAME.toml and its files; return the card's path. `labelled` is what accuracy is measured on; `samples` are other
    texts, on which an int8-static file's ranges are measured."""
    return write(_made(run, tokenizer), into, labelled, variants=variants, samples=samples, tell=tell)


def write(
    made: Made, into: Path, labelled: Labelled, *, variants: Sequence[str], samples: Sequence[str] = (), tell: Callable[[str], None] = lambda line: None,
) -> Path:
    """The same for any net; `labelled.label_names` are the card's labels."""
    folder = into / made.name
    lengths = [*(one for one in LENGTHS if one < made.max_tokens), made.max_tokens]
    calibration = _batches(Examples(encoded(samples, made.tokenizer, made.max_tokens), [0] * len(samples)))
    written = export(made.net, folder, variants=variants, lengths=lengths, samples=calibration, progress=tell)
    write_tokenizer(made.tokenizer, folder / "tokenizer.json", made.max_tokens)
    tokens = tagged if made.task == "token-classification" else tokenised
    batches = _batches(tokens(labelled, folder / "tokenizer.json", made.max_tokens))
    for one in written:
        close = parity(made.net, one, batches)
        tell(f"{one.name}: {close.agreement:.1%} of {close.n} answers are the net's, no probability is further than {close.difference:.2g}")
        _check(one, close)
    path = into / f"{made.name}.toml"
    card = _card(made, written, folder, labelled)
    write_card(card, path)
    scored = tuple(msgspec.structs.replace(variant, accuracy=_score(path, variant, labelled)) for variant in card.variants)
    for variant in scored:
        if variant.accuracy:
            tell(f"{variant.name}: {METRICS[card.task].replace('_', ' ')} {variant.accuracy.value:.2%} on {labelled.name}, n = {variant.accuracy.n}")
    write_card(msgspec.structs.replace(card, variants=scored), path)
    return path


def _batches(examples: Examples) -> list[tuple[Tensor, Tensor]]:
    """(ids, mask) of the first `COMPARED` examples, four at a time."""
    rows = range(min(COMPARED, len(examples)))
    return [(one.ids, one.mask) for one in (collate(examples, rows[at:at + 4]) for at in range(0, len(rows), 4))]


def write_tokenizer(source: Path, path: Path, max_tokens: int) -> None:
    """The tokenizer without padding, and with truncation at `max_tokens`: sentence encoders ship theirs set to something else."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(source))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    tokenizer.save(str(path), pretty=False)


def write_dataset(labelled: Labelled, folder: Path, task: str) -> str:
    """Put labelled texts of the user's own beside a model, as dev.csv with a dataset card, so that `bench` judges it on them; the card's
    path from the model card's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rows, path = folder / "dev.csv", folder / "dev.toml"
    with rows.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("text", "label"), *zip(labelled.texts, labelled.references, strict=True)])
    copy = {"file": rows.name, "sha256": digest_of(rows), "size_bytes": rows.stat().st_size}
    one = {
        "name": labelled.name, "about": "what the model beside it is judged on", "licence": labelled.licence or "unknown",
        "source": labelled.source or "unknown", "text": "text", "label": "label", "splits": {"dev": [copy]},
    }
    card = {"schema": 1, "name": labelled.name, "task": task, "about": one["about"], "labels": list(labelled.label_names), "sets": [one]}
    whole.write(path, tomli_w.dumps(card))
    return f"{folder.name}/{path.name}"


def _check(one: Exported, close: Parity) -> None:
    allowed = TOLERANCE[one.precision]
    if close.difference > allowed.difference or close.agreement < allowed.agreement:
        raise EngineError(
            f"{one.path.name} disagrees with the net it was made from: {close.agreement:.1%} equal answers, probabilities up to {close.difference:.3g} apart; "
            f"expected {allowed.agreement:.1%} and {allowed.difference:g}; the converter or the engine is at fault: try other versions of them"
        )


def _made(run: Run, tokenizer: Path) -> Made:
    recipe, result, metric = run.recipe, run.result, METRICS[run.recipe.task]
    made_by = {
        "recipe": recipe.name, "seed": recipe.seed, "teacher": recipe.teacher.weights, "assistant": recipe.assistant.weights if recipe.assistant else None,
        f"teacher_{metric}": round(result["teacher"][f"{metric}_dev"], 4), f"student_{metric}": round(result["student"][f"{metric}_dev"], 4),
        "trained_on": f"{recipe.dataset}, sha256 {result['train_sha256'][:16]}",
    }
    name, about = recipe.name, recipe.about
    if run.which == "teacher":
        name, about = f"{name}-teacher", f"{recipe.teacher.weights} fine-tuned for {recipe.dataset}, the teacher of {name}"
    return Made(
        name=name, about=about, net=run.net, tokenizer=tokenizer, dataset=recipe.dataset, made_by=made_by,
        source=f"trained by edgebench, recipe {recipe.name}", task=recipe.task, max_tokens=recipe.max_tokens,
    )


def _card(made: Made, written: Sequence[Exported], folder: Path, labelled: Labelled) -> Card:
    variants = tuple(
        Variant(format=one.format, precision=one.precision, file=name_of(one.path), sha256=one.sha256, size_bytes=one.size_bytes) for one in written
    )
    tokenizer = folder / "tokenizer.json"
    reference = next((one.name for one in variants if one.precision == "fp32"), variants[0].name)
    made_by = {**made.made_by, "exported": f"{datetime.now(UTC):%Y-%m-%d}, torch {torch.__version__}"}
    return Card(
        schema=1, name=made.name, task=made.task, about=made.about, licence=made.licence, source=made.source,
        labels=labelled.label_names, dataset=made.dataset, reference=reference, variants=variants,
        files={"tokenizer": listed(tokenizer)},
        preprocess={"max_tokens": made.max_tokens},
        tolerance={one: _tolerance(made.task, one) for one in dict.fromkeys(variant.precision for variant in variants)},
        parameters=nets.parameter_count(made.net), made_by={key: value for key, value in made_by.items() if value is not None},
    )


def _tolerance(task: str, precision: str) -> Tolerance:
    """A tagger's answers are equal where every tag of a sentence is, so of fewer sentences: its fp32 files agree on all, int8 ones on 95 %."""
    allowed = TOLERANCE[precision]
    return msgspec.structs.replace(allowed, agreement=0.9) if task == "token-classification" and precision != "fp32" else allowed


def _score(card: Path, variant: Variant, labelled: Labelled) -> Score:
    """Through the call that an app makes, one sentence at a time."""
    from edgebench.pipeline import load

    with load(str(card), backend=BACKENDS[variant.format], precision=variant.precision, allow_code=True) as pipe:
        metric = pipe.task.score([pipe(text) for text in labelled.texts], labelled.references)
    return Score(dataset=labelled.name, n=metric.n, value=round(metric.value, 6), low=round(metric.low, 6), high=round(metric.high, 6))
