"""What a study's models lack -> the commands that make them, about how long they take, and the folder each leaves its card in.

A model is made by the commands that a person would give, each in a process of its own: what a study trained can be had
again by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgebench.errors import CardError
from edgebench.study.description import Compress, Model


@dataclass(frozen=True)
class Job:
    """A model to make: `commands` are arguments for edgebench, in turn, none for a mere shape; `recipe` is a recipe file that must be written
    first, if any."""

    model: Model
    commands: list[list[str]]
    recipe: tuple[Path, dict[str, Any]] | None = None

    @property
    def minutes(self) -> float | None:
        return self.model.minutes


def job(model: Model, into: Path, *, recipe: dict[str, Any] | None = None, offline: bool = False) -> Job | None:
    """How `model` is made in the study's folder `into`, or None where the study does not say. `recipe` is what its recipe file holds."""
    if model.shape:
        return Job(model, [])
    tail = ["--offline"] if offline else []
    if model.compress:
        return Job(model, [_compress(model.card or model.name, model.compress, into) + tail])
    if not model.recipe:
        return None
    run, named = into / "runs" / model.name, model.recipe
    written = None
    if model.changes:
        written = into / "recipes" / f"{model.name}.toml", changed(recipe or {}, {**model.changes, "name": model.card or model.name})
        named = str(written[0])
    train, export = ["train", named, "--out", str(run), *tail], ["export", str(run), "--into", str(into / "models"), *tail]
    return Job(model, [train, export] if model.export else [train], written)


def changed(recipe: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A recipe with some of its keys, "student.without", set anew; CardError for a table that it does not have."""
    made = {key: dict(value) if isinstance(value, dict) else value for key, value in recipe.items()}
    for key, value in changes.items():
        *path, last = key.split(".")
        place = made
        for step in path:
            if not isinstance(place.get(step), dict):
                raise CardError(f"the recipe has no table {step!r} to set {key!r} in; it has {', '.join(recipe)}")
            place[step] = dict(place[step])
            place = place[step]
        place[last] = value
    return made


def outline(jobs: Sequence[Job]) -> str:
    """How long it takes, before anything starts."""
    known = [one.minutes for one in jobs if one.minutes is not None]
    unknown = len(jobs) - len(known)
    total = sum(known)
    time = f"about {total / 60:.1f} hours" if total >= 120 else f"about {total:.0f} minutes"
    rest = f", and {unknown} of which the study does not say how long" if unknown else ""
    return f"{len(jobs)} model{'s' if len(jobs) != 1 else ''} to make, {time} where the study was written{rest}: {', '.join(one.model.name for one in jobs)}"


def _compress(name: str, how: Compress, into: Path) -> list[str]:
    given = {"keep": how.keep, "bits": how.bits, "cost": how.cost, "epochs": how.epochs, "seed": how.seed}
    options = [text for key, value in given.items() for text in (f"--{key}", f"{value:g}")]
    variants = ["--variants", how.variants] if how.variants else []
    return ["compress", how.source, "--data", how.data, "--method", how.method, *options, "--name", name, "--into", str(into / "models"), *variants]
