"""edgebench devices: the profiles there are, one of them, and this machine."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from edgebench.cli import status

PHONE = 'schema = 1\nname = "phone"\nabout = "a phone"\nreach = "local"\nthreads = [1, 4]\nbudgets = ["p90 <= 5 ms", "peak <= 80 MB"]\n'


@pytest.fixture(autouse=True)
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the user's own profiles, which holds "phone"."""
    monkeypatch.setenv("EDGEBENCH_HOME", str(tmp_path))
    (tmp_path / "devices").mkdir()
    (tmp_path / "devices" / "phone.toml").write_text(PHONE)
    return tmp_path / "devices"


def test_list_names_each_profile_with_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["devices", "list"]) == 0
    assert capsys.readouterr().out == (
        "phone              a phone\n"
        "host               This machine, as it is. Its facts are read from it at every sweep.\n"
        "raspberry-pi-5     Raspberry Pi 5 under Debian 12 (Python 3.11) or 13 (Python 3.13), 64 bits. Run edgebench on the board itself.\n"
    )


def test_a_profile_that_cannot_be_read_hides_no_other(profiles: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (profiles / "broken.toml").write_text("schema = ")
    assert status(["devices", "list"]) == 0
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith(f"broken             unreadable: {profiles / 'broken.toml'}")
    assert second == "phone              a phone"


def test_show_says_what_the_profile_says_and_nothing_of_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["devices", "show", "phone"]) == 0
    assert capsys.readouterr().out == (
        "phone: a phone\n"
        "reach                  local\n"
        "threads                1, 4\n"
        "budgets                p90 <= 5 ms, peak <= 80 MB\n"
    )


def test_show_names_the_sources_of_a_shipped_profile(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["devices", "show", "raspberry-pi-5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "limits                 soft_throttle_temp_c 80.0, throttle_temp_c 85.0, freq_max_hz 2400000000.0" in lines
    assert lines[-1].startswith("source                 package index")


def test_show_host_says_what_is_found_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["devices", "show", "host"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"machine                {platform.machine()}" in lines
    assert f"cores                  {os.cpu_count()}" in lines
    assert f"python                 {platform.python_version()}" in lines
    assert not [line for line in lines if line.endswith(("None", "()", "{}", "[]"))]


def test_an_unknown_profile_is_wrong_usage_with_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["devices", "show", "phnoe"]) == 2
    assert capsys.readouterr().err == "error: there is no device 'phnoe'; there are phone, host, raspberry-pi-5. Did you mean 'phone'?\n"
