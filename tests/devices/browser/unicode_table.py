"""What the library `tokenizers` takes each code point for -> edgebench/devices/browser/page/unicode.js.

    python -m tests.devices.browser.unicode_table > edgebench/devices/browser/page/unicode.js

Asked of the library itself, since its tables are of another version of Unicode than those of any one browser.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tokenizers import normalizers, pre_tokenizers

CLEAN = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=False)
STRIP = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False)
CJK = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=True, strip_accents=False, lowercase=False)
PRE = pre_tokenizers.BertPreTokenizer()

HEAD = """\
// What the library `tokenizers` takes each code point for, whatever the browser's own version of Unicode says.
// Written by tests/devices/browser/unicode_table.py. Each pair of base-36 numbers is a range: how far it begins behind the
// end of the one before, and how many follow its first.

"""
CLASSES: dict[str, tuple[str, Callable[[str], bool]]] = {
    "REMOVED": ("cleaning takes them out", lambda one: CLEAN.normalize_str(f"a{one}b") == "ab"),
    "SPACE": ("cleaning makes them spaces", lambda one: CLEAN.normalize_str(f"a{one}b") == "a b"),
    "IDEOGRAPH": ("get a space on either side", lambda one: CJK.normalize_str(one) != one),
    "MARK": ("stripping accents takes them out", lambda one: STRIP.normalize_str(f"a{one}").startswith("a") and STRIP.normalize_str(one) == ""),
    "PUNCTUATION": ("are words of their own", lambda one: [word for word, _ in PRE.pre_tokenize_str(f"a{one}b")] == ["a", one, "b"]),
}  # fmt: skip


def characters() -> Iterator[str]:
    return (chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)


def base36(number: int) -> str:
    digits = ""
    while number or not digits:
        number, rest = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
    return digits


def ranges(holds: Callable[[str], bool]) -> str:
    found: list[list[int]] = []
    for one in characters():
        if holds(one):
            if found and found[-1][1] == ord(one) - 1:
                found[-1][1] = ord(one)
            else:
                found.append([ord(one), ord(one)])
    ends = [0, *(last for _, last in found)]
    return " ".join(f"{base36(first - end)} {base36(last - first)}" for (first, last), end in zip(found, ends, strict=False))


def written() -> str:
    lines = [f'// {about}\nexport const {name} = "{ranges(holds)}";\n' for name, (about, holds) in CLASSES.items()]
    return HEAD + "\n".join(lines)


if __name__ == "__main__":
    print(written(), end="")
