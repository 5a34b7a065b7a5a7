"""A picture in any of its forms -> the array a net takes, and where the net's pixels lie in the picture.

What is done to a picture is data in the card's [preprocess]:

    height = 224, width = 224       what the net takes
    resize = "crop"                 "stretch" (default), "crop" (the middle of the picture), "letterbox" (all of it, with a margin)
    shorter = 256                   crop only: the shorter side's length before the middle is cut out; default: nothing is lost of it
    filter = "bilinear"             "nearest", "box", "bilinear" (default), "bicubic" or "lanczos"
    mean, std = [...], [...]        floats: (pixel / 255 - mean) / std for each of red, green and blue; default: 0 and 1

The order of axes (NHWC or NCHW) and the type (float32, or uint8 with pixels as they are) are those of the file's own input.
Pillow decodes and resizes; it is imported with the first picture.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from edgebench.errors import CardError, InputError, MissingError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

    from edgebench.backends.base import Arrays, TensorSpec
    from edgebench.models.card import Card
    from edgebench.tasks.base import Lap

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # no others: some of Pillow's readers start programs
EXTRA = "vision"  # the pip extra that brings Pillow
MOST_PIXELS = 64_000_000  # 192 MB decoded; a small file can claim far more (a "decompression bomb")
RESIZES = ("crop", "letterbox", "stretch")
FILTERS = ("bicubic", "bilinear", "box", "lanczos", "nearest")
MARGIN = (114, 114, 114)  # of a letterbox: the grey of darknet's, on which such detectors are trained
KEYS = ("filter", "height", "mean", "resize", "shorter", "std", "width")
NO_LENGTH = "a picture has no length in tokens: every one is made the size that the net takes; leave --length out"
# what Pillow raises for files that are no pictures, end too early, or say impossible things of themselves
UNREADABLE = (OSError, SyntaxError, ValueError, TypeError, EOFError, IndexError, KeyError, OverflowError, MemoryError, struct.error, zlib.error)


@dataclass(frozen=True, slots=True)
class Placed:
    """How a picture of `width` x `height` pixels lies on the net's: its point (x, y) is at (left + x * scale_x, top + y * scale_y)."""

    width: int
    height: int
    left: float
    top: float
    scale_x: float
    scale_y: float


@dataclass(frozen=True)
class Preprocess:
    """[preprocess] of a picture card, checked; `scale` and `offset` make a float of a pixel."""

    height: int
    width: int
    resize: str
    shorter: int
    filter: str
    scale: NDArray[np.float32]
    offset: NDArray[np.float32]

    def fit(self, picture: Image) -> tuple[NDArray[np.uint8], Placed]:
        """(height, width, 3) uint8, and where that lies in the picture."""
        from PIL import Image as pillow

        width, height = picture.size
        sampling = getattr(pillow.Resampling, self.filter.upper())
        if self.resize == "letterbox":
            scale = min(self.width / width, self.height / height)
            inner = max(1, round(width * scale)), max(1, round(height * scale))
            left, top = (self.width - inner[0]) // 2, (self.height - inner[1]) // 2
            page = pillow.new("RGB", (self.width, self.height), MARGIN)
            page.paste(picture.resize(inner, sampling), (left, top))
            return np.asarray(page), Placed(width, height, left, top, inner[0] / width, inner[1] / height)
        x, y, across, down = 0.0, 0.0, float(width), float(height)
        if self.resize == "crop":
            unit = min(width, height) / self.shorter  # of the picture's pixels to one of the net's
            across, down = min(width, self.width * unit), min(height, self.height * unit)
            x, y = (width - across) / 2, (height - down) / 2
        scale_x, scale_y = self.width / across, self.height / down
        fitted = picture if (x, y, across, down) == (0, 0, self.width, self.height) else picture.resize(
            (self.width, self.height), sampling, box=(x, y, x + across, y + down)
        )
        return np.asarray(fitted), Placed(width, height, -x * scale_x, -y * scale_y, scale_x, scale_y)

    def feed(self, pixels: NDArray[np.uint8], spec: TensorSpec) -> NDArray[Any]:
        """(1, height, width, 3) or (1, 3, height, width), as the file's input is."""
        if len(spec.shape) != 4 or 3 not in (spec.shape[1], spec.shape[3]):
            raise CardError(f"the model's input {spec.name!r} has shape {spec.shape}; expected (N, height, width, 3) or (N, 3, height, width)")
        first = spec.shape[1] == 3  # channels first
        if spec.dtype == "uint8":
            return np.ascontiguousarray(pixels.transpose(2, 0, 1) if first else pixels)[None]
        if spec.dtype != "float32":
            raise CardError(f"the model's input {spec.name!r} is {spec.dtype}; pictures are fed as float32 or uint8: export it so")
        if first:
            array = np.multiply(pixels.transpose(2, 0, 1), self.scale[:, None, None], dtype=np.float32, order="C")
            array += self.offset[:, None, None]
        else:
            array = np.multiply(pixels, self.scale, dtype=np.float32)
            array += self.offset
        return array[None]


def preprocess(card: Card, *more: str) -> Preprocess:
    """The card's, or CardError that names the key; `more` are keys that the task reads itself."""
    given: Mapping[str, Any] = card.preprocess
    for key in given:
        if key not in (*KEYS, *more):
            raise CardError(f"card {card.name!r}: preprocess.{key} is unknown; a picture is prepared by {', '.join(sorted((*KEYS, *more)))}")
    height, width = (_whole(card, key, given.get(key)) for key in ("height", "width"))
    resize, sampling = given.get("resize", "stretch"), given.get("filter", "bilinear")
    for key, value, known in (("resize", resize, RESIZES), ("filter", sampling, FILTERS)):
        if value not in known:
            raise CardError(f"card {card.name!r}: preprocess.{key} is {value!r}; expected one of {', '.join(known)}")
    mean, std = (_three(card, key, given.get(key, [default] * 3)) for key, default in (("mean", 0.0), ("std", 1.0)))
    if not std.all():
        raise CardError(f"card {card.name!r}: preprocess.std holds 0; pixels are divided by it")
    shorter = _whole(card, "shorter", given.get("shorter", min(height, width)))
    return Preprocess(height, width, resize, shorter, sampling, (1 / (255 * std)).astype(np.float32), (-mean / std).astype(np.float32))


def encode(examples: Sequence[Any], how: Preprocess, inputs: Sequence[TensorSpec], lap: Lap) -> tuple[Arrays, list[Placed]]:
    """What the net is fed, and how each picture lies on it; the stages are decode, resize and normalise."""
    if len(inputs) != 1:
        raise CardError(f"the model takes {', '.join(one.name for one in inputs) or 'nothing'}; expected one input, the picture")
    pictures = [decode(one, place) for place, one in enumerate(examples)]
    lap("decode")
    fitted = [how.fit(one) for one in pictures]
    lap("resize")
    arrays = [how.feed(pixels, inputs[0]) for pixels, _ in fitted]
    feeds = {inputs[0].name: arrays[0] if len(arrays) == 1 else np.concatenate(arrays)}
    lap("normalise")
    return feeds, [placed for _, placed in fitted]


def decode(example: Any, place: int = 0) -> Image:
    """The upright RGB picture that a path, a `file:` address, a file's bytes, an (H, W, 3) uint8 array or a Pillow picture is.

    Transparent pixels are laid on white; 16 bits become 8; of an animation the first frame is taken; a picture that its
    camera says lies on its side is turned. InputError where it is none, is damaged, or has more than `MOST_PIXELS`.
    """
    pillow = _pillow()
    what = f"example {place}"
    if isinstance(example, np.ndarray):
        if example.dtype != np.uint8 or example.ndim != 3 or example.shape[2] != 3 or not example.size:
            raise InputError(f"{what} is an array of {example.dtype} and shape {example.shape}; expected uint8 of shape (height, width, 3)")
        _check_size(what, example.shape[1], example.shape[0])
        return pillow.fromarray(example)
    if isinstance(example, (str, Path)):
        what = str(example)
        if isinstance(example, str) and "://" in example:
            example = _local(example)
    elif not isinstance(example, (bytes, bytearray, memoryview, pillow.Image)):
        raise InputError(f"{what} is {type(example).__name__}; expected a path, a file's bytes, an (H, W, 3) uint8 array or a Pillow picture")
    try:
        if isinstance(example, pillow.Image):
            _check_size(what, *example.size)
            return _upright_rgb(example)
        with pillow.open(io.BytesIO(example) if not isinstance(example, (str, Path)) else example, formats=FORMATS) as opened:
            _check_size(what, *opened.size)
            opened.load()
            return _upright_rgb(opened)
    except (pillow.DecompressionBombError, pillow.DecompressionBombWarning):
        raise InputError(_too_large(what, "far")) from None
    except FileNotFoundError:
        raise InputError(f"{what} does not exist; give the path of a picture") from None
    except pillow.UnidentifiedImageError:
        raise InputError(f"{what} is no picture of a known kind; expected {', '.join(FORMATS)}") from None
    except UNREADABLE as error:
        raise InputError(f"{what} cannot be read as a picture: {error or type(error).__name__}; it is damaged or cut short") from error


def read(stream: BinaryIO) -> list[bytes]:
    """All that a stream holds, as one picture."""
    return [stream.read()]


def label_map(path: str) -> NDArray[np.uint8]:
    """(height, width) of a picture's values as they are stored: grey levels, or places in its palette."""
    try:
        with _pillow().open(path, formats=("PNG",)) as opened:
            if opened.mode not in ("L", "P"):
                raise InputError(f"mask {path} has mode {opened.mode}; expected a PNG with one value of 8 bits for each pixel")
            return np.asarray(opened)
    except UNREADABLE as error:
        raise InputError(f"mask {path} cannot be read: {error or type(error).__name__}; it is damaged or no PNG") from error


def outlined(picture: Image, boxes: Sequence[tuple[float, float, float, float, int]]) -> Image:
    """The picture with each (left, top, right, bottom, label's place) outlined in its label's colour."""
    from PIL import ImageDraw

    brush, wide = ImageDraw.Draw(picture), max(2, min(picture.size) // 150)
    for left, top, right, bottom, place in boxes:
        brush.rectangle((left, top, right, bottom), outline=colour(place), width=wide)
    return picture


def captioned(picture: Image, captions: Sequence[tuple[float, float, str]]) -> Image:
    """The picture with each text at its (x, y), black on white, moved inwards where it would leave the picture."""
    from PIL import ImageDraw, ImageFont

    brush = ImageDraw.Draw(picture)
    font = ImageFont.load_default(max(10, min(picture.size) // 30))
    for x, y, text in captions:
        left, top, right, bottom = brush.textbbox((x, y), text, font=font)
        inwards = max(0, right + 2 - picture.width), max(0, bottom + 2 - picture.height)
        brush.rectangle((left - 2 - inwards[0], top - 2 - inwards[1], right + 2 - inwards[0], bottom + 2 - inwards[1]), fill="white")
        brush.text((x - inwards[0], y - inwards[1]), text, fill="black", font=font)
    return picture


def colour(place: int) -> tuple[int, int, int]:
    """A colour of its own for each label: hues a golden angle apart, so that neighbours differ."""
    from PIL import ImageColor

    red, green, blue = ImageColor.getrgb(f"hsl({place * 137.508 % 360:.0f}, 85%, 50%)")[:3]
    return red, green, blue


def _upright_rgb(picture: Image) -> Image:
    from PIL import ImageOps

    if picture.getexif().get(0x0112, 1) != 1:
        picture = ImageOps.exif_transpose(picture)
    if picture.mode == "RGB":
        return picture if "transparency" not in picture.info else _on_white(picture)
    if picture.mode.startswith("I") or picture.mode == "F":
        return _from_wide(picture)
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        return _on_white(picture)
    return picture.convert("RGB")


def _on_white(picture: Image) -> Image:
    from PIL import Image as pillow

    seen = picture.convert("RGBA")
    page = pillow.new("RGBA", seen.size, (255, 255, 255, 255))
    return pillow.alpha_composite(page, seen).convert("RGB")


def _from_wide(picture: Image) -> Image:
    """Grey of 16 bits, or of floats from 0 to 1 or 255, in 8; Pillow's own conversion cuts what is above 255 off."""
    from PIL import Image as pillow

    values = np.asarray(picture).astype(np.float64)
    most = 65535.0 if picture.mode != "F" else 1.0 if values.max(initial=0.0) <= 1.0 else 255.0
    return pillow.fromarray((np.nan_to_num(values / most).clip(0, 1) * 255).round().astype(np.uint8)).convert("RGB")


def _local(address: str) -> str:
    """The path that a `file:` address means; a picture elsewhere is not fetched."""
    from urllib.parse import urlsplit
    from urllib.request import url2pathname  # brings an HTTP client with it, which few need

    parts = urlsplit(address)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        raise InputError(f"{address} is on another machine; fetch the picture first, then give its path")
    return url2pathname(parts.path)


def _check_size(what: str, width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise InputError(_too_large(what, f"{width} x {height} pixels,"))


def _too_large(what: str, says: str) -> str:
    return f"{what} has {says} more than the {MOST_PIXELS / 1e6:.0f} million that are decoded here; make it smaller, or cut out the part that matters"


def _whole(card: Card, key: str, value: Any) -> int:
    if not isinstance(value, int) or not 1 <= value <= 8192:
        raise CardError(f"card {card.name!r}: preprocess.{key} is {value!r}; expected a whole number of pixels from 1 to 8192")
    return value


def _three(card: Card, key: str, values: Any) -> NDArray[np.float64]:
    if not isinstance(values, list) or len(values) != 3 or not all(isinstance(one, (int, float)) for one in values):
        raise CardError(f"card {card.name!r}: preprocess.{key} is {values!r}; expected three numbers, for red, green and blue")
    return np.array(values, dtype=np.float64)


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingError(f"pictures need Pillow, which cannot be imported ({error}); install edgebench[vision]") from error
    return Image
