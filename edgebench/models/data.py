"""A dataset card's name and a split -> labelled texts, with the name of the set that was really used.

A card lists sets in the order to try. Each lies in a local folder, beside the card, or in the cache after a fetch, and is
used only if its bytes are the card's. The ones passed over, and why, are in `Labelled.note`.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Literal

import msgspec

from edgebench import catalog, toml
from edgebench.errors import CardError, FetchError, IntegrityError, UsageError
from edgebench.models import pictures, sheets
from edgebench.models.artifact import beside, digest_of, verify
from edgebench.models.card import File
from edgebench.models.fetch import Wanted, fetch
from edgebench.models.pictures import PictureSet
from edgebench.models.spans import read_tagged

HELP = "name a folder that holds it (--data or EDGEBENCH_DATA), or download it once with --fetch"


class Copy(Wanted, frozen=True, forbid_unknown_fields=True):
    """One file that holds a split. `local` is its path under the user's data folder; `note` is what is odd about it."""

    local: str | None = None
    note: str = ""


class Set(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Labelled texts under a name of their own, one file for each split.

    `form` is "table" (.tsv or .csv, columns `text` and `label`), "words" (a word and its tag a line, `text` and `label` number
    the columns from 0), "labelled" (a label, a blank and a text a line, in `encoding`; all else is UTF-8), "lines" (one text a
    line; line n of the split's file in `answers` is what line n should be answered with) or "pairs" (a text, a tab and its answer a line;
    what follows another tab is passed over). `rows` names a file of row numbers (`3 7-9`, from 0 after the header): only those rows of
    a table, or those pairs, are used.
    """

    name: str
    about: str
    licence: str
    source: str
    splits: dict[str, tuple[Copy, ...]]
    text: str = ""
    label: str = ""
    form: Literal["table", "words", "labelled", "lines", "pairs"] = "table"
    encoding: str = "utf-8"
    answers: dict[str, tuple[Copy, ...]] = {}
    rows: File | None = None
    note: str = ""


class Dataset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A dataset card: sets of texts or of pictures with the same task and labels, in the order to try, or the name of a sheet card,
    whose split "test" is the data set's "dev"."""

    schema: int
    name: str
    task: str
    about: str
    labels: tuple[str, ...]
    sets: tuple[Set, ...] = ()
    pictures: tuple[PictureSet, ...] = ()
    sheets: str = ""


@dataclass(frozen=True)
class Labelled:
    """Texts, or paths of pictures, and what each should be answered with: a number in `label_names`, or a text of its own (a
    translation, what `edgebench.models.spans` or `edgebench.models.pictures` writes). `name` is the set's own; `sha256` is of
    the file that the rows were read from, or of the pictures' folder."""

    texts: tuple[str, ...]
    labels: tuple[int | str, ...]
    label_names: tuple[str, ...]
    name: str
    split: str
    source: str
    sha256: str
    licence: str
    note: str

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def references(self) -> list[str]:
        """What each text should be answered with, as a task's `score` takes it."""
        return [self.label_names[label] if isinstance(label, int) else label for label in self.labels]


def read(path: Path) -> Dataset:
    """Parse and check a dataset card."""
    card = toml.read(path, Dataset)
    if card.schema != 1:
        raise CardError(f"{path}: schema is {card.schema}, this edgebench reads schema 1; update edgebench")
    return card


def load(name: str, split: str, *, folder: Path | None = None, offline: bool = False, limit: int | None = None, seed: int = 0) -> Labelled:
    """The first set of the dataset card `name` that has `split` and can be had, or `limit` random rows of it.

    `folder` (default: $EDGEBENCH_DATA) is looked through first. A file there whose bytes are none the card knows raises
    IntegrityError: a set asked for by name is not quietly replaced.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"a limit of {limit} examples leaves none; give 1 or more, or none for all")
    path = catalog.find("models/datasets", name)
    card = read(path)
    if card.sheets:
        return _unpacked(card, split, offline, limit, seed)
    known = sorted({one for choice in card.sets for one in choice.splits} | {one.split for one in card.pictures})
    if split not in known:
        raise UsageError(f"dataset {card.name!r} has no split {split!r}; it has {', '.join(known)}")
    if card.pictures:
        return _pictures(card, split, path, folder or _data_folder(), limit, seed)
    passed_over: list[str] = []
    for choice in card.sets:
        if split not in choice.splits:
            passed_over.append(f"{choice.name} has no {split}")
            continue
        try:
            copy, file, source = _find(choice, choice.splits[split], path, folder or _data_folder(), offline)
        except FetchError as error:
            passed_over.append(f"{choice.name} was not used: {error}")
            continue
        sha256 = copy.sha256
        if choice.form == "lines":
            try:
                answers, answered, _ = _find(choice, choice.answers.get(split, ()), path, folder or _data_folder(), offline)
            except FetchError as error:
                passed_over.append(f"{choice.name} was not used: {error}")
                continue
            examples = _paired(file, answered)
            sha256 = hashlib.sha256(f"{sha256} {answers.sha256}".encode()).hexdigest()
        else:
            rows = None if choice.rows is None else _row_numbers(beside(path, choice.rows))
            examples = list(_examples(file, choice, card.labels, rows))
        if not examples:
            raise CardError(f"{file} holds no examples; correct the file")
        notes = [copy.note, choice.note, *passed_over]
        if limit is not None and limit < len(examples):
            notes.insert(0, f"{limit} of {len(examples)} examples, drawn with seed {seed}")
            examples = [examples[at] for at in sorted(Random(seed).sample(range(len(examples)), limit))]
        texts, labels = zip(*examples, strict=True)
        return Labelled(texts, labels, card.labels, choice.name, split, source, sha256, choice.licence, "; ".join(filter(None, notes)))
    raise FetchError(f"{split} of dataset {card.name!r} could not be had: {'; '.join(passed_over)}; {HELP}")


def from_file(path: Path, labels: tuple[str, ...], *, split: str = "train") -> Labelled:
    """The rows of a .tsv or .csv file of the user's own: a column `text` or `sentence`, and one `label` of names or numbers."""
    try:
        digest = digest_of(path)
        with path.open(encoding="utf-8", newline="") as file:
            columns = file.readline().strip("\ufeff\r\n").split("," if path.suffix == ".csv" else "\t")
    except (OSError, UnicodeDecodeError) as error:
        raise CardError(f"{path} cannot be read: {error}; expected a .tsv or .csv file of texts and labels") from error
    text = next((name for name in ("text", "sentence") if name in columns), None)
    if text is None or "label" not in columns:
        raise CardError(f"{path} has the columns {', '.join(map(repr, columns[:5]))}; expected 'text' (or 'sentence') and 'label'")
    rows = list(_examples(path, Set(path.stem, "", "", "", {}, text=text, label="label"), labels, None))
    if not rows:
        raise CardError(f"{path} holds no examples; correct the file")
    texts, numbers = zip(*rows, strict=True)
    return Labelled(texts, numbers, labels, path.stem, split, f"file {path.name}", digest, "", "")


def divide(labelled: Labelled, count: int, seed: int) -> tuple[Labelled, Labelled]:
    """All but `count` random examples, and those, as its split "dev"."""
    if not 0 < count < len(labelled):
        raise UsageError(f"cannot set {count} of {len(labelled)} examples aside to report on; give more data, or a file with --dev")
    chosen = set(Random(seed).sample(range(len(labelled)), count))
    parts = ([at for at in range(len(labelled)) if (at in chosen) is aside] for aside in (False, True))
    first, second = (replace(labelled, texts=tuple(labelled.texts[at] for at in rows), labels=tuple(labelled.labels[at] for at in rows)) for rows in parts)
    return first, replace(second, split="dev")


def _pictures(card: Dataset, split: str, path: Path, folder: Path | None, limit: int | None, seed: int) -> Labelled:
    """`load` of a card of pictures."""
    passed_over: list[str] = []
    for choice in card.pictures:
        if choice.split != split:
            passed_over.append(f"{choice.name} has no {split}")
            continue
        try:
            found = pictures.find(choice, card.labels, path, folder)
        except FetchError as error:
            passed_over.append(f"{choice.name} was not used: {error}")
            continue
        rows, notes = list(range(len(found.paths))), [choice.note, *passed_over]
        if limit is not None and limit < len(rows):
            notes.insert(0, f"{limit} of {len(rows)} examples, drawn with seed {seed}")
            rows = sorted(Random(seed).sample(rows, limit))
        paths, answers = (tuple(column[row] for row in rows) for column in (found.paths, found.references))
        note = "; ".join(filter(None, notes))
        return Labelled(paths, answers, card.labels, choice.name, split, found.source, choice.sha256, choice.licence, note)
    raise FetchError(f"{split} of dataset {card.name!r} could not be had: {'; '.join(passed_over)}; {HELP}")


def _unpacked(card: Dataset, split: str, offline: bool, limit: int | None, seed: int) -> Labelled:
    """`load` of a card whose pictures lie on sheets."""
    try:
        files, labels, of = sheets.unpacked(card.sheets, "test" if split == "dev" else split, offline=offline)
    except FetchError as error:
        raise FetchError(f"{split} of dataset {card.name!r} could not be had: {error}; download it once with --fetch") from error
    rows = range(len(files)) if limit is None else sorted(Random(seed).sample(range(len(files)), min(limit, len(files))))
    note = "" if len(rows) == len(files) else f"{len(rows)} of {len(files)} examples, drawn with seed {seed}"
    texts, answers = tuple(str(files[row]) for row in rows), tuple(of.labels[labels[row]] for row in rows)
    digest = files[0].parent.name.rpartition("-")[2]
    return Labelled(texts, answers, card.labels, card.name, split, of.source, digest, of.licence, note)


def _data_folder() -> Path | None:
    named = os.environ.get("EDGEBENCH_DATA")
    return Path(named) if named else None


def _find(choice: Set, copies: tuple[Copy, ...], card_path: Path, folder: Path | None, offline: bool) -> tuple[Copy, Path, str]:
    """The copy that can be had, its verified file, and where that came from in words."""
    reasons: list[str] = []
    for local in dict.fromkeys(copy.local for copy in copies if copy.local):
        if folder is None:
            reasons.append("EDGEBENCH_DATA names no local folder")
        elif not (folder / local).exists():
            reasons.append(f"{folder} has no {local}")
        else:
            return _local([copy for copy in copies if copy.local == local], folder / local), folder / local, f"local file {local}"
    for copy in copies:
        if copy.sources:
            try:
                file = fetch(copy, catalog.cache_folder() / "datasets" / choice.name, offline=offline)
            except FetchError as error:
                reasons.append("it was not fetched yet" if offline else str(error))
            else:
                return copy, file, ", ".join(map(str, copy.sources))
        elif copy.local is None:
            return copy, beside(card_path, copy), choice.source
    raise FetchError("; ".join(reasons))


def _local(copies: list[Copy], path: Path) -> Copy:
    """The copy that the file at `path` is."""
    try:
        found = digest_of(path)
    except OSError as error:
        raise IntegrityError(f"{path} cannot be read: {error.strerror}; mend or remove it") from error
    for copy in copies:
        if copy.sha256 == found:
            verify(path, copy.sha256, copy.size_bytes)
            return copy
    known = ", ".join(f"{copy.sha256[:8]}…" for copy in copies)
    raise IntegrityError(f"sha256 of {path} is {found[:8]}…, the card says {known}; delete the file or correct the card")


def _row_numbers(path: Path) -> frozenset[int]:
    """`3 7-9` -> {3, 7, 8, 9}."""
    numbers: set[int] = set()
    for word in path.read_text(encoding="ascii").split():
        first, _, last = word.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return frozenset(numbers)


def _paired(texts: Path, answers: Path) -> list[tuple[str, int | str]]:
    """Line n of one file with line n of the other."""
    mine, theirs = _lines(texts), _lines(answers)
    if len(mine) != len(theirs):
        raise CardError(f"{texts} has {len(mine)} lines, {answers} has {len(theirs)}; expected an answer for each text: correct the files")
    return list(zip(mine, theirs, strict=True))


def _lines(path: Path, encoding: str = "utf-8") -> list[str]:
    data = path.read_bytes()
    try:
        return [line.strip() for line in (gzip.decompress(data) if path.suffix == ".gz" else data).decode(encoding).split("\n")[:-1]]
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise CardError(f"{path} cannot be read: {error}; expected lines of {encoding}, in a .gz compressed") from error


def _examples(path: Path, choice: Set, labels: tuple[str, ...], rows: frozenset[int] | None) -> Iterator[tuple[str, int | str]]:
    """Each row's text without blanks at its ends, and its label."""
    if choice.form == "words":
        try:
            yield from read_tagged(path, int(choice.text), int(choice.label))
        except ValueError as error:
            raise CardError(f"{path}: {error}; expected a word in column {choice.text} and its tag in column {choice.label}") from error
        return
    if choice.form == "pairs":
        for number, line in enumerate(_lines(path)):
            if rows is None or number in rows:
                text, tab, answer = line.partition("\t")
                if not tab:
                    raise CardError(f"{path} line {number + 1} has no tab; expected a text, a tab and its answer")
                yield text.strip(), answer.partition("\t")[0].strip()
        return
    if choice.form == "labelled":
        try:
            for line in _lines(path, choice.encoding):
                written, _, text = line.partition(" ")
                yield text.strip(), _label(written, labels)
        except ValueError as error:
            raise CardError(f"{path}: {error}; expected a label ({', '.join(labels)} or their numbers), a blank and a text in each line") from error
        return
    with path.open(encoding="utf-8", newline="") as file:
        table = csv.DictReader(file) if path.suffix == ".csv" else csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        try:
            for number, row in enumerate(table):
                if rows is None or number in rows:
                    yield row[choice.text].strip(), _label(row[choice.label], labels)
        except (csv.Error, UnicodeDecodeError, KeyError, ValueError, TypeError, AttributeError) as error:
            expected = f"columns {choice.text!r} and {choice.label!r}, labels {', '.join(labels)} or their numbers"
            raise CardError(f"{path} line {table.line_num}: {error}; expected {expected}") from error


def _label(written: str, labels: tuple[str, ...]) -> int:
    label = labels.index(written) if written in labels else int(written)
    if not 0 <= label < len(labels):
        raise ValueError(f"label {written!r} is not among {len(labels)}")
    return label
