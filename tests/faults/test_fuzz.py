"""Cards, profiles, specs, records and reports with one thing in them replaced by anything: read, or refused in a sentence; never a crash.

A few examples each; more with `-m slow`. Guided by coverage: tests/faults/fuzz.py.
"""

from __future__ import annotations

import json
import random
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgebench import catalog, plugins, record
from edgebench.bench.budgets import Budget
from edgebench.bench.job import Job
from edgebench.devices import far
from edgebench.devices import profile as profiles
from edgebench.errors import EdgebenchError
from edgebench.models import card as cards
from edgebench.record import Record
from edgebench.reports.recommend import recommend
from tests.test_record import FULL

tomli_w = pytest.importorskip("tomli_w", reason="cards are written with tomli-w; install edgebench[test]")

FEW, MANY = 15, 500
QUICK = ("csv", "json", "md", "table", "pytest-benchmark")
CARD = tomllib.loads((catalog.shipped_folder("models") / "tinybert-sst2.toml").read_text())
PROFILE = tomllib.loads((catalog.shipped_folder("devices") / "raspberry-pi-5.toml").read_text())
RECORD = json.loads(record.to_json(FULL))
HOSTILE = ["<script>", "=cmd|' /C calc'!A0", "\x1b[2J", "../../etc/passwd", "$(touch pwned)", "`", "|", "\0", "\u202e"]
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)
scalars = st.none() | st.booleans() | numbers | st.text(max_size=20) | st.sampled_from(HOSTILE)
anything = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=6)


def paths(tree: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document."""
    keys: Any = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [here, *(place for key, inner in keys for place in paths(inner, (*here, key)))]


@st.composite
def altered(draw: Any, tree: Any, times: int = 2) -> Any:
    """The document with a few places replaced, or taken away."""
    found = json.loads(json.dumps(tree))
    for _ in range(draw(st.integers(1, times))):
        place = draw(st.sampled_from([one for one in paths(found) if one]))
        inner = found
        for key in place[:-1]:
            inner = inner[key]
        if draw(st.booleans()):
            inner[place[-1]] = draw(anything)
        else:
            del inner[place[-1]]
        if not paths(found)[1:]:
            break
    return found


def without_none(tree: Any) -> Any:
    """What TOML can hold."""
    if isinstance(tree, dict):
        return {key: without_none(one) for key, one in tree.items() if one is not None}
    return [without_none(one) for one in tree if one is not None] if isinstance(tree, list) else tree


def fuzzed(strategy: Any) -> Callable[[Callable[..., None]], Any]:
    """A test of few examples, and a slow one of many."""

    def both(check: Callable[..., None]) -> Any:
        quiet = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large, HealthCheck.filter_too_much]

        @pytest.mark.parametrize("most", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
        def test(most: int, tmp_path: Path) -> None:
            how = settings(max_examples=most, derandomize=True, deadline=None, database=None, suppress_health_check=quiet)
            how(given(strategy)(lambda one: check(tmp_path, one)))()

        test.__name__, test.__doc__ = check.__name__, check.__doc__
        return test

    return both


@fuzzed(altered(CARD))
def test_a_card_is_read_or_refused(folder: Path, tree: Any) -> None:
    (folder / "card.toml").write_text(tomli_w.dumps(without_none(tree)), encoding="utf-8")
    try:
        found = cards.read(folder / "card.toml")
    except EdgebenchError:
        return
    for one in found.listed:
        assert ".." not in Path(one.file).parts
        assert not Path(one.file).is_absolute()
    try:
        plugins.get("tasks", found.task)(found, {})
    except EdgebenchError:
        return


@fuzzed(altered(PROFILE))
def test_a_profile_is_read_or_refused(folder: Path, tree: Any) -> None:
    (folder / "profile.toml").write_text(tomli_w.dumps(without_none(tree)), encoding="utf-8")
    try:
        found = profiles.read(folder / "profile.toml")
        for text in found.budgets:
            Budget.parse(text)
    except EdgebenchError:
        return


@fuzzed(altered(RECORD))
def test_a_record_is_read_and_every_report_written_or_refused(folder: Path, tree: Any) -> None:
    (folder / "records.jsonl").write_bytes(json.dumps(tree).encode() + b"\n")
    try:
        found = record.read_lines(folder / "records.jsonl")
    except EdgebenchError:
        return
    written(found, QUICK)
    written([*found, FULL], QUICK)


@fuzzed(altered(msgspec.to_builtins(Job(spec=FULL.spec, part="cold", examples=["x"]))))
def test_a_request_to_a_device_is_read_or_refused(folder: Path, tree: Any) -> None:
    line = json.dumps({"edgebench": far.edgebench.__version__, "session": "0" * 32, "ask": {"type": "run", "job": tree}}).encode()
    try:
        far._request(line)
    except EdgebenchError:
        return


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_page_of_an_altered_record_is_written_or_refused(tmp_path: Path, seed: int) -> None:
    """A page draws its plots, which takes seconds."""
    draw = random.Random(seed)
    tree = json.loads(json.dumps(RECORD))
    for _ in range(3):
        place = draw.choice([one for one in paths(tree) if one])
        inner = tree
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = draw.choice([0, -1, 1, None, [], {}, "=1", "<script>", 2**62, 1e-300])
    (tmp_path / "records.jsonl").write_bytes(json.dumps(tree).encode() + b"\n")
    try:
        found = record.read_lines(tmp_path / "records.jsonl")
    except EdgebenchError:
        return
    written(found, ("html",))


def written(records: list[Record], forms: tuple[str, ...]) -> None:
    for form in forms:
        try:
            plugins.get("reports", form)(records)
        except EdgebenchError:
            continue
    recommend(records, [])
