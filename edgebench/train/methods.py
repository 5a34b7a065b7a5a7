"""A recipe file that names a method -> a typed recipe: a fine-tuned teacher, or a student of one.

    method = "distilbert"
    teacher = "gte-small-sst2"      # another recipe, whose run lies beside this one's, or a model of ours

A recipe may list variants, each with the keys that it changes, and seeds: an ablation is one file and one command.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from edgebench import toml
from edgebench.errors import CardError, did_you_mean
from edgebench.train.adabert import How
from edgebench.train.loop import Schedule
from edgebench.train.recipe import Augment, Unlabelled

TERMS = {  # what a student of each method can do without
    "distilbert": ("start", "soft", "cross_entropy", "cosine"),
    "tinybert": ("start", "embedding", "hidden", "attention", "intermediate", "prediction", "unlabelled"),
    "bottlenecks": ("features", "attention", "transfer", "progressive"),
}
WHOLE = "whole"


class Variant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The recipe with the keys of `change` replaced; tables are merged key by key."""

    name: str
    change: dict[str, Any] = {}


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="method"):
    """What all methods say. `examples` random training texts are used, or all; `held_out` others are kept for decisions; dev is only
    reported. `seeds` are those of the variants, or `seed` alone; without variants the recipe is its only one."""

    schema: int
    name: str
    about: str
    dataset: str
    seed: int
    task: str = "text-classification"
    examples: int | None = None
    held_out: int = 2_000
    max_tokens: int = 128
    variants: tuple[Variant, ...] = ()
    seeds: tuple[int, ...] = ()


class FineTune(Recipe, frozen=True, tag="fine-tune", kw_only=True):
    """A pretrained encoder, named by its weights card, learns labels."""

    weights: str
    train: Schedule


class Student(Recipe, frozen=True, kw_only=True):
    """`teacher` is a recipe of method "fine-tune" or a model; `without` names terms and steps of `TERMS` to leave out."""

    teacher: str
    without: tuple[str, ...] = ()


class DistilBert(Student, frozen=True, tag="distilbert", kw_only=True):
    """The teacher's `layers`, from 1, trained by the triple loss."""

    layers: tuple[int, ...]
    train: Schedule


class TinyBert(Student, frozen=True, tag="tinybert", kw_only=True):
    """A student cut out of the teacher: student layer m imitates the teacher's layer `layers[m]`, from 1; on `unlabelled` sentences and `augment`ed
    ones too."""

    layers: tuple[int, ...]
    hidden: int
    ffn: int
    intermediate: Schedule
    prediction: Schedule
    unlabelled: Unlabelled | None = None
    augment: Augment | None = None


class MobileBert(Student, frozen=True, tag="mobilebert", kw_only=True):
    """The published encoder learns labels and, with the share `soft` of the weight, its teacher's answers."""

    weights: str
    train: Schedule
    soft: float = 0.5


class AdaBert(Student, frozen=True, tag="adabert", kw_only=True):
    """A net of cells, searched as `how` says; what is found imitates the teacher on `unlabelled` sentences and `augment`ed ones too."""

    how: How
    unlabelled: Unlabelled | None = None
    augment: Augment | None = None


class Bottlenecks(Recipe, frozen=True, tag="bottlenecks", kw_only=True):
    """MobileBERT's method at a size that trains in minutes, from random weights: the teacher, wide within, with LayerNorm and gelu, learns
    labels (`tune`); the student, `inner` channels wide within, takes its embeddings, imitates it block by block (`transfer`), and learns
    labels and, with the share `soft`, its answers (`train`)."""

    layers: int
    hidden: int
    inner: int
    heads: int
    ffn: int
    ffns: int
    tune: Schedule
    transfer: Schedule
    train: Schedule
    norm: str = "no_norm"
    activation: str = "relu"
    soft: float = 0.5
    without: tuple[str, ...] = ()


AnyRecipe: TypeAlias = FineTune | DistilBert | TinyBert | MobileBert | AdaBert | Bottlenecks
KINDS: dict[str, type[Recipe]] = {
    "fine-tune": FineTune, "distilbert": DistilBert, "tinybert": TinyBert, "mobilebert": MobileBert, "adabert": AdaBert, "bottlenecks": Bottlenecks,
}


def read(path: Path) -> Recipe:
    """Parse and check a recipe file of one of `KINDS`; CardError names the file, the key, and what was probably meant."""
    method = toml.read(path, dict[str, Any]).get("method")
    if method not in KINDS:
        raise CardError(f"{path}: method is {method!r}; there are {', '.join(KINDS)}.{did_you_mean(str(method), KINDS)}")
    recipe = toml.read(path, KINDS[method])
    if recipe.schema != 1:
        raise CardError(f"{path}: schema is {recipe.schema}, this edgebench reads schema 1; update edgebench")
    if recipe.task != "text-classification":
        raise CardError(f"{path}: task is {recipe.task!r}; these methods train text-classification")
    for _, one in planned(recipe, path):
        unknown = [name for name in getattr(one, "without", ()) if name not in TERMS.get(method, ())]
        if unknown:
            raise CardError(f"{path}: without names {unknown[0]!r}; {method} can do without {', '.join(TERMS.get(method, ())) or 'nothing'}")
    return recipe


def planned(recipe: Recipe, path: Path | None = None) -> Iterator[tuple[Variant, Recipe]]:
    """Every net that the recipe asks for, as a variant and a recipe of its own: all variants of a seed before the next seed."""
    for seed in recipe.seeds or (recipe.seed,):
        for variant in recipe.variants or (Variant(WHOLE),):
            whole = {**msgspec.to_builtins(recipe), "seed": seed, "seeds": [], "variants": []}
            try:
                yield variant, msgspec.convert(_merged(whole, variant.change), type(recipe))
            except msgspec.ValidationError as error:
                raise CardError(f"{path or recipe.name}: variant {variant.name!r}: {error}") from error


def _merged(whole: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """`whole` with `change` in it, tables key by key."""
    return whole | {key: _merged(whole.get(key) or {}, value) if isinstance(value, dict) else value for key, value in change.items()}
