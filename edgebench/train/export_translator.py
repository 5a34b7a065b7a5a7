"""A Marian net -> a folder and a card that `load` translates with: an encoder and a decoder's step, for each engine and precision.

    write(net, names, folder_of_weights, made, into, labelled, variants=["onnx/fp32", "onnx/int8"])

In ONNX's int8 what loses most is spared: the output has unsigned weights of 8 bits where all else has 7, and the encoder's second
feed-forward maps stay in float, since activations that come into them have outliers.
TFLite has no variant yet: its graphs have fixed sizes, and what the decoder remembers grows with each token.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor

from edgebench.errors import EngineError, UsageError
from edgebench.models.card import Card, Score, Tolerance, Variant
from edgebench.models.data import Labelled
from edgebench.train import export_onnx, export_torchscript, marian, pieces, translate
from edgebench.train.cards import listed, write_card
from edgebench.train.export import BACKENDS, SUFFIXES, whole
from edgebench.train.marian import Encoder, Marian, Step
from edgebench.train.translate import Recipe

VARIANTS = ("onnx/fp32", "onnx/int8", "torchscript/fp32", "torchscript/int8")
# one token decided otherwise changes the rest of a sentence, so of equal translations fewer are asked than of equal labels
TOLERANCE = {"fp32": Tolerance(difference=1e-3, agreement=0.995, accuracy_loss=0.003), "int8": Tolerance(agreement=0.5, accuracy_loss=0.01)}
COMPARED = 24  # sentences whose first token's logits are compared with the net's
BOUND = {"fp32": 1e-3, "int8": 2.5}  # of a logit


@dataclass(frozen=True)
class Made:
    """A net that is ready to be written, and what its card says of it. `names` are its pieces, `weights` the folder of the
    SentencePiece models that they come from."""

    name: str
    about: str
    net: Marian
    names: list[str]
    weights: Path
    dataset: str
    made_by: dict[str, Any]
    max_tokens: int = 128


def finished(folder: Path) -> tuple[Recipe, dict[str, Any], list[str]] | None:
    """The recipe, the result and the pieces of a translator's run; None if `folder` holds another run, or none."""
    try:
        result = json.loads((folder / "result.json").read_text())
        if result["recipe"]["task"] != "translation":
            return None
        return msgspec.convert(result["recipe"], Recipe), result, json.loads((folder / "names.json").read_text())
    except (OSError, ValueError, KeyError, TypeError):
        return None


def made_of(folder: Path, weights: Path, recipe: Recipe, result: dict[str, Any], names: list[str]) -> list[Made]:
    """The student of a finished run, and its teacher with its words trimmed."""
    by = {"recipe": recipe.name, "seed": recipe.seed, "teacher": recipe.weights, "trained_on": f"{recipe.dataset}, sha256 {result['train_sha256'][:16]}"}
    scores = {f"{name}_bleu": round(result[name]["bleu_dev"], 4) for name in ("teacher", "student")}
    student = Made(recipe.name, recipe.about, marian.read(folder / "student.pt"), names, weights, recipe.dataset, {**by, **scores}, recipe.max_tokens)
    about = f"{recipe.weights} with the {len(names):,} pieces that {recipe.dataset} uses"
    trimmed = Made(f"{recipe.weights}-trimmed", about, marian.read(folder / "trimmed.pt"), names, weights, recipe.dataset, by, recipe.max_tokens)
    return [student, trimmed]


def published(name: str, weights: Path, dataset: str = "multi30k") -> Made:
    """A published net as it is; `dataset` is what it is measured on."""
    return Made(name, f"{name}, as published", marian.load(weights), pieces.names_of(weights / "vocab.json"), weights, dataset, {"teacher": name})


def trimmed(made: Made, training: Labelled, words: int) -> Made:
    """A published net with `words` pieces, those of `training` first."""
    if not 0 < words < len(made.names):
        raise UsageError(f"{words} pieces are none or all of the {len(made.names):,} that {made.name} has; give fewer, e.g. --words 28000")
    net, names = translate.trimmed(made.net, made.weights, training, 1, words)
    return replace(made, name=f"{made.name}-trimmed", about=f"{made.name} with {len(names):,} of its {len(made.names):,} pieces", net=net, names=names)


def write(
    made: Made, into: Path, labelled: Labelled, *, variants: Sequence[str] = VARIANTS, tell: Callable[[str], None] = lambda line: None
) -> Path:
    """Write `into`/NAME.toml and its files; return the card's path. `labelled` is what BLEU is measured on."""
    for asked in variants:
        if asked not in VARIANTS:
            raise UsageError(f"there is no variant {asked!r} of a translator; there are {', '.join(VARIANTS)}")
    folder = into / made.name
    folder.mkdir(parents=True, exist_ok=True)
    reader, writer = pieces.reader(made.weights / "source.spm", made.names), pieces.writer(made.names)
    reader.enable_truncation(made.max_tokens)
    for name, tokenizer in (("source", reader), ("target", writer)):
        tokenizer.save(str(folder / f"{name}.json"), pretty=False)
    written = []
    for one in variants:
        tell(one)
        form, precision = one.split("/")
        paths = {part: folder / f"{made.name}-{part}-{precision}{SUFFIXES[form]}" for part in ("encoder", "step")}
        write_graphs(made.net, paths["encoder"], paths["step"], form, precision)
        written.append(Variant(format=form, precision=precision, parts={"step": listed(paths["step"])}, **msgspec.structs.asdict(listed(paths["encoder"]))))
    path = into / f"{made.name}.toml"
    card = _card(made, tuple(written), folder)
    write_card(card, path)
    for variant in written:
        check(made, path, variant, [one.ids for one in reader.encode_batch(list(labelled.texts[:COMPARED]))])
    scored = []
    for variant in written:
        score = _score(path, variant, labelled)
        tell(f"{variant.name}: BLEU {100 * score.value:.1f} on {labelled.name}, n = {score.n}")
        scored.append(msgspec.structs.replace(variant, accuracy=score))
    write_card(msgspec.structs.replace(card, variants=tuple(scored)), path)
    return path


def write_graphs(net: Marian, encoder: Path, step: Path, form: str, precision: str) -> None:
    """The two files of one variant. Each appears whole or not at all."""
    net.eval()
    for module, path, samples in ((Encoder(net), encoder, _encoder_samples(net)), (Step(net), step, _step_samples(net))):
        module.eval()
        with whole(path) as part, torch.no_grad():
            if form == "onnx":
                export_onnx.write_graph(module, part, precision, _graph(samples[0]))
            else:
                export_torchscript.write_graph(module, part, precision, _graph(samples[0]), tuple(samples[1].values()))


def check(made: Made, card: Path, variant: Variant, sources: Sequence[list[int]]) -> None:
    """EngineError where the first token's logits of a file are further from the net's than its precision explains."""
    from edgebench.pipeline import load

    with load(str(card), backend=BACKENDS[variant.format], precision=variant.precision, allow_code=True) as pipe:
        worst = max(_distance(made.net, pipe.session, ids) for ids in sources)
    if not worst <= BOUND[variant.precision]:
        raise EngineError(
            f"{variant.name} of {made.name} disagrees with the net it was made from: a logit is {worst:.3g} apart, expected at most "
            f"{BOUND[variant.precision]:g}; the converter or the engine is at fault: try other versions of them"
        )


@torch.no_grad()
def _distance(net: Marian, session: Any, ids: list[int]) -> float:
    source, mask, start = torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.int64), torch.tensor([[net.shape.start]])
    cross = session.run({"input_ids": source.numpy(), "attention_mask": mask.numpy()})["cross"]
    past = _past(net, 1, 0).numpy()
    found = session.parts["step"].run({"input_ids": start.numpy(), "attention_mask": mask.numpy(), "cross": cross, "past": past})["logits"]
    return float((torch.from_numpy(found) - net(source, mask, start)[:, 0]).abs().max())


def _past(net: Marian, rows: int, places: int) -> Tensor:
    shape = net.shape
    return torch.zeros(rows, 2 * shape.decoder_layers, shape.heads, places, shape.width // shape.heads)


def _encoder_samples(net: Marian) -> list[dict[str, Tensor]]:
    return [{"input_ids": torch.full(size, net.shape.end), "attention_mask": torch.ones(size, dtype=torch.int64)} for size in ((2, 7), (3, 11))]


def _step_samples(net: Marian) -> list[dict[str, Tensor]]:
    return [
        {"input_ids": torch.full((rows, 1), net.shape.start), "attention_mask": torch.ones(rows, length, dtype=torch.int64),
         "cross": _past(net, rows, length) + 0.1, "past": _past(net, rows, before) + 0.1}
        for rows, length, before in ((2, 7, 4), (3, 11, 0))
    ]  # fmt: skip


OPEN = {
    "input_ids": {0: "batch"}, "attention_mask": {0: "batch", 1: "length"}, "cross": {0: "batch", 3: "length"},
    "past": {0: "batch", 3: "before"}, "present": {0: "batch", 3: "after"}, "logits": {0: "batch"},
}  # fmt: skip


def _graph(sample: dict[str, Tensor]) -> export_onnx.Graph:
    outputs = ("logits", "present") if "past" in sample else ("cross",)
    axes = {name: OPEN[name] for name in (*sample, *outputs)}
    if "past" in sample:
        return export_onnx.Graph(sample, outputs, axes, unsigned=("output",))
    return export_onnx.Graph(sample, outputs, {**axes, "input_ids": {0: "batch", 1: "length"}}, exact=("fc2",))



def _card(made: Made, variants: tuple[Variant, ...], folder: Path) -> Card:
    shape = made.net.shape
    return Card(
        schema=1, name=made.name, task="translation", about=made.about, licence="Apache-2.0", source="https://huggingface.co/Helsinki-NLP/opus-mt-en-fr",
        labels=(), dataset=made.dataset, reference=next((one.name for one in variants if one.precision == "fp32"), variants[0].name), variants=variants,
        files={name: listed(folder / f"{name}.json") for name in ("source", "target")},
        preprocess={"start": shape.start, "end": shape.end, "max_tokens": made.max_tokens, "beams": 1},
        tolerance={one: TOLERANCE[one] for one in dict.fromkeys(variant.precision for variant in variants)},
        parameters=sum(parameter.numel() for parameter in made.net.parameters()),
        made_by={**made.made_by, "exported": f"{datetime.now(UTC):%Y-%m-%d}, torch {torch.__version__}"},
    )


def _score(card: Path, variant: Variant, labelled: Labelled) -> Score:
    """Through the pipeline that an app calls, sentences of like length together."""
    from edgebench.pipeline import load

    with load(str(card), backend=BACKENDS[variant.format], precision=variant.precision, allow_code=True) as pipe:
        metric = pipe.task.score(pipe.batch(labelled.texts), labelled.references)
    return Score(dataset=labelled.name, n=metric.n, value=round(metric.value, 6), low=round(metric.low, 6), high=round(metric.high, 6))
