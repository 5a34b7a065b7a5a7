"""Lines of a file as texts."""

from __future__ import annotations

from io import BytesIO

import pytest

from edgebench.errors import InputError
from edgebench.tasks.text import text_lines


def test_each_line_is_a_text_without_its_end() -> None:
    assert text_lines(BytesIO("good\r\n\nfad \nélan".encode())) == ["good", "", "fad ", "élan"]


def test_a_line_that_is_not_utf8_is_named_with_its_byte() -> None:
    with pytest.raises(InputError, match=r"line 2 is not UTF-8 \(byte 0xe9 at 1\)"):
        text_lines(BytesIO(b"good\nf\xe9\n"))
