"""Text as the tasks take it: lines of a file, and the tokens of a string."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, BinaryIO

from tokenizers import Tokenizer

from edgebench.errors import CardError, InputError

if TYPE_CHECKING:
    from edgebench.models.card import Card


def text_lines(stream: BinaryIO) -> list[str]:
    """Each line without its end; InputError names a line that is not UTF-8."""
    lines = []
    for number, line in enumerate(stream, start=1):
        try:
            lines.append(line.decode("utf-8").rstrip("\r\n"))
        except UnicodeDecodeError as error:
            raise InputError(f"line {number} is not UTF-8 (byte {line[error.start]:#04x} at {error.start}); convert it first, e.g. with iconv") from None
    return lines


def most_tokens(card: Card) -> int:
    """`preprocess.max_tokens`, 512 without it; CardError for what is no number of tokens."""
    given = card.preprocess.get("max_tokens", 512)
    if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given < 1 << 31:
        raise CardError(f"card {card.name!r}: preprocess.max_tokens is {given!r}; expected a whole number from 1 on")
    return given


def opened(card: Card, files: dict[str, Path], name: str) -> Tokenizer:
    """The tokenizer that the card calls `name`, without padding and truncation."""
    if name not in files:
        raise CardError(f"card {card.name!r} has no [files.{name}]; {card.task} needs a tokenizer.json of that name")
    try:
        tokenizer = Tokenizer.from_file(str(files[name]))
    except Exception as error:  # tokenizers raises bare Exception for a file it cannot read
        raise CardError(f"{files[name].name} of card {card.name!r} is no tokenizer: {error}") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def highest_id(tokenizer: Tokenizer) -> int:
    """The largest number that it gives for a word."""
    return max(tokenizer.get_vocab().values(), default=-1)


def encodings(tokenizer: Tokenizer, examples: Sequence[str], *, offsets: bool = False) -> list[Any]:
    """What the tokenizer makes of each text, with every token's characters if `offsets`; InputError says which is no text."""
    try:
        if len(examples) == 1:
            return [tokenizer.encode(examples[0])]
        return list((tokenizer.encode_batch if offsets else tokenizer.encode_batch_fast)(list(examples)))
    except (TypeError, UnicodeError) as error:
        raise InputError(_what_is_wrong(examples)) from error


def joined(tokenizer: Tokenizer, text: str, pool: Sequence[str], length: int, random: Random) -> str:
    """`text` with others of `pool` after it, cut where the tokenizer gives `length` tokens, or all that it can give."""
    pool = [one for one in pool if one.strip()] or ["."]
    count, before = len(tokenizer.encode(text).ids), -1
    while before < count < length + 8:
        text = f"{text} {random.choice(pool)}"
        before, count = count, len(tokenizer.encode(text).ids)
    encoding = tokenizer.encode(text)
    behind = next((at for at, one in enumerate(reversed(encoding.special_tokens_mask)) if not one), 0)
    end = encoding.offsets[length - 1 - behind][1] if len(encoding.ids) > length else len(text)
    return text[:end]


def _what_is_wrong(examples: Sequence[Any]) -> str:
    for place, one in enumerate(examples):
        if not isinstance(one, str):
            return f"example {place} is {type(one).__name__}, expected str; decode bytes first, e.g. data.decode('utf-8')"
        try:
            one.encode("utf-8")
        except UnicodeEncodeError as error:
            return f"example {place} holds {one[error.start]!r} at character {error.start}, which is no Unicode text; decode the bytes with errors='replace'"
    return "an example cannot be tokenised; expected a list of str"
