"""Marian's SentencePiece models and vocabulary -> tokenizers files with the net's own numbers, which the runtime reads.

    reader(folder / "source.spm", names)     # text -> the net's ids, `</s>` at the end
    writer(names)                            # the net's ids -> text

`names` are the pieces in the order of the net's word table (`vocab.json`): source and target share it, each has pieces of its own.
The reader must not cut a text into pieces that only the target has, so those stand in its list under names that no text
contains. Pieces of the source that the net does not have, or no longer, are left out, so that a text is cut into ones it has.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

END, UNKNOWN, PAD = "</s>", "<unk>", "<pad>"
NORMAL, USER_DEFINED = 1, 4  # kinds of piece, in sentencepiece_model.proto
BLANK = "▁"


def names_of(vocab: Path) -> list[str]:
    """The pieces of a `vocab.json`, in the order of their numbers."""
    numbers: dict[str, int] = json.loads(vocab.read_text(encoding="utf-8"))
    return sorted(numbers, key=numbers.__getitem__)


def reader(model: Path, names: Sequence[str]) -> Tokenizer:
    """A tokenizer that cuts texts as the SentencePiece unigram `model` does, and gives the numbers of `names`."""
    spm, scores = _read(model), likelihoods(model)
    lowest = min(scores.values())
    pieces = [(name, scores[name]) if name in scores else (f"\0{name}", lowest) for name in names]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=names.index(UNKNOWN), byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.Precompiled(spm.normalizer_spec.precompiled_charsmap),
        normalizers.Replace(Regex(r"\A +| +\z"), ""),  # blanks only: other white space is left alone
        normalizers.Replace(Regex(" {2,}"), " "),
        normalizers.Replace(" ", BLANK),
        normalizers.Replace(Regex(rf"\A{BLANK}"), BLANK * 2),  # the pre-tokenizer below puts none before one that is there
    ])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=BLANK, prepend_scheme="always", split=False)
    tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {END}", special_tokens=[(END, names.index(END))])
    return tokenizer


def writer(names: Sequence[str]) -> Tokenizer:
    """A tokenizer whose `decode` makes text of the numbers of `names`; `</s>`, `<unk>` and `<pad>` leave nothing."""
    tokenizer = Tokenizer(models.Unigram([(name, 0.0) for name in names], unk_id=names.index(UNKNOWN), byte_fallback=False))
    tokenizer.add_special_tokens([AddedToken(name, normalized=False) for name in (END, UNKNOWN, PAD)])
    tokenizer.decoder = decoders.Sequence([decoders.Replace(BLANK, " "), decoders.Fuse(), decoders.Strip(" ", left=1, right=0)])
    return tokenizer


def likelihoods(model: Path) -> dict[str, float]:
    """The log-probability of each piece in the texts that the unigram `model` was trained on."""
    return {piece.piece: piece.score for piece in _read(model).pieces if piece.type in (NORMAL, USER_DEFINED)}


def cut(model: Path, texts: Sequence[str]) -> list[list[str]]:
    """The pieces of each text, by SentencePiece itself."""
    import sentencepiece

    found: list[list[str]] = sentencepiece.SentencePieceProcessor(model_file=str(model)).encode(list(texts), out_type=str)
    return found


def _read(path: Path):  # type: ignore[no-untyped-def]
    from sentencepiece import sentencepiece_model_pb2

    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(path.read_bytes())
    return model
