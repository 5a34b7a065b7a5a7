"""Reading TOML as a struct: the file, the key and what was probably meant are in the message."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edgebench import toml
from edgebench.errors import CardError


class Wheel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    diameter: int


class Bicycle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    colour: str
    wheels: tuple[Wheel, ...] = ()
    spare: Wheel | None = None


def bicycle(folder: Path, text: str | bytes) -> Bicycle:
    path = folder / "bicycle.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return toml.read(path, Bicycle)


def test_a_file_becomes_a_value(tmp_path: Path) -> None:
    assert bicycle(tmp_path, 'colour = "red"\n[[wheels]]\ndiameter = 622') == Bicycle("red", (Wheel(622),))


def test_an_unknown_key_names_the_nearest_known_one(tmp_path: Path) -> None:
    with pytest.raises(CardError, match=r"bicycle.toml: key 'color' is unknown. Did you mean 'colour'\?"):
        bicycle(tmp_path, 'color = "red"')


def test_an_unknown_key_inside_a_table_is_found_too(tmp_path: Path) -> None:
    with pytest.raises(CardError, match=r"key 'diametre' in spare is unknown. Did you mean 'diameter'\?"):
        bicycle(tmp_path, 'colour = "red"\n[spare]\ndiametre = 622')


def test_a_key_like_no_other_gets_no_suggestion(tmp_path: Path) -> None:
    with pytest.raises(CardError, match=r"key 'qqqq' is unknown\.$"):
        bicycle(tmp_path, 'colour = "red"\nqqqq = 1')


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(CardError, match=r"key 'diameter' in wheels\[0\] is missing; add it"):
        bicycle(tmp_path, 'colour = "red"\n[[wheels]]')


def test_a_wrong_type_names_its_place(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="colour: Expected `str`, got `int`"):
        bicycle(tmp_path, "colour = 3")


def test_text_that_is_no_toml_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(CardError, match=r"bicycle.toml is not TOML: .*; correct the file"):
        bicycle(tmp_path, "colour = = 3")


def test_bytes_that_are_no_text_are_no_toml(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="is not TOML"):
        bicycle(tmp_path, b'colour = "\xff"')


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="does not exist; expected a TOML file"):
        toml.read(tmp_path / "none.toml", Bicycle)


def test_a_folder_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="cannot be read"):
        toml.read(tmp_path, Bicycle)
