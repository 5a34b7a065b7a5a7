"""A recipe (TOML) -> a small translator that was taught by a large one's translations.

    edgebench train opus-mt-en-fr-small --out runs/opus-mt-en-fr-small

The steps are those of sequence-level distillation (Y. Kim, A. Rush, arXiv 1606.07947) as cheaply as they can be had: keep the words that
the domain uses; let the teacher translate the training sentences, greedily; train a student on those translations. It is cut out of
the teacher, its encoder whole and its decoder shallow (J. Kasai et al., arXiv 2006.10369), of which the decoder alone is trained; or it is a
narrow net of random weights. Started again on the same folder a run goes on where it was.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from edgebench import toml, whole
from edgebench.errors import CardError
from edgebench.models.data import Labelled
from edgebench.train import marian, pieces
from edgebench.train.data import UNLABELLED, Batch, Examples, fingerprint
from edgebench.train.loop import Loss, Schedule, train
from edgebench.train.marian import Marian, Shape

Progress = Callable[[str, int, int, dict[str, float]], None]
TOGETHER = 64  # sentences of like length translated at once
LATIN = 0x24F  # the last letter of Latin Extended-B: what single characters are kept up to, besides those that occur


class Narrow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The shape of a student that has nothing of its teacher's but the words."""

    width: int
    heads: int
    ffn: int
    encoder_layers: int
    decoder_layers: int
    dropout: float = 0.1


class Student(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Layers of the teacher (1-based) that the student keeps; one of the decoder is named by the layers that its self-attention,
    its attention to the source and its feed-forward part come from. With `train_encoder` its encoder is trained too.
    Or its `shape`: then it starts from random weights, and all of it is trained."""

    schedule: Schedule
    encoder: tuple[int, ...] = ()
    decoder: tuple[tuple[int, int, int], ...] = ()
    train_encoder: bool = False
    shape: Narrow | None = None


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One recipe file. A piece is kept in the word table if it occurs `least` times in the training sentences of either side.

    The teacher translates the first `sentences` of them in an order drawn by the seed. With `references` the student learns
    from the data set's own translations of these as well.
    """

    schema: int
    name: str
    about: str
    task: str
    dataset: str
    seed: int
    weights: str
    student: Student
    sentences: int
    least: int = 2
    max_tokens: int = 128
    references: bool = False


def read(path: Path) -> Recipe:
    """Parse and check a recipe file; CardError names the file, the key, and what was probably meant."""
    recipe = toml.read(path, Recipe)
    if recipe.schema != 1:
        raise CardError(f"{path}: schema is {recipe.schema}, this edgebench reads schema 1; update edgebench")
    if recipe.task != "translation":
        raise CardError(f"{path}: task is {recipe.task!r}; this recipe trains a translator: 'translation'")
    student = recipe.student
    if bool(student.shape) == bool(student.encoder and student.decoder):
        said = "layers of its teacher and a shape" if student.shape else "neither layers of its teacher nor a shape"
        raise CardError(f"{path}: the student has {said}; give encoder and decoder, or shape")
    return recipe


def run(
    recipe: Recipe, training: Labelled, dev: Labelled, weights: Path, out: Path, progress: Progress = lambda stage, step, steps, losses: None
) -> dict[str, Any]:
    """Train by `recipe` into `out` (trimmed.pt, student.pt, names.json, result.json) and return what result.json holds."""
    torch.set_flush_denormal(True)
    out.mkdir(parents=True, exist_ok=True)
    teacher, names = trimmed(marian.load(weights), weights, training, recipe.least)
    whole.write(out / "names.json", json.dumps(names, ensure_ascii=False))
    marian.save(teacher, out / "trimmed.pt")
    reader, writer = pieces.reader(weights / "source.spm", names), pieces.writer(names)
    sources = _ids(reader, training.texts, recipe.max_tokens)
    order = torch.randperm(len(sources), generator=torch.Generator().manual_seed(recipe.seed), device="cpu").tolist()[: recipe.sentences]
    sources = [sources[row] for row in order]
    targets = _translations(teacher, sources, out / "translations.jsonl", progress)
    examples = Examples(sources, targets)
    if recipe.references:
        theirs = _ids(pieces.reader(weights / "target.spm", names), [training.references[row] for row in order], recipe.max_tokens)
        examples = examples + Examples(sources, theirs)
    student = start(teacher, recipe)
    spent = train(
        imitation(student), student, examples, recipe.student.schedule, seed=recipe.seed, checkpoint=out / "student.checkpoint", log=out / "student.jsonl",
        progress=lambda step, steps, losses: progress("student", step, steps, losses),
    )
    marian.save(student, out / "student.pt")
    result: dict[str, Any] = {
        "schema": 1, "recipe": msgspec.to_builtins(recipe), "train_sha256": fingerprint(examples), "n_dev": len(dev), "dev_sha256": dev.sha256,
        "source_sha256": training.sha256, "words": len(names), "minutes": spent,
        "teacher": _scores(teacher, reader, writer, dev, recipe), "student": _scores(student, reader, writer, dev, recipe),
    }
    if result["teacher"]["bleu_dev"]:
        result["student_over_teacher"] = result["student"]["bleu_dev"] / result["teacher"]["bleu_dev"]
    whole.write(out / "result.json", json.dumps(result, indent=2) + "\n")
    return result


def trimmed(net: Marian, weights: Path, training: Labelled, least: int, words: int = 0) -> tuple[Marian, list[str]]:
    """The net with the pieces that `training` uses at least `least` times and every single Latin character; their names.

    If those are fewer than `words`, the pieces that are likeliest in all that SentencePiece was trained on fill them up.
    """
    names = pieces.names_of(weights / "vocab.json")
    counts: Counter[str] = Counter()
    likely: dict[str, float] = {}
    for model, texts in (("source.spm", training.texts), ("target.spm", training.references)):
        counts.update(Counter(piece for cut in pieces.cut(weights / model, list(texts)) for piece in cut))
        for name, score in pieces.likelihoods(weights / model).items():
            likely[name] = max(score, likely.get(name, score))
    always = {pieces.END, pieces.UNKNOWN, pieces.PAD, pieces.BLANK}
    kept = {name for name in names if name in always or counts[name] >= least or _is_letter(name)}
    others = sorted((name for name in names if name not in kept and name in likely), key=lambda name: -likely[name])
    kept.update(others[: max(0, words - len(kept))])
    return marian.keep_words(net, [number for number, name in enumerate(names) if name in kept]), [name for name in names if name in kept]


def start(teacher: Marian, recipe: Recipe) -> Marian:
    """The student before any step, with what is not to be trained frozen."""
    torch.manual_seed(recipe.seed)
    if recipe.student.shape:
        words = {name: getattr(teacher.shape, name) for name in ("vocab", "end", "start", "unknown", "places")}
        return Marian(Shape(**words, **msgspec.structs.asdict(recipe.student.shape)))
    student = marian.keep_layers(teacher, recipe.student.encoder, recipe.student.decoder)
    student.words.requires_grad_(False)
    student.encoder.requires_grad_(recipe.student.train_encoder)
    return student


def imitation(student: Marian) -> Loss:
    """Cross entropy of each next token of the teacher's translation, over the tokens there are."""
    frozen = not any(parameter.requires_grad for parameter in student.encoder.parameters())

    def loss(batch: Batch) -> dict[str, Tensor]:
        begun = torch.cat([torch.full_like(batch.labels[:, :1], student.shape.start), batch.labels[:, :-1]], dim=1).clamp_min(0)
        if frozen:
            student.encoder.eval()
        with torch.set_grad_enabled(not frozen):
            source = student.encode(batch.ids, batch.mask)
        real = batch.labels != UNLABELLED
        logits = student.logits(student.decode(source, batch.mask, begun)[real])
        return {"cross_entropy": nn.functional.cross_entropy(logits, batch.labels[real])}

    return loss


@torch.no_grad()
def greedy(net: Marian, sources: Sequence[Sequence[int]], limit: Callable[[int], int] = lambda length: 2 * length + 10) -> list[list[int]]:
    """Each source's likeliest translation token by token, without its end; at most `limit` of the longest source's length."""
    net.eval()
    longest = max(map(len, sources))
    ids = torch.tensor([[*one, *[0] * (longest - len(one))] for one in sources])
    mask = torch.tensor([[1] * len(one) + [0] * (longest - len(one)) for one in sources])
    cross, step = marian.Encoder(net)(ids, mask), marian.Step(net)
    past = cross.new_zeros(len(sources), cross.shape[1], cross.shape[2], 0, cross.shape[4])
    token = torch.full((len(sources), 1), net.shape.start)
    tokens: list[Tensor] = []
    ended = torch.zeros(len(sources), dtype=torch.bool)
    while not ended.all() and len(tokens) < limit(longest):
        logits, past = step(token, mask, cross, past)
        logits[:, net.shape.start] = float("-inf")
        token = logits.argmax(1, keepdim=True)
        tokens.append(token)
        ended |= token[:, 0] == net.shape.end
    rows = torch.cat(tokens, dim=1).tolist()
    return [row[: row.index(net.shape.end)] if net.shape.end in row else row for row in rows]


def _translations(teacher: Marian, sources: list[list[int]], path: Path, progress: Progress) -> list[list[int]]:
    """The teacher's translations with their ends, a line for each group of sentences; a run that goes on reads what is there."""
    by_length = sorted(range(len(sources)), key=lambda row: len(sources[row]))
    groups = [by_length[at : at + TOGETHER] for at in range(0, len(by_length), TOGETHER)]
    done: list[list[list[int]]] = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    with path.open("a") as file:
        for number, group in enumerate(groups[len(done) :], start=len(done) + 1):
            done.append([[*one, teacher.shape.end] for one in greedy(teacher, [sources[row] for row in group])])
            file.write(json.dumps(done[-1]) + "\n")
            file.flush()
            if number % 10 == 0 or number == len(groups):
                progress("translate", number, len(groups), {})
    found: list[list[int]] = [[]] * len(sources)
    for group, lines in zip(groups, done, strict=True):
        for row, line in zip(group, lines, strict=True):
            found[row] = line
    return found


def _scores(net: Marian, reader: Tokenizer, writer: Tokenizer, dev: Labelled, recipe: Recipe) -> dict[str, Any]:
    from edgebench.tasks.bleu import bleu, chrf

    sources = _ids(reader, dev.texts, recipe.max_tokens)
    rows = sorted(range(len(sources)), key=lambda row: len(sources[row]))
    found = [""] * len(sources)
    for at in range(0, len(rows), TOGETHER):
        for row, line in zip(rows[at : at + TOGETHER], greedy(net, [sources[row] for row in rows[at : at + TOGETHER]]), strict=True):
            found[row] = writer.decode(line)
    score, (other, value) = bleu(found, dev.references), chrf(found, dev.references)
    parameters = sum(parameter.numel() for parameter in net.parameters())
    return {"bleu_dev": score.value, "bleu": score.name, "chrf_dev": value, "chrf": other, "parameters": parameters}


def _ids(reader: Tokenizer, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
    reader.enable_truncation(max_tokens)
    return [one.ids for one in reader.encode_batch_fast(list(texts))]


def _is_letter(name: str) -> bool:
    bare = name.removeprefix(pieces.BLANK)
    return len(bare) == 1 and ord(bare) <= LATIN
