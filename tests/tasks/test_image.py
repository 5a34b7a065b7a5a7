"""Pictures of every kind -> upright RGB; what cannot be one -> one clear error; the card's preprocessing -> arrays and where they lie."""

from __future__ import annotations

import io
import warnings
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgebench.backends.base import TensorSpec
from edgebench.errors import CardError, InputError
from edgebench.tasks import image

pillow = pytest.importorskip("PIL.Image", reason="pictures need Pillow; install edgebench[vision]")

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
QUARTERS = np.array([[RED, GREEN], [BLUE, WHITE]], np.uint8)  # one pixel each
NHWC, NCHW = TensorSpec("x", "float32", (1, 2, 2, 3)), TensorSpec("x", "float32", (1, 3, 2, 2))


def saved(picture: Any, form: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def pixels(example: Any) -> list[Any]:
    return np.asarray(image.decode(example)).tolist()  # type: ignore[no-any-return]


def how(**preprocess: Any) -> image.Preprocess:
    return image.preprocess(SimpleNamespace(name="tiny", preprocess={"height": 2, "width": 2, **preprocess}))  # type: ignore[arg-type]


# the forms a picture comes in


def test_path_bytes_array_and_pillow_picture_are_the_same_picture(tmp_path: Path) -> None:
    picture = pillow.fromarray(QUARTERS)
    (tmp_path / "four.png").write_bytes(saved(picture))
    forms = [tmp_path / "four.png", str(tmp_path / "four.png"), saved(picture), bytearray(saved(picture)), QUARTERS, picture]
    assert [pixels(one) for one in forms] == [QUARTERS.tolist()] * len(forms)


def test_the_address_of_a_local_picture_is_its_path_and_no_other_machine_is_asked(tmp_path: Path) -> None:
    (tmp_path / "four pixels é.png").write_bytes(saved(pillow.fromarray(QUARTERS)))
    assert pixels((tmp_path / "four pixels é.png").as_uri()) == QUARTERS.tolist()
    with pytest.raises(InputError, match=r"^file:///none\.png does not exist"):
        image.decode("file:///none.png")
    for address in ("https://example.org/four.png", "file://server/four.png"):
        with pytest.raises(InputError, match=f"{address} is on another machine; fetch the picture first, then give its path"):
            image.decode(address)


def test_standard_input_is_one_picture() -> None:
    assert image.read(io.BytesIO(b"abc\ndef")) == [b"abc\ndef"]


# kinds of pictures


@pytest.mark.parametrize("form", ["BMP", "PNG", "TIFF", "WEBP", "PPM"])
def test_a_lossless_format_keeps_its_pixels(form: str) -> None:
    options = {"lossless": True} if form == "WEBP" else {}
    assert pixels(saved(pillow.fromarray(QUARTERS), form, **options)) == QUARTERS.tolist()


def test_one_pixel_is_a_picture() -> None:
    fitted, placed = how().fit(image.decode(np.array([[RED]], np.uint8)))
    assert fitted.tolist() == [[list(RED)] * 2] * 2
    assert (placed.width, placed.height, placed.scale_x, placed.scale_y) == (1, 1, 2, 2)


def test_grey_has_three_equal_channels() -> None:
    assert pixels(saved(pillow.fromarray(np.array([[0, 77]], np.uint8)))) == [[[0] * 3, [77] * 3]]


def test_transparency_is_laid_on_white() -> None:
    clear = np.array([[[255, 0, 0, 0], [255, 0, 0, 255], [0, 0, 0, 128]]], np.uint8)
    assert pixels(saved(pillow.fromarray(clear))) == [[[255] * 3, [255, 0, 0], [127] * 3]]


def test_a_palette_with_a_transparent_colour_is_laid_on_white() -> None:
    picture = pillow.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    picture.putpalette([*RED, *GREEN])
    assert pixels(saved(picture, transparency=0)) == [[list(WHITE), list(GREEN)]]


def test_16_bit_grey_is_scaled_and_not_cut_off() -> None:
    deep = pillow.fromarray(np.array([[0, 257 * 100, 65535]], np.uint16))
    assert pixels(saved(deep)) == [[[0] * 3, [100] * 3, [255] * 3]]


@pytest.mark.parametrize("mode", ["LA", "1", "P"])
def test_grey_in_other_modes_is_the_same_grey(mode: str) -> None:
    assert pixels(saved(pillow.fromarray(np.array([[0, 255]], np.uint8)).convert(mode))) == [[[0] * 3, [255] * 3]]


def test_cmyk_becomes_rgb() -> None:
    ((cyan, black),) = pixels(saved(pillow.fromarray(np.array([[[255, 0, 0, 0], [0, 0, 0, 255]]], np.uint8), "CMYK"), "TIFF"))
    assert (cyan, black) == ([0, 255, 255], [0, 0, 0])


LAID = {  # how the corners of QUARTERS lie in a file of each orientation, from the top left on in reading order
    1: (RED, GREEN, BLUE, WHITE), 2: (GREEN, RED, WHITE, BLUE), 3: (WHITE, BLUE, GREEN, RED), 4: (BLUE, WHITE, RED, GREEN),
    5: (RED, BLUE, GREEN, WHITE), 6: (GREEN, WHITE, RED, BLUE), 7: (WHITE, GREEN, BLUE, RED), 8: (BLUE, RED, WHITE, GREEN),
}  # fmt: skip


@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", LAID)
def test_a_picture_that_its_camera_says_lies_on_its_side_is_turned(orientation: int, form: str) -> None:
    exif = pillow.Exif()
    exif[0x0112] = orientation
    laid = pillow.fromarray(np.array(LAID[orientation], np.uint8).reshape(2, 2, 3))
    assert pixels(saved(laid, form, exif=exif, **({"lossless": True} if form == "WEBP" else {}))) == QUARTERS.tolist()


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_is_taken(form: str) -> None:
    frames = [pillow.new("RGB", (2, 2), colour) for colour in (RED, BLUE)]
    options = {"lossless": True} if form == "WEBP" else {}
    assert pixels(saved(frames[0], form, save_all=True, append_images=frames[1:], **options)) == [[list(RED)] * 2] * 2


# what is no picture


@pytest.mark.parametrize("form", ["BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_a_picture_cut_short_is_an_error_and_no_half_picture(form: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    whole = saved(pillow.fromarray(noise), form)
    with pytest.raises(InputError, match=r"damaged or cut short|no picture of a known kind"):
        image.decode(whole[: int(len(whole) * share)])


@pytest.mark.parametrize("data", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 40, b"\xff\xd8\xff\xe0" + b"\0" * 40, b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_bytes_that_are_no_picture_are_one_clear_error(data: bytes) -> None:
    with pytest.raises(InputError, match=r"example 0 (is no picture|cannot be read)"):
        image.decode(data)


def test_a_path_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.png does not exist; give the path of a picture"):
        image.decode(tmp_path / "none.png")
    with pytest.raises(InputError, match="cannot be read as a picture"):
        image.decode(tmp_path)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (None, "is NoneType; expected a path"), (3, "is int; expected a path"),
        (np.zeros((2, 2, 3), np.float32), r"array of float32 and shape \(2, 2, 3\); expected uint8"), (np.zeros((2, 2), np.uint8), r"shape \(2, 2\)"),
        (np.zeros((3, 2, 2), np.uint8), r"shape \(3, 2, 2\)"), (np.zeros((0, 4, 3), np.uint8), r"shape \(0, 4, 3\)"),
    ],
)
def test_what_is_no_form_of_a_picture_is_named(wrong: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        image.decode(wrong, 0)


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims so many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(8001, 8000), (10_000, 10_000), (60_000, 60_000)])
@pytest.mark.parametrize("action", ["error", "ignore"])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(size: tuple[int, int], action: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter(action)
        with pytest.raises(InputError, match=r"more than the 64 million that are decoded here; make it smaller"):
            image.decode(bomb(*size))


# what the card says of preprocessing


def test_floats_are_scaled_by_mean_and_std_in_the_order_of_the_files_axes() -> None:
    prepared = how(mean=[0.5, 0.0, 0.25], std=[0.5, 1.0, 2.0])
    wanted = (QUARTERS / 255 - [0.5, 0.0, 0.25]) / [0.5, 1.0, 2.0]
    np.testing.assert_allclose(prepared.feed(QUARTERS, NHWC)[0], wanted, atol=1e-6)
    np.testing.assert_allclose(prepared.feed(QUARTERS, NCHW)[0], wanted.transpose(2, 0, 1), atol=1e-6)
    for spec in (NHWC, NCHW):
        array = prepared.feed(QUARTERS, spec)
        assert (array.shape, array.dtype.name, array.flags.c_contiguous) == (spec.shape, "float32", True)


def test_uint8_inputs_take_the_pixels_as_they_are() -> None:
    assert how(mean=[0.5] * 3).feed(QUARTERS, TensorSpec("x", "uint8", (1, 2, 2, 3)))[0].tolist() == QUARTERS.tolist()
    assert how().feed(QUARTERS, TensorSpec("x", "uint8", (1, 3, 2, 2)))[0].tolist() == QUARTERS.transpose(2, 0, 1).tolist()


@pytest.mark.parametrize(("dtype", "shape"), [("int8", (1, 2, 2, 3)), ("float32", (1, 2, 2, 4)), ("float32", (2, 3))])
def test_an_input_that_takes_no_picture_is_the_cards_fault(dtype: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(CardError, match=r"the model's input 'x' (is int8|has shape)"):
        how().feed(QUARTERS, TensorSpec("x", dtype, shape))


def test_stretch_takes_all_of_the_picture() -> None:
    fitted, placed = how(filter="box").fit(pillow.fromarray(np.repeat(np.repeat(QUARTERS, 3, 0), 2, 1)))
    assert fitted.tolist() == QUARTERS.tolist()
    assert (placed.left, placed.top, placed.scale_x, placed.scale_y) == (0, 0, 0.5, 1 / 3)


def test_crop_cuts_the_middle_out() -> None:
    wide = np.concatenate([np.full((4, 3, 3), 7, np.uint8), np.repeat(np.repeat(QUARTERS, 2, 0), 2, 1), np.full((4, 3, 3), 7, np.uint8)], axis=1)
    fitted, placed = how(resize="crop", filter="box").fit(pillow.fromarray(wide))
    assert fitted.tolist() == QUARTERS.tolist()
    assert (placed.left, placed.top, placed.scale_x, placed.scale_y) == (-1.5, 0, 0.5, 0.5)


def test_crop_leaves_the_edge_away_where_the_shorter_side_is_made_longer_than_the_net() -> None:
    framed = np.full((8, 8, 3), 7, np.uint8)
    framed[2:6, 2:6] = np.repeat(np.repeat(QUARTERS, 2, 0), 2, 1)
    fitted, _ = how(resize="crop", shorter=4, filter="box").fit(pillow.fromarray(framed))
    assert fitted.tolist() == QUARTERS.tolist()


def test_letterbox_keeps_the_shape_and_fills_the_rest_with_grey() -> None:
    fitted, placed = how(resize="letterbox", filter="box", height=4, width=4).fit(pillow.new("RGB", (8, 4), RED))
    assert fitted.tolist() == [[[114] * 3] * 4, [list(RED)] * 4, [list(RED)] * 4, [[114] * 3] * 4]
    assert (placed.left, placed.top, placed.scale_x, placed.scale_y) == (0, 1, 0.5, 0.5)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"resize": "squash"}, "preprocess.resize is 'squash'; expected one of crop, letterbox, stretch"), ({"filter": "blur"}, "preprocess.filter is 'blur'"),
        ({"heigth": 3}, "preprocess.heigth is unknown"), ({"height": 0}, "preprocess.height is 0"), ({"width": "2"}, "preprocess.width is '2'"),
        ({"mean": [1, 2]}, "preprocess.mean is"), ({"std": [0, 1, 1]}, "preprocess.std holds 0"),
    ],
)
def test_a_preprocess_that_makes_no_sense_is_named(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(CardError, match=said):
        how(**wrong)
