"""Change: what a net scores with one thing changed and everything else as it was; a JSON line each.

Written by `edgebench.train.sensitivity`, read by the study without torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from edgebench import lines
from edgebench.errors import CardError

SCHEMA = 1
FILE = "sensitivity.jsonl"

Kind = Literal["none", "bits", "heads", "neurons", "layer"]


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`kind` says what was done to `part`: "bits", its weights rounded to so many; "heads" or "neurons", only a share of them kept;
    "layer", left out; "none", nothing, the net as it was. `amount` is the bits or the share kept."""

    schema: int = SCHEMA
    model: str  # the card's name
    sha256: str  # of the fp32 file that the net was read from
    kind: Kind
    part: str  # "words", "layer 2 attention", "layer 2 feed-forward", "layer 2", "head", "all", or "all but ..."
    amount: float
    dataset: str
    rows: str  # which of it, in words
    rows_sha256: str  # of ids and labels
    n: int
    right: int
    lost: int  # examples that the net as it was had right and this has not
    won: int  # the other way round
    agreement: float  # share of the same answers
    parameters: int  # of the part, or of what was left out
    seed: int = 0
    started_at: str = ""  # UTC, ISO 8601

    @property
    def key(self) -> tuple[object, ...]:
        """What was asked: two lines with the same key answer the same question."""
        return self.sha256, self.kind, self.part, self.amount, self.rows_sha256, self.seed


def read(path: Path) -> list[Change]:
    """Every line of a file, none where there is no file; CardError names a line that is none."""
    found = []
    for number, line in enumerate(lines.read(path) if path.exists() else [], start=1):
        try:
            found.append(msgspec.json.decode(line, type=Change))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise CardError(f"{path} line {number} is no change of schema {SCHEMA}: {error}; delete that line, or measure again") from error
    return found


def append(path: Path, change: Change) -> None:
    """One line more, on the disk before this returns."""
    lines.append(path, msgspec.json.encode(change))
