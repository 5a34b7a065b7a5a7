"""Text as the tasks take it: lines of a file."""

from __future__ import annotations

from typing import BinaryIO

from edgebench.errors import InputError


def text_lines(stream: BinaryIO) -> list[str]:
    """Each line without its end; InputError names a line that is not UTF-8."""
    lines = []
    for number, line in enumerate(stream, start=1):
        try:
            lines.append(line.decode("utf-8").rstrip("\r\n"))
        except UnicodeDecodeError as error:
            raise InputError(f"line {number} is not UTF-8 (byte {line[error.start]:#04x} at {error.start}); convert it first, e.g. with iconv") from None
    return lines
