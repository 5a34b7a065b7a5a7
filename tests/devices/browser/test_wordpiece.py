"""The page's tokenizer gives the ids that the library `tokenizers` gives, for whatever people and machines write."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from edgebench import catalog
from tests.devices.browser import unicode_table

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="the page's scripts are run by node here, which is not installed")
MODELS = catalog.shipped_folder("models")
BANDS = [
    range(0x20, 0x250), range(0x300, 0x370), range(0x370, 0x700), range(0x900, 0x1000), range(0x1F300, 0x1FB00), range(0x4E00, 0x9FFF), range(0x2000, 0x2100),
    range(0xAC00, 0xD7A4), range(0xFF00, 0xFFFE), range(0x11000, 0x12000), range(0x16100, 0x16130), 
    [0x200D, 0xFE0F, 0x301, 0x327, 0x20, 0x41, 0x130, 0x3A3, 0x1E9E],
]  # fmt: skip
WRITTEN = [
    "", " ", "a gripping film", "naïve café déjà vu", "nai\u0308ve cafe\u0301", "ΑΣ ΣΑΣ Σ",
    "İstanbul ışık", "ﬁne ﬂow", "Straße ẞ",
    "日本語テキスト", "中文和English混排",
    "한국어 문장", "สวัสดี", "नमस्ते", "مرحبا بالعالم", "שלום", "👩‍👩‍👧‍👦 family 👍🏽", "🇩🇪🇫🇷",
    "e\u0301" * 100, "a" * 100, "a" * 101, "é" * 101,
    "don't-stop... now!!", "$5.00 + 3%",
    "[CLS] x[MASK]y [sep] [SEP]", "[PAD][PAD]", "tab\there\nnew\rline",
    "nul\x00byte\x7f\x85\xa0", "\u200bzero\u200dwidth\ufeff",
    "x\u2028y\u2029z", "\ufffd", "word " * 300,
    "supercalifragilisticexpialidocious", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "Z̷a̸l̵g̶o̴", "１２３ＡＢＣ", "½ ² ™ № Ω", "http://example.com/a?b=c&d=é", "#hash @you",
]  # fmt: skip


def texts(count: int) -> Iterator[str]:
    """Written ones, real reviews, and `count` that nobody would write."""
    yield from WRITTEN
    yield from (line.partition("\t")[0] for line in (MODELS / "datasets" / "edgebench-reviews.tsv").read_text().splitlines())
    draw = random.Random(20261125)
    anywhere = [*range(0xD800), *range(0xE000, 0x110000)]
    for number in range(count):
        band: Sequence[int] = anywhere if number % 10 == 0 else draw.choice(BANDS)
        yield "".join(chr(draw.choice(band if draw.random() < 0.8 else BANDS[0])) for _ in range(draw.randint(1, 40)))


def tokenised(file: Path, max_tokens: int, given: list[str]) -> list[tuple[list[int], bool]]:
    script = Path(__file__).with_name("tokenize.mjs")
    done = subprocess.run([str(NODE), str(script), str(file), str(max_tokens)], input=json.dumps(given), capture_output=True, text=True, check=True, timeout=60)
    return [(ids, cut) for ids, cut in json.loads(done.stdout)]


@needs_node
@pytest.mark.parametrize("max_tokens", [128, 16])
def test_the_ids_are_those_of_the_library(max_tokens: int) -> None:
    file = MODELS / "tinybert-sst2" / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    given = list(texts(1000))
    wanted = [(one.ids, bool(one.overflowing)) for one in map(tokenizer.encode, given)]
    differ = [ascii(text) for text, mine, theirs in zip(given, tokenised(file, max_tokens, given), wanted, strict=True) if mine != theirs]
    assert not differ


@needs_node
def test_other_normalisers_are_followed(bag_of_words: Path, tmp_path: Path) -> None:
    file = json.loads((bag_of_words.parent / "bag" / "tokenizer.json").read_text())
    for name, on in [("lowercase", False), ("strip_accents", False), ("clean_text", False), ("handle_chinese_chars", False)]:
        changed = json.loads(json.dumps(file))
        changed["normalizer"][name] = on
        changed["model"]["vocab"] |= {"Good": 11, "é": 12, "e": 13, "日": 14, "本": 15}
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(changed))
        given = ["Good good GOOD", "é e\u0301 e", "日本 a日", "a\x00b \u200da", "films"]
        assert [ids for ids, _ in tokenised(path, 16, given)] == [one.ids for one in Tokenizer.from_file(str(path)).encode_batch(given)], name


@needs_node
def test_a_tokenizer_of_another_kind_is_refused_by_name(bag_of_words: Path, tmp_path: Path) -> None:
    file = json.loads((bag_of_words.parent / "bag" / "tokenizer.json").read_text())
    (tmp_path / "t.json").write_text(json.dumps(file | {"pre_tokenizer": {"type": "Whitespace"}}))
    with pytest.raises(subprocess.CalledProcessError) as failed:
        tokenised(tmp_path / "t.json", 16, ["a"])
    assert "the tokenizer's pre_tokenizer is Whitespace; this page knows BertPreTokenizer" in failed.value.stderr


@pytest.mark.slow
def test_the_table_of_characters_is_what_the_library_says() -> None:
    page = Path(__file__).parents[3] / "edgebench" / "devices" / "browser" / "page"
    assert (page / "unicode.js").read_text() == unicode_table.written()
