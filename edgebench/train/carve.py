"""One speed of a model of several -> a card of its own, whose files hold what that speed needs and nothing else.

A point's graph reads pieces of a file that all points share (`edgebench.train.share`). Carved out, the pieces it reads lie one after the other in a file
of its own, byte for byte what they were: the answers are the same numbers.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import onnx
from onnx.external_data_helper import ExternalDataInfo, set_external_data, uses_external_data

from edgebench import whole
from edgebench.models.artifact import Artifact, artifact, files
from edgebench.models.card import Card, Point, Variant
from edgebench.train.cards import listed, write_card

PAGE = 4_096  # what an engine maps starts on one


def carve(path: Path, card: Card, variant: Variant, point: Point | None, into: Path, name: str, made_by: dict[str, Any]) -> Path:
    """Write `into`/NAME.toml and the folder beside it, from the card at `path`; return the card's path. `point` None: the variant as it is."""
    found = artifact(path, card, variant)
    folder = into / name
    folder.mkdir(parents=True, exist_ok=True)
    extra = {}
    for key, file in files(path, card).items():
        whole.copy(file, folder / file.name)
        extra[key] = listed(folder / file.name)
    alone = _alone(found, point, folder, f"{name}-{variant.precision}")
    narrow = point is not None and not found.parts and (point.width, point.depth) != (1.0, 1.0)
    made = msgspec.structs.replace(
        card, name=name, about=f"{card.about}; at {point.name} alone" if point else card.about, variants=(alone,), reference=alone.name, files=extra,
        tolerance={key: one for key, one in card.tolerance.items() if key == variant.precision}, dataset=_dataset(card, path, into),
        parameters=None if narrow else card.parameters, made_by={**card.made_by, "carved_from": f"{card.name}, sha256 {variant.sha256[:16]}", **made_by},
    )
    write_card(made, into / f"{name}.toml")
    return into / f"{name}.toml"


def _alone(found: Artifact, point: Point | None, folder: Path, stem: str) -> Variant:
    """The variant with the files of one point, written to `folder`; of a net with early exits the point stays, for it says when to leave."""
    variant = found.variant
    source = found.points[point.name] if point and not found.parts else found.path
    graph, shared = folder / f"{stem}{source.suffix}", []
    if variant.format == "onnx" and variant.shared:
        shared = [folder / f"{stem}.weights"]
        _pieces(source, graph, shared[0])
    else:
        whole.copy(source, graph)
    parts = {}
    for key, part in found.parts.items():
        whole.copy(part, folder / f"{stem}-{key}{part.suffix}")
        parts[key] = listed(folder / f"{stem}-{key}{part.suffix}")
    return msgspec.structs.replace(
        variant, parts=parts, points=(point,) if point and found.parts else (), shared=tuple(map(listed, shared)),
        accuracy=point.accuracy if point else variant.accuracy, **msgspec.structs.asdict(listed(graph)),
    )


def _pieces(source: Path, graph: Path, weights: Path) -> None:
    """The graph at `source` with its external data in one file, in which only what it reads lies, each piece once."""
    model = onnx.load(source, load_external_data=False)
    content, places = bytearray(), dict[tuple[str, int, int], int]()
    for tensor in model.graph.initializer:
        if not uses_external_data(tensor):
            continue
        told = ExternalDataInfo(tensor)
        piece = (told.location, told.offset or 0, told.length or 0)
        if piece not in places:
            content += b"\0" * (-len(content) % PAGE)
            places[piece] = len(content)
            content += _read(source.parent / piece[0], *piece[1:])
        tensor.raw_data = b""
        set_external_data(tensor, weights.name, offset=places[piece], length=piece[2])
    whole.write(weights, bytes(content))
    whole.write(graph, model.SerializeToString())


def _read(path: Path, offset: int, length: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(length)


def _dataset(card: Card, path: Path, into: Path) -> str:
    """Of a dataset card beside the model's, the way there from the new place."""
    return os.path.relpath((path.parent / card.dataset).resolve(), into.resolve()) if card.dataset.endswith(".toml") else card.dataset
