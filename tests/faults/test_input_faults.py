"""What an app may hand a model: numbers that are none, wrong shapes, text that is none or far too long, pictures that are none. No answer is a guess."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgebench
from edgebench import cli
from edgebench.models import card as cards
from edgebench.tasks import image
from tests.faults import bundle
from tests.faults.conftest import Try

IDS = np.ones((1, 3), np.int64)


# arrays


ARRAYS: dict[str, tuple[dict[str, Any], str]] = {
    "a wrong dtype": ({"input_ids": IDS.astype(np.float32), "attention_mask": IDS}, "InputError"),
    "numbers that are none": ({"input_ids": np.full((1, 3), np.nan), "attention_mask": IDS}, "InputError"),
    "infinities": ({"input_ids": np.full((1, 3), np.inf), "attention_mask": IDS}, "InputError"),
    "a wrong number of dimensions": ({"input_ids": IDS[0], "attention_mask": IDS}, "InputError"),
    "shapes that do not fit each other": ({"input_ids": IDS, "attention_mask": np.ones((1, 5), np.int64)}, "EngineError"),
    "a missing input": ({"input_ids": IDS}, "InputError"),
    "a surplus input": ({"input_ids": IDS, "attention_mask": IDS, "more": IDS}, "InputError"),
    "a word behind the end of the table": ({"input_ids": IDS * 1_000_000, "attention_mask": IDS}, "EngineError"),
    "a word far below 0": ({"input_ids": IDS * -1_000_000, "attention_mask": IDS}, "EngineError"),
}


@pytest.mark.parametrize("what", ARRAYS)
def test_feeds_that_do_not_fit_are_refused(try_out: Try, bundled: Callable[..., Path], what: str) -> None:
    feeds, expected = ARRAYS[what]
    with edgebench.load(str(bundled("onnx", bundle.onnx()))) as pipe:
        try_out("input", f"feeds: {what}", expected, lambda: pipe.session.run(feeds))


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_an_answer_that_is_no_number_is_no_label(try_out: Try, bundled: Callable[..., Path], value: str) -> None:
    script = bundle.FAKE.replace("[[0.0, 2.0], [2.0, 0.0]]", f"[[0.0, {value}], [{value}, 0.0]]")
    with edgebench.load(str(bundled("fake", script.encode())), backend="fake") as pipe:
        expected = "answers" if value == "-inf" else "EngineError"  # exp(-inf) is 0: a label that is out of the question
        try_out("input", f"the model answers {value}", expected, lambda: pipe("a good film"))


# text


TEXTS: dict[str, tuple[Any, str]] = {
    "nothing": ("", "answers"), "a million characters": ("good bad! " * 100_000, "answers"), "one word of a million characters": ("a" * 1_000_000, "answers"),
    "emoji and marks": ("\U0001f600e\u0301\u200d" * 1000, "answers"), "control characters": ("\0\x1b[2J\x07" * 100, "answers"),
    "half of a pair": ("a \ud800 b", "InputError"), "bytes": (b"good", "InputError"), "None": (None, "InputError"), "a number": (float("nan"), "InputError"),
    "a list": (["good"], "InputError"), "an array": (IDS, "InputError"),
}


@pytest.mark.parametrize("what", TEXTS)
def test_what_is_no_text_is_refused_and_any_text_is_answered(try_out: Try, bundled: Callable[..., Path], what: str) -> None:
    text, expected = TEXTS[what]
    with edgebench.load(str(bundled("onnx", bundle.onnx()))) as pipe:
        said = try_out("input", f"text: {what}", expected, lambda: pipe(text))
        if "million" in what:
            assert "(cut: longer than the model reads)" in said or "aaa" in str(text)
        assert pipe("good").label == "label 1"


def test_a_line_that_is_no_utf_8_is_named(
    try_out: Try, bundled: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    card = bundled("onnx", bundle.onnx())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"good\nb\xffd\n")))
    try_out("input", "text: a line that is no UTF-8", "exit 1", lambda: cli.status(["predict", str(card)]))
    assert "line 2 is not UTF-8" in capsys.readouterr().err


def test_one_bad_text_among_many_is_named(try_out: Try, bundled: Callable[..., Path]) -> None:
    with edgebench.load(str(bundled("onnx", bundle.onnx()))) as pipe:
        said = try_out("input", "text: one of a batch is none", "InputError", lambda: pipe.batch(["good", 3, "bad"]))
    assert "int" in said


# pictures


def png(width: int, height: int, data: bytes) -> bytes:
    """A PNG file of 8-bit grey that says so of itself."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


GOOD = png(2, 2, b"\0\1\2\0\3\4")
PICTURES: dict[str, tuple[Any, str]] = {
    "one that is good": (GOOD, "answers"), "no bytes": (b"", "InputError"), "an HTML page": (b"<html>404</html>", "InputError"),
    "a file cut short": (GOOD[:40], "InputError"), "a flipped checksum": (GOOD[:30] + b"\xff\xff" + GOOD[32:], "InputError"),
    "one that claims 4 thousand million pixels": (png(65_000, 65_000, b""), "InputError"),
    "no pixel wide": (png(0, 2, b""), "InputError"), "a path that is not there": ("missing.png", "InputError"),
    "a path with a NUL": ("a\0b.png", "InputError"), "a folder": (".", "InputError"), "a device": ("/dev/null", "InputError"),
    "an array of floats": (np.full((4, 4, 3), np.nan), "InputError"), "an array of two dimensions": (np.zeros((4, 4), np.uint8), "InputError"),
    "an array of nothing": (np.zeros((0, 4, 3), np.uint8), "InputError"), "None": (None, "InputError"),
    "an EPS file, whose reader starts a program": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "InputError"),
    "an SVG file": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "InputError"),
}


@pytest.mark.parametrize("what", PICTURES)
def test_what_is_no_picture_is_refused(try_out: Try, what: str) -> None:
    pytest.importorskip("PIL", reason="pictures need Pillow; install edgebench[vision]")
    given, expected = PICTURES[what]
    try_out("input", f"picture: {what}", expected, lambda: image.decode(given))


# cards, profiles and records


CARDS = {
    "no TOML": b"[[", "no UTF-8": b"\xff\xfe", "100,000 brackets": b"a = " + b"[" * 100_000, "nothing": b"", "an unknown key": b"schema = 1\nnmae = 3",
}


@pytest.mark.parametrize("what", CARDS)
def test_what_is_no_card_is_one_sentence(try_out: Try, tmp_path: Path, what: str) -> None:
    (tmp_path / "card.toml").write_bytes(CARDS[what])
    said = try_out("input", f"card: {what}", "CardError", lambda: cards.read(tmp_path / "card.toml"))
    assert "card.toml" in said


RECORDS = {
    "no JSON": b"hello\n{}\n", "another schema": b'{"schema": 99}\n', "100,000 brackets": b"[" * 100_000 + b"\n{}\n", "no UTF-8": b'"\xff"\n',
    "a number beyond all numbers": b"1e999\n",
}


@pytest.mark.parametrize("what", RECORDS)
def test_what_is_no_record_is_one_sentence(try_out: Try, tmp_path: Path, what: str) -> None:
    (tmp_path / "records.jsonl").write_bytes(RECORDS[what])
    try_out("input", f"records: {what}", "exit 1", lambda: cli.status(["report", str(tmp_path / "records.jsonl")]))


