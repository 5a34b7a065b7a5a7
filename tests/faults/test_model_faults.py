"""Broken and hostile model files: refused in one sentence before an engine opens them, or by the engine; never opened with other bytes than listed."""

from __future__ import annotations

import os
import random
import re
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import edgebench
from edgebench.bench.job import Job
from edgebench.devices.local import LocalExecutor
from edgebench.devices.profile import Profile
from edgebench.errors import CrashError, IntegrityError
from edgebench.models import card as cards
from edgebench.models.artifact import artifact
from edgebench.record import Spec
from tests.faults import bundle
from tests.faults.conftest import Try

PROGRAM = {"m/constants.pkl": b"\x80\x02).", "m/code/a.py": b"x", "m/data/0": bytes(4096)}
MAKERS: dict[str, Callable[[], bytes]] = {"onnx": bundle.onnx, "tflite": bundle.tflite, "torchscript": lambda: bundle.archive(PROGRAM)}
FORMATS = tuple(MAKERS)
INT_MAX = 2**31 - 1
Make = Callable[..., Path]


def opened(card: Path, **more: Any) -> str:
    """Load the model, and ask it."""
    with edgebench.load(str(card), **more) as pipe:
        return str(pipe("a good film"))


def tried(card: Path, format: str) -> Callable[[], object]:
    """`opened`; of a program only what comes before torch is imported, which takes seconds."""
    return (lambda: checked(card)) if format == "torchscript" else (lambda: opened(card))


def checked(card: Path) -> None:
    """What happens before an engine sees a file."""
    found = cards.read(card)
    artifact(card, found, found.variants[0])


# the bytes are not the card's


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("percent", range(5, 100, 5))
def test_a_file_cut_short_is_never_opened(bundled: Make, try_out: Try, format: str, percent: int) -> None:
    data = MAKERS[format]()
    card = bundled(format, data)
    (card.parent / f"model.{bundle.ENDINGS[format]}").write_bytes(data[: len(data) * percent // 100])
    assert "bytes, the card says" in try_out("model", f"{format}: cut short at {percent} %", "IntegrityError", tried(card, format))


@pytest.mark.parametrize("format", FORMATS)
def test_no_flipped_bit_gets_by(bundled: Make, try_out: Try, format: str) -> None:
    data, draw = MAKERS[format](), random.Random(format)
    card = bundled(format, data)

    def flips() -> None:
        for _ in range(200):
            at, bit = draw.randrange(len(data)), draw.randrange(8)
            mutant = bytearray(data)
            mutant[at] ^= 1 << bit
            (card.parent / f"model.{bundle.ENDINGS[format]}").write_bytes(mutant)
            with pytest.raises(IntegrityError, match=r"^sha256 of .* is"):
                checked(card)
        raise IntegrityError("every one of them")

    try_out("model", f"{format}: one of 200 bits flipped", "IntegrityError", flips, tries=200)


OPENER = """
import json, os, sys
from collections import Counter
from pathlib import Path
import edgebench
from edgebench.errors import EdgebenchError, RefusedError
folder, log, before = Path({folder!r}), Path({log!r}), {before!r}
for card in sorted(folder.glob("*/model.toml"))[int(log.stat().st_size):]:
    with log.open("a") as file:
        file.write("c")  # until it is known better: it crashed
    try:
        with edgebench.load(str(card), allow_code=True) as pipe:
            what = "s" if str(pipe("a good film")) == before else "o"
    except RefusedError:
        what = "r"
    except EdgebenchError:
        what = "e"
    with log.open("rb+") as file:
        file.seek(-1, 2)
        file.write(what.encode())
Path(sys.argv[1]).write_text("{{}}")
"""
FATES = {"r": "refused before an engine opened them", "e": "refused by the engine, or in a run", "s": "answered as before",
         "o": "answered otherwise, under a digest that only their own card vouches for", "c": "crashed, and the process with them"}


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_a_flipped_bit_under_its_own_digest_harms_one_process_at_most(bundled: Make, try_out: Try, tmp_path: Path, format: str) -> None:
    data, draw, log = (bundle.torchscript() if format == "torchscript" else MAKERS[format]()), random.Random(format), tmp_path / "log"
    if format == "tflite":
        data = (bundle.DATA / "no_signature.tflite").read_bytes()
    log.touch()
    for _ in range(200):
        mutant = bytearray(data)
        mutant[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        bundled(format, bytes(mutant))

    def opened_all() -> str:
        crashes = 0
        program = OPENER.format(folder=str(tmp_path), log=str(log), before="label 1  1.000")
        while log.stat().st_size < 200:
            spec = Spec(model="m", format=format, precision="fp32", backend="b", timeout_s=300.0)
            try:
                LocalExecutor(Profile(1, "host", "here", "local"), worker=("-c", program)).run(Job(spec=spec, part="cold", examples=[]))
            except CrashError:
                crashes += 1
        assert log.read_text().count("c") == crashes
        return ", ".join(f"{log.read_text().count(letter)} {words}" for letter, words in FATES.items())

    try_out("model", f"{format}: one of 200 bits flipped, and a card with that digest", "answers", opened_all, tries=200, note=True)


NO_MODEL = {"empty": b"", "an HTML page": b"<!doctype html><html><body>404 not found</body></html>", "zeros": bytes(4096), "text": b"hello\n" * 100}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("what", NO_MODEL)
def test_what_is_no_model_is_refused_although_its_card_names_it(bundled: Make, try_out: Try, format: str, what: str) -> None:
    card = bundled(format, NO_MODEL[what])
    assert "is no " in try_out("model", f"{format}: {what}", "RefusedError", tried(card, format))


@pytest.mark.parametrize(("format", "other"), [(one, other) for one in FORMATS for other in FORMATS if one != other])
def test_a_wrong_ending_is_refused(bundled: Make, try_out: Try, format: str, other: str) -> None:
    card = bundled(format, MAKERS[other]())
    try_out("model", f"{format}: a {other} file under its ending", "RefusedError", tried(card, format))


def test_a_wrong_magic_is_refused(bundled: Make, try_out: Try) -> None:
    data = bundle.tflite()
    card = bundled("tflite", data[:4] + b"TFL9" + data[8:])
    assert "is no TFLite file" in try_out("model", "tflite: wrong magic", "RefusedError", lambda: opened(card))


# ONNX


def tensor(index: int = 0, **fields: Any) -> Callable[[Any], None]:
    """Change a tensor of the graph."""

    def change(model: Any) -> None:
        one = model.graph.initializer[index]
        for name, value in fields.items():
            if isinstance(value, list):
                one.ClearField(name)
                getattr(one, name).extend(value)
            else:
                setattr(one, name, value)

    return change


def node(**fields: Any) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        for name, value in fields.items():
            setattr(model.graph.node[0], name, value)

    return change


def opset(model: Any) -> None:
    model.opset_import[0].version = 999


def inside(field: int, data: bytes) -> bytes:
    """A message as a field of another, as protocol buffers write it."""
    size, length = len(data), b""
    while size > 0x7F:
        length, size = length + bytes([size & 0x7F | 0x80]), size >> 7
    return bytes([field << 3 | 2]) + length + bytes([size]) + data


def sparse(model: Any) -> None:
    from onnx import TensorProto, helper

    values, places = helper.make_tensor("s", TensorProto.FLOAT, [1], [1.0]), helper.make_tensor("p", TensorProto.INT64, [1], [0])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [2**20, 2**20]))


def hidden(model: Any) -> None:
    """In an attribute of a node in a branch, where few look."""
    from onnx import TensorProto, helper

    outside = helper.make_tensor("t", TensorProto.FLOAT, [0], [])
    outside.data_location = TensorProto.EXTERNAL
    outside.external_data.add(key="location", value="../secret")
    branch = helper.make_graph([helper.make_node("Constant", [], ["out"], value=outside)], "branch", [], [])
    model.graph.node.append(helper.make_node("If", ["yes"], ["out"], then_branch=branch, else_branch=branch))


ONNX: dict[str, tuple[Callable[[Any], None], str, str]] = {
    "a tensor that declares 2^40 elements": (tensor(dims=[2**40]), "RefusedError", "declares"),
    "INT_MAX dimensions": (tensor(dims=[INT_MAX, INT_MAX]), "RefusedError", "declares"),
    "dimensions whose product overflows": (tensor(dims=[2**32, 2**32]), "RefusedError", "declares"),
    "a negative dimension": (tensor(dims=[-1, 2]), "RefusedError", "a size is 0 or more"),
    "a tensor that holds too little": (tensor(raw_data=b"1234"), "RefusedError", "declares"),
    "a tensor without any data": (tensor(raw_data=b"", dims=[11, 2]), "RefusedError", "declares"),
    "a type that there is not": (tensor(data_type=99), "RefusedError", "is none"),
    "a sparse tensor of 2^40 elements": (sparse, "RefusedError", "sparse tensor"),
    "an operator of a custom library": (node(op_type="Shell", domain="com.evil"), "RefusedError", "no such library is loaded"),
    "an operator that opens files": (node(op_type="EPContext", domain="com.microsoft"), "RefusedError", "of its own"),
    "a weight outside, hidden in a branch": (hidden, "RefusedError", "leaves the card's folder"),
    "an unknown operator": (node(op_type="Conjure"), "EngineError", "Conjure"),
    "a newer opset": (opset, "EngineError", "999"),
}


@pytest.mark.parametrize("what", ONNX)
def test_an_onnx_file_that_asks_for_too_much_is_refused(bundled: Make, try_out: Try, what: str) -> None:
    change, expected, said = ONNX[what]
    card = bundled("onnx", bundle.onnx(change))
    assert said in try_out("model", f"onnx: {what}", expected, lambda: opened(card))


def test_graphs_in_graphs_have_a_bottom(bundled: Make, try_out: Try) -> None:
    graph = b""
    for _ in range(5_000):
        graph = inside(1, inside(5, inside(6, graph)))
    card = bundled("onnx", inside(7, graph))
    assert "deep" in try_out("model", "onnx: graphs in each other, 5,000 deep", "RefusedError", lambda: opened(card))


def test_two_graphs_that_a_parser_would_merge_are_both_looked_at(bundled: Make, try_out: Try) -> None:
    card = bundled("onnx", bundle.onnx() + bundle.onnx(tensor(dims=[2**40])))
    assert "declares" in try_out("model", "onnx: a second graph that is merged into the first", "RefusedError", lambda: opened(card))


# weights outside the file


OUTSIDE = {
    "..": ("../weights", "leaves the card's folder"), "an absolute path": ("/etc/passwd", "leaves the card's folder"),
    "a NUL byte": ("weights\0.bin", "leaves the card's folder"), "backslashes": ("..\\weights", "leaves the card's folder"),
    "nothing": ("", "leaves the card's folder"), "a missing file": ("missing", "cannot be read: No such file"), "a folder": ("folder", "no regular file"),
    "an address in memory": ("*/_ORT_MEM_ADDR_/*", "cannot be read"), "a file that the card does not list": ("unlisted", "does not list"),
}


@pytest.mark.parametrize("what", OUTSIDE)
def test_weights_stay_in_the_bundle(bundled: Make, try_out: Try, what: str) -> None:
    location, said = OUTSIDE[what]
    card = bundled("onnx", bundle.outside(location))
    (card.parent / "unlisted").write_bytes(bundle.table())
    (card.parent / "folder").mkdir()
    (card.parent.parent / "weights").write_bytes(bundle.table())
    assert said in try_out("model", f"onnx: weights outside, {what}", "RefusedError", lambda: opened(card))


LINKS: dict[str, tuple[Callable[[Path, Path], None], str]] = {
    "a symbolic link": (lambda there, here: here.symlink_to(there), "outside the card's folder"),
    "a hard link": (lambda there, here: os.link(there, here), "is a hard link"),
    "a symbolic link to a device": (lambda there, here: here.symlink_to("/dev/zero"), "outside the card's folder"),
    "a named pipe": (lambda there, here: os.mkfifo(here), "no regular file"),
}


@pytest.mark.parametrize("what", LINKS)
def test_no_link_leads_out_of_the_bundle(bundled: Make, try_out: Try, tmp_path: Path, what: str) -> None:
    link, said = LINKS[what]
    card = bundled("onnx", bundle.outside("weights"), files={"weights": bundle.table()})
    (tmp_path / "secret").write_bytes(bundle.table())
    (card.parent / "weights").unlink()
    link(tmp_path / "secret", card.parent / "weights")
    assert said in try_out("model", f"onnx: weights in {what}", "RefusedError", lambda: opened(card))


def test_a_device_file_is_no_weight(bundled: Make, try_out: Try) -> None:
    card = bundled("onnx", bundle.outside("weights"), files={"weights": bundle.table()})
    (card.parent / "weights").unlink()
    try:
        os.mknod(card.parent / "weights", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("only root makes device files")
    assert "no regular file" in try_out("model", "onnx: weights in a device file", "RefusedError", lambda: opened(card))


@pytest.mark.parametrize(("what", "more"), [("ends early", {"length": 44}), ("begins behind the end", {"offset": 1000}), ("begins before it", {"offset": -8})])
def test_weights_that_are_not_where_they_should_be_are_damage(bundled: Make, try_out: Try, what: str, more: dict[str, int]) -> None:
    card = bundled("onnx", bundle.outside("weights", **more), files={"weights": bundle.table()})
    assert "it is damaged" in try_out("model", f"onnx: the part of the outside file {what}", "RefusedError", lambda: opened(card))


def test_an_outside_file_is_checked_like_any_other(bundled: Make, try_out: Try) -> None:
    card = bundled("onnx", bundle.outside("weights"), files={"weights": bundle.table()})
    (card.parent / "weights").write_bytes(bundle.table()[::-1])
    assert "sha256 of" in try_out("model", "onnx: other bytes in the outside file", "IntegrityError", lambda: opened(card))


def test_weights_in_the_bundle_are_used(bundled: Make, try_out: Try) -> None:
    card = bundled("onnx", bundle.outside("weights"), files={"weights": bundle.table()})
    assert try_out("model", "onnx: weights outside, in the bundle and listed", "answers", lambda: opened(card)).startswith("label 1")


# TFLite


def overwritten(old: bytes, new: bytes, count: int = 1) -> bytes:
    data = bundle.tflite()
    assert old in data
    return data.replace(old, new, count)


def pointed(value: int) -> bytes:
    """The offset of the root table."""
    return struct.pack("<I", value) + bundle.tflite()[4:]


TFLITE: dict[str, Callable[[], bytes]] = {
    "a root behind its end": lambda: pointed(2**31), "a root that is its last byte": lambda: pointed(len(bundle.tflite()) - 1),
    "only a header": lambda: b"\x1c\0\0\0TFL3", "INT_MAX dimensions": lambda: _resized(INT_MAX), "a negative dimension": lambda: _resized(-7),
    "cut in half under its own digest": lambda: bundle.tflite()[: len(bundle.tflite()) // 2],
}


def _resized(size: int) -> bytes:
    """Each vector [1, 8], which is the shape of an input, with another last number."""
    return overwritten(struct.pack("<Iii", 2, 1, 8), struct.pack("<Iii", 2, 1, size), 99)


@pytest.mark.parametrize("what", TFLITE)
def test_a_tflite_file_that_leads_out_of_itself_is_refused(bundled: Make, try_out: Try, what: str) -> None:
    card = bundled("tflite", TFLITE[what]())
    assert "is no TFLite file" in try_out("model", f"tflite: {what}", "RefusedError", lambda: opened(card))


# TorchScript, and what calls itself so


class Bomb:
    """What runs when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (os.environ["EDGEBENCH_TEST_TRAP"],))


def _pickled() -> bytes:
    import pickle

    return pickle.dumps(Bomb())


ARCHIVES: dict[str, tuple[Callable[[], bytes], str]] = {
    "a pickle": (lambda: b"", "is no TorchScript archive"),
    "a pickle as torch.save writes it": (lambda: bundle.archive({"m/data.pkl": _pickled(), "m/version": b"3\n"}), "without a program"),
    "a bomb that unpacks to 30 MB": (lambda: bundle.archive({**PROGRAM, "m/data/0": bytes(30_000_000)}, compressed=True), "made to fill memory"),
    "a member that leaves the archive": (lambda: bundle.archive({**PROGRAM, "../../evil.py": b"x"}), "leaves the archive"),
    "cut in half under its own digest": (lambda: bundle.archive(PROGRAM)[:2000], "is no TorchScript archive"),
}


@pytest.mark.parametrize("what", ARCHIVES)
def test_an_archive_that_is_no_program_is_refused(
    bundled: Make, try_out: Try, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, said = ARCHIVES[what]
    monkeypatch.setenv("EDGEBENCH_TEST_TRAP", str(tmp_path / "trap"))
    card = bundled("torchscript", make() or _pickled())
    assert said in try_out("model", f"torchscript: {what}", "RefusedError", lambda: checked(card))
    assert not (tmp_path / "trap").exists()


@pytest.mark.slow
def test_a_program_is_opened_by_consent_only(bundled: Make, try_out: Try) -> None:
    card = bundled("torchscript", bundle.archive(PROGRAM))
    assert "allow_code" in try_out("model", "torchscript: without consent", "UnsupportedError", lambda: opened(card))


# what lies around the model


def test_labels_are_as_many_as_the_head_is_wide(bundled: Make, try_out: Try) -> None:
    card = bundled("onnx", bundle.onnx(), labels=3)
    assert "2 scores, the card names 3 labels" in try_out("model", "card: another number of labels than the head has", "CardError", lambda: opened(card))


def test_a_tokenizer_of_more_words_than_the_model_has_is_refused(bundled: Make, try_out: Try, bag_of_words: Path) -> None:
    tokens = re.sub(r'"film":\s*8', '"film": 800', (bag_of_words.parent / "bag" / "tokenizer.json").read_text()).encode()
    card = bundled("onnx", bundle.onnx(), tokens=tokens)
    assert "800" in try_out("model", "tokenizer: a number behind the embedding's end", "CardError", lambda: opened(card))


@pytest.mark.parametrize("tokens", [b"", b"{}", b"\xff\xfe", b"[" * 100_000, b"<html>"], ids=["empty", "{}", "no UTF-8", "100,000 brackets", "HTML"])
def test_what_is_no_tokenizer_is_one_sentence(bundled: Make, try_out: Try, tokens: bytes, request: pytest.FixtureRequest) -> None:
    card = bundled("onnx", bundle.onnx(), tokens=tokens)
    name = request.node.name.partition("[")[2][:-1]
    assert "is no tokenizer" in try_out("model", f"tokenizer: {name}", "CardError", lambda: opened(card))


@pytest.mark.parametrize("file", ["../model.onnx", "/etc/passwd", "a\\u0000b", ""])
def test_a_card_names_no_file_outside_its_folder(bundled: Make, try_out: Try, file: str) -> None:
    card = bundled("onnx", bundle.onnx())
    card.write_text(card.read_text().replace('file = "model.onnx"', f'file = "{file}"'))
    expected = "CardError" if file else "IntegrityError"
    try_out("model", f"card: a file called {file!r}", expected, lambda: opened(card))


def test_a_model_that_links_out_of_its_folder_is_refused(bundled: Make, try_out: Try, tmp_path: Path) -> None:
    card = bundled("onnx", bundle.onnx())
    (card.parent / "model.onnx").rename(tmp_path / "elsewhere.onnx")
    (card.parent / "model.onnx").symlink_to(tmp_path / "elsewhere.onnx")
    assert "outside the card's folder" in try_out("model", "card: a model that is a link out of its folder", "IntegrityError", lambda: opened(card))


