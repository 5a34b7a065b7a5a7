"""edgebench train RECIPE: from a recipe's name to a distilled model, with what it needs fetched first.

    edgebench train tinybert-sst2 --out runs/tinybert-sst2

Under torchrun or `accelerate launch` several processes train together: see edgebench.train.processes.
Interrupt it and start it again on the same folder: it goes on from its last checkpoint, a few minutes back at most.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from edgebench import toml, whole
from edgebench.errors import CardError, EngineError, MissingError, UsageError, did_you_mean

if TYPE_CHECKING:
    from rich.console import Console

    from edgebench.models.data import Labelled
    from edgebench.train.data import Examples
    from edgebench.train.dynamic import Recipe as DynamicRecipe
    from edgebench.train.methods import Recipe as MethodRecipe
    from edgebench.train.recipe import Augment, Progress, Recipe, Unlabelled
    from edgebench.train.translate import Recipe as TranslationRecipe
    from edgebench.train.vision import Recipe as VisionRecipe


@click.command()
@click.argument("recipe")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for checkpoints, weights and the result.  [default: runs/NAME]")
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder with local data sets.  [default: $EDGEBENCH_DATA]")
@click.option("--threads", type=click.IntRange(min=1), help="Processor threads to train with.  [default: torch's own]")
@click.option("--accelerator", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="What to train on.")
@click.option("--offline", is_flag=True, help="Fetch nothing: use what is here already.")
def command(recipe: str, out: Path | None, data: Path | None, threads: int | None, accelerator: str, offline: bool) -> None:
    """Train by RECIPE: the name of a bundled recipe, or a recipe file.

    The pretrained weights and the data set are fetched and checked first. Started again on the same --out, a run goes on
    from its last checkpoint.
    """
    path = find(recipe)
    _need("torch", "transformers", "safetensors")
    import torch
    from rich.console import Console

    from edgebench.models.data import load
    from edgebench.models.weights import fetch_weights
    from edgebench.train import methods, processes, translate
    from edgebench.train import recipe as recipes
    from edgebench.train.data import fingerprint, tagged, tokenised

    out = processes.aside(out or Path("runs") / str(toml.read(path, dict[str, Any]).get("name")))
    console = Console()
    if threads:
        torch.set_num_threads(threads)
    if accelerator != "cpu":
        click.get_current_context().with_resource(_on(accelerator))
    said = toml.read(path, dict[str, Any])
    if said.get("task") == "translation":
        _translator(console, translate.read(path), out, data, offline)
        return
    if said.get("task") == "image-classification":
        _pictures(console, path, out, offline)
        return
    if "method" in said:
        if said["method"] in methods.KINDS:
            _method(console, path, out, data, offline)
        else:
            _dynamic(path, out, data, offline)
        return
    plan = recipes.read(path)
    folder = out or Path("runs") / plan.name
    train_set, dev_set = (load(plan.dataset, split, folder=data, offline=offline) for split in ("train", "dev"))
    weights = {one.weights: fetch_weights(one.weights, offline=offline) for one in (plan.teacher, plan.assistant) if one}
    tokenizer = weights[plan.teacher.weights] / "tokenizer.json"
    tokens = tagged if plan.task == "token-classification" else tokenised
    train_examples, dev_examples = (tokens(one, tokenizer, plan.max_tokens) for one in (train_set, dev_set))
    examples = recipes.Data(train_examples, dev_examples, names=train_set.label_names)
    for one in (train_set, dev_set):
        click.echo(f"{one.split}: {len(one):,} of {one.name}, {one.source}{f' ({one.note})' if one.note else ''}")
    if more := plan.unlabelled:
        unlabelled = _sentences(more, tokenizer, plan.seed, data, offline, told="unlabelled")
        examples = replace(examples, unlabelled=unlabelled.without_labels() if tokens is tagged else unlabelled)
    if first := plan.general:
        general = _sentences(first, tokenizer, plan.seed, data, offline, told="general")
        examples = replace(examples, general=general.without_labels() if tokens is tagged else general)
    if plan.augment:
        made = _augmented(plan, _shown(plan, train_set.texts), plan.augment, tokenizer, offline)
        examples = replace(examples, unlabelled=examples.unlabelled + (made.without_labels() if tokens is tagged else made))
        click.echo(f"augmented: {len(made):,} sentences")
    if done := _claim(folder, plan, fingerprint(examples.train)):
        click.echo(f"going on in {folder}, which holds {', '.join(done)}")
    with _progress(console) as progress:
        try:
            result = recipes.run(plan, examples, weights, folder, progress)
        except FloatingPointError as error:
            raise EngineError(str(error)) from error
    _print_result(console, result, plan, dev_set)
    click.echo(f"{folder / 'student.pt'} and {folder / 'result.json'} are written")


def _augmented(plan: Recipe | MethodRecipe, texts: Sequence[str], how: Augment, tokenizer: Path, offline: bool) -> Examples:
    """New sentences of the training texts, as ids; their labels are -1, for the student reads its teachers' answers alone."""
    from random import Random

    from edgebench.models.weights import fetch_weights
    from edgebench.train import augment
    from edgebench.train.data import Examples, encoded

    net = augment.read_masked_lm(fetch_weights(how.masked_lm, offline=offline)) if how.masked_lm else None
    vectors = augment.read_vectors(fetch_weights(how.vectors, offline=offline)) if how.vectors else None
    chosen = list(texts) if how.sentences is None else Random(plan.seed).sample(list(texts), min(how.sentences, len(texts)))
    candidates = augment.published(net, tokenizer, vectors, count=how.candidates)
    made = augment.augmented(chosen, candidates, copies=how.copies, chance=how.chance, seed=plan.seed)
    return Examples(encoded(made, tokenizer, plan.max_tokens), [-1] * len(made))


def _sentences(asked: Unlabelled, tokenizer: Path, seed: int, data: Path | None, offline: bool, *, told: str = "") -> Examples:
    """Sentences without labels as a recipe asks for them; `told` names them on the screen."""
    from edgebench.models.data import load
    from edgebench.train.data import sentences

    texts = load(asked.dataset, "train", folder=data, offline=offline)
    found = sentences(texts, tokenizer, count=asked.count, max_tokens=asked.max_tokens, seed=seed)
    if told:
        click.echo(f"{told}: {len(found):,} sentences of {texts.name}, {texts.source}")
    return found


def _shown(plan: Recipe | MethodRecipe, texts: Sequence[str]) -> list[str]:
    """The training texts but for those that are held out for decisions: these are not shown in other words either."""
    from edgebench.train.data import Examples, hold_out

    rows, _ = hold_out(Examples([[]] * len(texts), list(range(len(texts)))), plan.held_out, plan.seed)
    return [texts[row] for row in cast("list[int]", rows.labels)]


def _translator(console: Console, plan: TranslationRecipe, out: Path | None, data: Path | None, offline: bool) -> None:
    from edgebench.models.data import load
    from edgebench.models.weights import fetch_weights
    from edgebench.train import translate

    folder = out or Path("runs") / plan.name
    training, dev = (load(plan.dataset, split, folder=data, offline=offline) for split in ("train", "dev"))
    weights = fetch_weights(plan.weights, offline=offline)
    if done := _claim(folder, plan, training.sha256):
        click.echo(f"going on in {folder}, which holds {', '.join(done)}")
    with _progress(console) as progress:
        try:
            result = translate.run(plan, training, dev, weights, folder, progress)
        except FloatingPointError as error:
            raise EngineError(str(error)) from error
    for name in ("teacher", "student"):
        row = result[name]
        click.echo(f"{name}: BLEU {100 * row['bleu_dev']:.1f}, chrF2 {100 * row['chrf_dev']:.1f}, n = {result['n_dev']:,}, {row['parameters']:,} parameters")
    click.echo(f"{folder / 'student.pt'} and {folder / 'result.json'} are written")


def _dynamic(path: Path, out: Path | None, data: Path | None, offline: bool) -> None:
    """A net of many speeds, out of one of ours."""
    from edgebench import catalog
    from edgebench.models import card as cards
    from edgebench.models.data import load
    from edgebench.train import checkpoint, dynamic
    from edgebench.train.data import fingerprint, tokenised

    plan = dynamic.read(path)
    folder = out or Path("runs") / plan.name
    at = catalog.find("models", plan.start)
    source = checkpoint.read_card(cards.read(at), at)
    training, dev = (load(plan.dataset, split, folder=data, offline=offline) for split in ("train", "dev"))
    examples, reported = (tokenised(one, source.tokenizer, source.max_tokens) for one in (training, dev))
    more = _sentences(plan.unlabelled, source.tokenizer, plan.seed, data, offline, told="unlabelled") if plan.unlabelled else None
    if done := _claim(folder, plan, fingerprint(examples)):
        click.echo(f"going on in {folder}, which holds {', '.join(done)}")
    try:
        result = dynamic.run(plan, source, examples, reported, folder, _print_lines, unlabelled=more)
    except FloatingPointError as error:
        raise EngineError(str(error)) from error
    for name, row in {source.origin.partition(",")[0]: result["start"], **result["points"]}.items():
        click.echo(f"{name}: {_score(row, 'held_out', plan.held_out)} held out, {_score(row, 'dev', len(dev))} of {dev.name} dev, n = {len(dev):,}")
    click.echo(f"{folder / 'net.pt'} and {folder / 'result.json'} are written")


def _method(console: Console, path: Path, out: Path | None, data: Path | None, offline: bool) -> None:
    """The nets that a recipe of one method asks for, each in a folder of its own if there are several, with a line of records.jsonl each."""
    from edgebench.models.data import load
    from edgebench.models.weights import fetch_weights
    from edgebench.train import methods, students, trained
    from edgebench.train.data import Examples, fingerprint, hold_out, tokenised

    plan = methods.read(path)
    folder = out or Path("runs") / plan.name
    training, dev_set = (load(plan.dataset, split, folder=data, offline=offline) for split in ("train", "dev"))
    weights = fetch_weights(plan.weights, offline=offline) if isinstance(plan, methods.FineTune | methods.MobileBert) else None
    name = getattr(plan, "teacher", None)
    teacher, tokenizer = _teacher(name, folder) if name else (None, (weights or fetch_weights("minilm-l6", offline=offline)) / "tokenizer.json")
    examples, dev = (tokenised(one, tokenizer, plan.max_tokens) for one in (training, dev_set))
    more = Examples([], [])
    if asked := getattr(plan, "unlabelled", None):
        more = _sentences(asked, tokenizer, plan.seed, data, offline)
    if done := _claim(folder, plan, fingerprint(examples)):
        click.echo(f"going on in {folder}, which holds {', '.join(done)}")
    (folder / "tokenizer.json").write_bytes(tokenizer.read_bytes())
    theirs = trained.answers(teacher, dev) if teacher else None
    augmented: dict[tuple[int, Augment], Examples] = {}
    for variant, one in methods.planned(plan):
        if (plan.name, variant.name, one.seed) in trained.known(folder / "records.jsonl"):
            continue
        learnt, held_out = hold_out(examples, one.held_out, one.seed)
        if (how := getattr(one, "augment", None)) and (one.seed, how) not in augmented:  # another seed holds out others
            augmented[one.seed, how] = _augmented(one, _shown(one, training.texts), how, tokenizer, offline)
        others = more + augmented[one.seed, how] if how else more
        here = folder if not plan.variants and not plan.seeds else folder / f"{variant.name.replace(' ', '-')}-{one.seed}"
        with _progress(console) as progress:
            setting = students.Setting(
                learnt.select(range(min(one.examples or len(learnt), len(learnt)))), others, len(training.label_names), here, teacher, weights, progress,
            )
            try:
                made = students.make(one, setting)
            except FloatingPointError as error:
                raise EngineError(str(error)) from error
        record = trained.record(one, variant, made, setting, held_out, dev, (str(name), theirs) if theirs else None)
        students.save(made, one, record, here)
        trained.append(record, folder / "records.jsonl")
        of = f", {record['over_teacher']:.1%} of {name}'s (p = {record['p']:.2g})" if theirs else ""
        right = _score({"accuracy_dev": record["correct"] / len(dev)}, "dev", len(dev))
        click.echo(f"{plan.name}, {variant.name}, seed {one.seed}: {record['parameters']:,} parameters, {right} on {dev_set.name} {dev_set.split}{of}")
    click.echo(f"{folder / 'records.jsonl'} is written")


def _teacher(name: str, folder: Path) -> tuple[Any, Path]:
    """The net of the recipe `name`, whose run lies beside `folder`, or of the model of that name; and its tokenizer."""
    from edgebench import catalog
    from edgebench.models import card as cards
    from edgebench.train import checkpoint, students

    beside = folder.parent / name
    if (beside / "result.json").exists():
        return students.read(beside)[0], beside / "tokenizer.json"
    if name not in catalog.paths("models"):
        raise UsageError(f"the teacher {name!r} is no model and {beside} no finished run; train it first: edgebench train {name} --out {beside}")
    path = catalog.find("models", name)
    source = checkpoint.read_card(cards.read(path), path)
    return source.net, source.tokenizer


def _pictures(console: Console, path: Path, out: Path | None, offline: bool) -> None:
    from edgebench.bench.stats import mcnemar
    from edgebench.models import sheets
    from edgebench.tasks.metrics import share
    from edgebench.train import vision

    plan = vision.read(path)
    folder = out or Path("runs") / plan.name
    training, test = (sheets.load(plan.sheets, split, offline=offline) for split in ("train", "test"))
    if done := _claim(folder, plan, " ".join(training.sha256)):
        click.echo(f"going on in {folder}, which holds {', '.join(done)}")
    with _progress(console) as progress:
        try:
            result = vision.run(plan, training, test, folder, progress)
        except FloatingPointError as error:
            raise EngineError(str(error)) from error
    click.echo(f"teacher: top-1 {result['teacher']['top1']:.1%}, n = {len(test):,}, {result['teacher']['parameters']:,} parameters")
    for way, n, right, won, lost, seeds in vision.summary(result):
        found = share("top-1", right, n)
        told = "" if way == "labels" else f"; {won} won, {lost} lost against labels alone, McNemar p = {mcnemar(won, lost):.2g}"
        click.echo(f"{way}: top-1 {found.value:.1%} ({found.low:.1%} to {found.high:.1%}), n = {n:,}, {seeds} seed{'s' if seeds > 1 else ''}{told}")
    click.echo(f"the students and {folder / 'result.json'} are written")


def find(recipe: str) -> Path:
    """The bundled recipe of that name, or the file at that path."""
    if recipe.endswith(".toml"):
        if Path(recipe).is_file():
            return Path(recipe)
        raise UsageError(f"{recipe} does not exist; give a recipe file or one of {', '.join(bundled())}")
    if recipe not in bundled():
        raise UsageError(f"there is no recipe {recipe!r}; there are {', '.join(bundled())}.{did_you_mean(recipe, bundled())}")
    return bundled()[recipe]


def bundled() -> dict[str, Path]:
    """Name -> file of the recipes that edgebench brings."""
    return {path.stem: path for path in sorted((Path(__file__).parents[1] / "train" / "recipes").glob("*.toml"))}


def _need(*modules: str) -> None:
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise MissingError(f"training needs {module}, which is not installed; install edgebench[train]") from error


@contextmanager
def _on(accelerator: str) -> Iterator[None]:
    """Whatever is made within is on `accelerator`: nets, batches, optimisers. Checkpoints and weights are read on either."""
    import torch

    from edgebench.train import processes

    if not torch.cuda.is_available():
        how = f"PyTorch {torch.__version__} sees none" if torch.version.cuda else f"PyTorch {torch.__version__} is built without it"
        raise MissingError(f"--accelerator {accelerator}: {how}; install a build of PyTorch for it where there is one, or train on the cpu")
    if processes.count() > 1:
        raise UsageError(f"--accelerator {accelerator} is for one process, {processes.count()} were started; leave one of the two out")
    with torch.device(accelerator):
        yield


def _claim(folder: Path, plan: Recipe | TranslationRecipe | DynamicRecipe | MethodRecipe | VisionRecipe, sha256: str) -> list[str]:
    """Note in `folder` what it is trained by and on; the checkpoints of an earlier run of just that."""
    import msgspec

    mine = {"recipe": msgspec.to_builtins(plan), "train_sha256": sha256}
    note = folder / "run.json"
    done = [path.name for path in sorted(folder.glob("*.checkpoint"))]
    if done and note.exists():
        try:
            theirs = json.loads(note.read_text())
        except ValueError as error:
            raise CardError(f"{note} is no JSON: {error}; delete it if {folder} is a run of this recipe") from error
        if theirs != json.loads(json.dumps(mine)):
            raise UsageError(f"{folder} holds a run of another recipe or on other data; give another --out, or delete it")
    folder.mkdir(parents=True, exist_ok=True)
    whole.write(note, json.dumps(mine, indent=2) + "\n")
    return done


@contextmanager
def _progress(console: Console) -> Iterator[Progress]:
    """A bar for each stage on a terminal, some twenty lines for each where output goes to a file."""
    if not console.is_terminal:
        yield _print_lines
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    counts = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    with Bars(TextColumn("{task.description:12}"), *counts, TextColumn("{task.fields[losses]}"), console=console, speed_estimate_period=300) as bars:
        tasks: dict[str, Any] = {}

        def show(stage: str, step: int, steps: int, losses: dict[str, float]) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=steps, completed=step, losses="")
            bars.update(tasks[stage], completed=step, losses=_losses(losses))

        yield show


def _print_lines(stage: str, step: int, steps: int, losses: dict[str, float]) -> None:
    if step == steps or step % max(50, steps // 20 // 50 * 50) == 0:
        click.echo(f"{stage:12} {step:>6} of {steps}  {_losses(losses)}")


def _losses(losses: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.3f}" for name, value in losses.items())


def _print_result(console: Console, result: dict[str, Any], plan: Recipe, dev: Labelled) -> None:
    from rich.table import Table

    student_minutes = result["intermediate"]["minutes"] + result["student"]["minutes"]
    table = Table("model", "parameters", "minutes", f"held out, n = {plan.held_out:,}", f"{dev.name} {dev.split}, n = {len(dev):,}")
    for name, minutes in (("teacher", result["teacher"]["minutes"]), ("student", student_minutes)):
        row = result[name]
        scores = (_score(row, "held_out", plan.held_out), _score(row, "dev", len(dev)))
        table.add_row(name, f"{row['parameters']:,}", f"{minutes:.1f}", *scores)
    console.print(table)
    click.echo("accuracy with its Wilson 95 % interval; one seed" if "accuracy_dev" in result["student"] else "entity F1; one seed")


def _score(row: dict[str, float], part: str, n: int) -> str:
    from edgebench.tasks.metrics import share

    if f"entity_f1_{part}" in row:
        return f"{row[f'entity_f1_{part}']:.1%}"
    value = row[f"accuracy_{part}"]
    metric = share("accuracy", round(value * n), n)
    return f"{metric.value:.1%} ({metric.low:.1%} to {metric.high:.1%})"
