"""Labelled data: the first set that can be had is used under its own name, and what was passed over is told."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from pathlib import Path

import pytest

from edgebench import catalog
from edgebench.errors import CardError, FetchError, IntegrityError, UsageError
from edgebench.models.data import Labelled, divide, from_file, load, read

HERE = os.environ.get("EDGEBENCH_DATA")
needs_data = pytest.mark.skipif(HERE is None, reason="EDGEBENCH_DATA names no folder with sst2/")


@pytest.fixture(autouse=True)
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGEBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("EDGEBENCH_DATA", raising=False)
    return tmp_path / "home"


def tsv(*rows: tuple[str, object]) -> bytes:
    return "".join(f"{text}\t{label}\n" for text, label in (("sentence", "label"), *rows)).encode()


GOOD = tsv(("a good film ", 1), ("a bad film", 0), ("it's \"fine\"", 1), ("dull", "negative"))
SPARE = tsv(("spare", 0))


def file_table(data: bytes) -> str:
    return f'sha256 = "{hashlib.sha256(data).hexdigest()}"\nsize_bytes = {len(data)}\n'


@pytest.fixture
def reviews(empty_home: Path) -> Path:
    """A dataset card "reviews" whose first set lies in a local folder or on a server that is not there, its second beside the card."""
    folder = empty_home / "models" / "datasets"
    folder.mkdir(parents=True)
    head = 'licence = "none"\nsource = "a test"\ntext = "sentence"\nlabel = "label"\nabout = ""\n'
    (folder / "reviews.toml").write_text(
        'schema = 1\nname = "reviews"\ntask = "text-classification"\nabout = ""\nlabels = ["negative", "positive"]\n'
        f'[[sets]]\nname = "reviews"\n{head}'
        f'[[sets.splits.dev]]\nlocal = "reviews/dev.tsv"\nfile = "dev.tsv"\nnote = "an odd copy"\n{file_table(GOOD)}'
        '[[sets.splits.dev.sources]]\nkind = "url"\naddress = "http://127.0.0.1:9/dev.tsv"\n'
        f'[[sets.splits.train]]\nlocal = "reviews/train.tsv"\nfile = "train.tsv"\n{file_table(GOOD)}'
        f'[[sets]]\nname = "spare"\n{head}note = "not reviews"\n[[sets.splits.dev]]\nfile = "spare.tsv"\n{file_table(SPARE)}'
    )
    (folder / "spare.tsv").write_bytes(SPARE)
    return folder / "reviews.toml"


@pytest.fixture
def local(reviews: Path, tmp_path: Path) -> Path:
    (tmp_path / "data" / "reviews").mkdir(parents=True)
    (tmp_path / "data" / "reviews" / "dev.tsv").write_bytes(GOOD)
    return tmp_path / "data"


def test_a_local_folder_goes_first(local: Path) -> None:
    found = load("reviews", "dev", folder=local)
    assert found == Labelled(
        ("a good film", "a bad film", "it's \"fine\"", "dull"), (1, 0, 1, 0), ("negative", "positive"), "reviews", "dev",
        "local file reviews/dev.tsv", hashlib.sha256(GOOD).hexdigest(), "none", "an odd copy",
    )  # fmt: skip


def test_the_variable_names_the_folder_too(local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEBENCH_DATA", str(local))
    assert load("reviews", "dev").name == "reviews"


def test_references_are_label_names(local: Path) -> None:
    assert load("reviews", "dev", folder=local).references == ["positive", "negative", "positive", "negative"]


def test_another_file_in_the_local_folder_is_not_quietly_replaced(local: Path) -> None:
    (local / "reviews" / "dev.tsv").write_bytes(GOOD.replace(b"good", b"grim"))
    with pytest.raises(IntegrityError, match=r"sha256 of .*dev.tsv is \w{8}…, the card says \w{8}…; delete the file or correct the card"):
        load("reviews", "dev", folder=local)


def test_the_next_set_has_its_own_name_and_tells_what_was_passed_over(reviews: Path) -> None:
    found = load("reviews", "dev", offline=True)
    assert (found.name, found.source, found.texts) == ("spare", "a test", ("spare",))
    assert found.note == "not reviews; reviews was not used: EDGEBENCH_DATA names no local folder; it was not fetched yet"


def test_a_source_that_does_not_answer_is_told(reviews: Path, tmp_path: Path) -> None:
    note = load("reviews", "dev", folder=tmp_path).note
    assert f"{tmp_path} has no reviews/dev.tsv" in note
    assert "http://127.0.0.1:9/dev.tsv: [Errno" in note


def test_a_fetched_copy_is_kept_and_used_offline(reviews: Path, empty_home: Path) -> None:
    kept = empty_home / "cache" / "datasets" / "reviews" / "dev.tsv"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(GOOD)
    found = load("reviews", "dev", offline=True)
    assert (found.name, found.source) == ("reviews", "http://127.0.0.1:9/dev.tsv")


def test_a_split_that_nothing_gives_names_every_reason(reviews: Path) -> None:
    with pytest.raises(FetchError, match="train of dataset 'reviews' could not be had: reviews was not used: .*; spare has no train"):
        load("reviews", "train", offline=True)


def test_an_altered_file_beside_the_card_is_refused(reviews: Path) -> None:
    (reviews.parent / "spare.tsv").write_bytes(SPARE.replace(b"0", b"1"))
    with pytest.raises(IntegrityError, match=r"spare\.tsv"):
        load("reviews", "dev", offline=True)


def test_an_unknown_split_is_wrong_usage(reviews: Path) -> None:
    with pytest.raises(UsageError, match="dataset 'reviews' has no split 'test'; it has dev, train"):
        load("reviews", "test")


def test_a_limit_draws_the_same_rows_for_the_same_seed(local: Path) -> None:
    one, same, other = (load("reviews", "dev", folder=local, limit=2, seed=seed) for seed in (0, 0, 5))
    assert one == same
    assert len(one) == 2
    assert one.texts != other.texts
    assert one.note.startswith("2 of 4 examples, drawn with seed 0")


def test_a_limit_of_none_at_all_is_wrong_usage(reviews: Path) -> None:
    with pytest.raises(UsageError, match="a limit of 0 examples leaves none"):
        load("reviews", "dev", limit=0)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (tsv(("good", 2)), r"spare.tsv line 2: label '2' is not among 2; expected columns 'sentence' and 'label', labels negative, positive"),
        (tsv(("good", "great")), "line 2: invalid literal"),
        (b"sentence\tlabel\nno label\n", "line 2"),
        (b"text\tlabel\ngood\t1\n", "line 2: 'sentence'"),
        (b"sentence\tlabel\n\xff\t1\n", "can't decode byte 0xff"),
        (b"sentence\tlabel\n", "holds no examples"),
    ],
)
def test_a_malformed_file_names_its_line(reviews: Path, data: bytes, said: str) -> None:
    (reviews.parent / "spare.tsv").write_bytes(data)
    reviews.write_text(reviews.read_text().replace(file_table(SPARE), file_table(data)))
    with pytest.raises(CardError, match=said):
        load("reviews", "dev", offline=True)


def test_pinned_rows_of_a_csv_are_the_only_ones_used(reviews: Path) -> None:
    table, rows = b'text,label\nzero,0\n"one, more",1\ntwo,1\nthree,0\n', b"1 3-3\n"
    (reviews.parent / "spare.csv").write_bytes(table)
    (reviews.parent / "spare.rows").write_bytes(rows)
    card = reviews.read_text().replace('file = "spare.tsv"', 'file = "spare.csv"').replace(file_table(SPARE), file_table(table))
    head, tail = card.split('note = "not reviews"\n')
    reviews.write_text(head.replace('text = "sentence"', 'text = "text"') + f'[sets.rows]\nfile = "spare.rows"\n{file_table(rows)}' + tail)
    found = load("reviews", "dev", offline=True)
    assert list(zip(found.texts, found.labels, strict=True)) == [("one, more", 1), ("three", 0)]


# the shipped card


def own() -> Labelled:
    return load("sst2", "dev", offline=True)


def letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def test_sst2_without_data_or_network_is_the_bundled_set_under_its_own_name() -> None:
    assert own().name == "edgebench-reviews"
    assert "sst2 was not used" in own().note
    assert "rotten-tomatoes-unseen was not used" in own().note


def test_own_sentences_are_enough_balanced_and_distinct() -> None:
    labels, texts = own().labels, own().texts
    assert len(texts) >= 200
    assert sum(labels) * 2 == len(labels)
    assert len({letters(text) for text in texts}) == len(texts)
    assert all(3 <= len(text.split()) <= 30 for text in texts)


def test_the_three_sets_of_sst2_are_tried_in_this_order() -> None:
    card = read(catalog.shipped_folder("models") / "datasets" / "sst2.toml")
    assert [one.name for one in card.sets] == ["sst2", "rotten-tomatoes-unseen", "edgebench-reviews"]


def test_the_pinned_rows_are_as_many_as_the_card_says() -> None:
    from edgebench.models.data import _row_numbers

    path = catalog.shipped_folder("models") / "datasets" / "sst2.toml"
    choice = read(path).sets[1]
    assert choice.about.startswith(f"{len(_row_numbers(path.parent / 'rotten-tomatoes-unseen.rows')):,} Rotten Tomatoes sentences")


@needs_data
def test_own_sentences_are_not_in_sst2() -> None:
    seen = {letters(text) for split in ("train", "dev") for text in load("sst2", split, folder=Path(HERE or "")).texts}
    assert not [text for text in own().texts if letters(text) in seen]


@needs_data
def test_sst2_in_the_local_folder_has_its_872_sentences() -> None:
    found = load("sst2", "dev", folder=Path(HERE or ""))
    assert (found.name, len(found), sum(found.labels)) == ("sst2", 872, 444)


@pytest.mark.network
def test_unseen_rotten_tomatoes_sentences_come_from_their_package(empty_home: Path) -> None:
    found = load("sst2", "dev")
    if found.name == "sst2":
        pytest.skip("the official archive can be reached from here, so the next set is not used")
    assert (found.name, len(found), sum(found.labels)) == ("rotten-tomatoes-unseen", 3057, 1426)
    if HERE:
        seen = {letters(text) for split in ("train", "dev") for text in load("sst2", split, folder=Path(HERE)).texts}
        assert not [text for text in found.texts if letters(text) in seen]
    shutil.rmtree(empty_home / "cache")


@pytest.mark.parametrize(("name", "head"), [("mine.tsv", "label\ttext\n1\tgood\nnegative\tbad\n"), ("mine.csv", 'sentence,label\n"good",1\nbad,negative\n')])
def test_a_file_of_ones_own_is_read_by_its_columns(tmp_path: Path, name: str, head: str) -> None:
    (tmp_path / name).write_text(head)
    found = from_file(tmp_path / name, ("negative", "positive"))
    assert (found.texts, found.labels, found.name, found.split) == (("good", "bad"), (1, 0), "mine", "train")
    assert found.sha256 == hashlib.sha256(head.encode()).hexdigest()


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"a\tb\n1\t2\n", "has the columns 'a', 'b'; expected 'text'"), (b"text\tlabel\n", "holds no examples"),
     (b"text\tlabel\nx\t7\n", "label '7' is not among 2"), (b"\xff\n", "cannot be read")],
)
def test_a_file_of_ones_own_that_cannot_be_used_is_a_card_error(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "mine.tsv").write_bytes(content)
    with pytest.raises(CardError, match=said):
        from_file(tmp_path / "mine.tsv", ("negative", "positive"))


def test_dividing_keeps_every_example_once_and_the_same_ones_for_a_seed() -> None:
    whole = Labelled(tuple("abcdefghij"), tuple(range(10)), (), "all", "train", "", "", "", "")
    rest, aside = divide(whole, 3, seed=1)
    assert sorted(rest.texts + aside.texts) == sorted(whole.texts)
    assert (len(rest), len(aside), rest.split, aside.split) == (7, 3, "train", "dev")
    assert all(whole.texts[label] == text for part in (rest, aside) for text, label in zip(part.texts, part.labels, strict=True))
    assert divide(whole, 3, seed=1)[1] == aside != divide(whole, 3, seed=2)[1]
    with pytest.raises(UsageError, match="cannot set 10 of 10 examples aside"):
        divide(whole, 10, seed=1)


def words_card(home: Path, head: str, files: str) -> None:
    folder = home / "models" / "datasets"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "other.toml").write_text(
        'schema = 1\nname = "other"\ntask = "a test"\nabout = ""\nlabels = ["O", "B-place"]\n'
        f'[[sets]]\nname = "other"\nabout = ""\nlicence = "none"\nsource = "a test"\n{head}{files}'
    )


def test_tagged_words_become_texts_and_spans(empty_home: Path, tmp_path: Path) -> None:
    data = b"in\tO\nParis\tB-place\n\nno\tO\n"
    (tmp_path / "words.conll").write_bytes(data)
    words_card(empty_home, 'form = "words"\ntext = "0"\nlabel = "1"\n', f'[[sets.splits.dev]]\nlocal = "words.conll"\nfile = "words.conll"\n{file_table(data)}')
    found = load("other", "dev", folder=tmp_path)
    assert (found.texts, found.references) == (("in Paris", "no"), ["3:8:place", ""])


def test_lines_of_two_files_belong_together(empty_home: Path, tmp_path: Path) -> None:
    import gzip

    mine, theirs = gzip.compress(b"Two dogs.\n A cat.\n", mtime=0), b"Deux chiens.\nUn chat.\n"
    (tmp_path / "a.en.gz").write_bytes(mine)
    (tmp_path / "a.fr").write_bytes(theirs)
    pair = (("splits", "a.en.gz", mine), ("answers", "a.fr", theirs))
    files = "".join(f'[[sets.{kind}.dev]]\nlocal = "{name}"\nfile = "{name}"\n{file_table(data)}' for kind, name, data in pair)
    words_card(empty_home, 'form = "lines"\n', files)
    found = load("other", "dev", folder=tmp_path)
    assert (found.texts, found.references) == (("Two dogs.", "A cat."), ["Deux chiens.", "Un chat."])
    both = f"{hashlib.sha256(mine).hexdigest()} {hashlib.sha256(theirs).hexdigest()}"
    assert found.sha256 == hashlib.sha256(both.encode()).hexdigest()
    (tmp_path / "a.fr").write_bytes(b"Un chien.\n")
    with pytest.raises(IntegrityError):
        load("other", "dev", folder=tmp_path)


def test_pairs_are_a_text_a_tab_and_its_answer_and_rows_choose_among_them(empty_home: Path, tmp_path: Path) -> None:
    data = b"Go.\tVa !\tcredit\nTwo dogs.\tDeux chiens.\tcredit\nA cat.\tUn chat.\n"
    (tmp_path / "a.txt").write_bytes(data)
    files = f'[[sets.splits.dev]]\nlocal = "a.txt"\nfile = "a.txt"\n{file_table(data)}'
    words_card(empty_home, 'form = "pairs"\n', files)
    found = load("other", "dev", folder=tmp_path)
    assert (found.texts, found.references) == (("Go.", "Two dogs.", "A cat."), ["Va !", "Deux chiens.", "Un chat."])
    (empty_home / "models" / "datasets" / "a.rows").write_bytes(b"1-2\n")
    words_card(empty_home, 'form = "pairs"\n', f'[sets.rows]\nfile = "a.rows"\n{file_table(b"1-2" + bytes([10]))}{files}')
    assert load("other", "dev", folder=tmp_path).references == ["Deux chiens.", "Un chat."]


def test_a_pair_without_a_tab_is_named(empty_home: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"Go.\tVa !\nStay.\n")
    files = f'[[sets.splits.dev]]\nlocal = "a.txt"\nfile = "a.txt"\n{file_table((tmp_path / "a.txt").read_bytes())}'
    words_card(empty_home, 'form = "pairs"\n', files)
    with pytest.raises(CardError, match="line 2 has no tab; expected a text, a tab and its answer"):
        load("other", "dev", folder=tmp_path)


def test_files_of_different_numbers_of_lines_are_refused(empty_home: Path, tmp_path: Path) -> None:
    for name, data in (("a.en", b"one\ntwo\n"), ("a.fr", b"un\n")):
        (tmp_path / name).write_bytes(data)
    files = f'[[sets.splits.dev]]\nlocal = "a.en"\nfile = "a.en"\n{file_table(b"one" + bytes([10]) + b"two" + bytes([10]))}'
    words_card(empty_home, 'form = "lines"\n', files + f'[[sets.answers.dev]]\nlocal = "a.fr"\nfile = "a.fr"\n{file_table(b"un" + bytes([10]))}')
    with pytest.raises(CardError, match="has 2 lines, .*has 1"):
        load("other", "dev", folder=tmp_path)


@pytest.mark.skipif(HERE is None, reason="EDGEBENCH_DATA names no folder with wnut17/, conllpp/ and multi30k/")
@pytest.mark.parametrize(("name", "sizes", "first"), [
    ("wnut17", (3_394, 1_009), ""),
    ("conllpp", (14_041, 3_250), "0:2:ORG 11:17:MISC 34:41:MISC"),
    ("multi30k", (29_000, 1_000), "Deux jeunes hommes blancs sont dehors près de buissons."),
])  # fmt: skip
def test_sets_of_tagged_words_and_of_lines_are_whole(monkeypatch: pytest.MonkeyPatch, name: str, sizes: tuple[int, int], first: str) -> None:
    monkeypatch.setenv("EDGEBENCH_DATA", str(HERE))
    train, dev = (load(name, split, offline=True) for split in ("train", "dev"))
    assert (len(train), len(dev)) == sizes
    assert not first or train.references[0] == first


def test_a_line_of_a_label_a_blank_and_a_text_is_read_in_its_own_encoding(empty_home: Path, tmp_path: Path) -> None:
    folder, data = empty_home / "models" / "datasets", "1 What is a sister\xf0city ?\nplace Where  is it ?\n".encode("latin-1")
    folder.mkdir(parents=True)
    (folder / "asked.txt").write_bytes(data)
    (folder / "asked.toml").write_text(
        'schema = 1\nname = "asked"\ntask = "text-classification"\nabout = ""\nlabels = ["place", "thing"]\n[[sets]]\nname = "asked"\nabout = ""\n'
        f'licence = ""\nsource = ""\nform = "labelled"\nencoding = "latin-1"\n[[sets.splits.dev]]\nfile = "asked.txt"\n{file_table(data)}'
    )
    found = load("asked", "dev")
    assert (found.texts, found.labels) == (("What is a sister\xf0city ?", "Where  is it ?"), (1, 0))


@needs_data
def test_trec_has_its_questions() -> None:
    training, dev = (load("trec", split, folder=Path(str(HERE))) for split in ("train", "dev"))
    assert (len(training), len(dev)) == (5_452, 500)
    assert (dev.texts[1], dev.references[1]) == ("What county is Modesto , California in ?", "location")
