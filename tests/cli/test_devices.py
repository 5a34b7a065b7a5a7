"""edgebench devices: the profiles there are, one of them, and this machine."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any, ClassVar

import pytest

from edgebench import catalog
from edgebench.bench.doctor import Finding
from edgebench.cli import status
from edgebench.devices.profile import Profile, check_machine, read

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
        "phone                  a phone\n"
        "browser                Whatever opens the page of `edgebench serve`: a phone, a tablet, a laptop.\n"
        "galaxy-a15             Samsung Galaxy A15 (4G), a budget phone, by USB with a pushed runtime: docs/android.md. Not verified on the phone.\n"
        "galaxy-s24-ultra       Samsung Galaxy S24 Ultra, a flagship phone, by USB with a pushed runtime: docs/android.md. Not verified on the phone.\n"
        "host                   This machine, as it is. Its facts are read from it at every sweep.\n"
        "iphone-15              Apple iPhone 15, through its browser: `edgebench serve`. Not verified on the phone.\n"
        "laptop-x86-64          Any laptop with an x86-64 processor: on mains, since on battery most lower their clocks. What it has is read from it at "
        "every sweep.\n"
        "pixel-7a               Google Pixel 7a, a mid-range phone, by USB with a pushed runtime: docs/android.md. Not verified on the phone.\n"
        "raspberry-pi-3b-plus   Raspberry Pi 3 Model B+ under a 64-bit Debian 12 or 13.\n"
        "raspberry-pi-4         Raspberry Pi 4 Model B under a 64-bit Debian 12 or 13.\n"
        "raspberry-pi-5         Raspberry Pi 5 under Debian 12 (Python 3.11) or 13 (Python 3.13), 64 bits.\n"
        "raspberry-pi-zero-2-w  Raspberry Pi Zero 2 W under a 64-bit Debian 12 or 13.\n"
    )


def test_a_profile_that_cannot_be_read_hides_no_other(profiles: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (profiles / "broken.toml").write_text("schema = ")
    assert status(["devices", "list"]) == 0
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith(f"broken                 unreadable: {profiles / 'broken.toml'}")
    assert second == "phone                  a phone"


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
    assert capsys.readouterr().err == (
        "error: there is no device 'phnoe'; there are phone, browser, galaxy-a15, galaxy-s24-ultra, host, iphone-15, laptop-x86-64, pixel-7a, "
        "raspberry-pi-3b-plus, raspberry-pi-4, raspberry-pi-5, raspberry-pi-zero-2-w. Did you mean 'phone'?\n"
    )


class Far:
    """In ssh's place: a device that says of itself what this class does."""

    facts_: ClassVar[dict[str, Any]] = {
        "machine": "aarch64", "board": "A Board", "cpu": "Cortex-A76", "cores": 4, "usable_cores": 4, "memory_bytes": 8 << 30, "os": "Debian 13",
        "python": "3.13.5", "packages": {"edgebench": "0.1.0"},
    }
    works = "ok"

    def __init__(self, profile: Profile) -> None:
        check_machine(profile, self.facts_["machine"])

    def facts(self) -> dict[str, Any]:
        return self.facts_

    def findings(self) -> list[Finding]:
        return [
            Finding("works here", "onnxruntime", self.works, "1.32.0: opens tinybert-sst2"),  # type: ignore[arg-type]
            Finding("sensors", "temperature", "missing", "no sensor", "modprobe one"),
        ]

    def close(self) -> None:
        pass


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> type[Far]:
    monkeypatch.setattr("edgebench.devices.ssh.SshExecutor", Far)
    return Far


def test_add_writes_what_the_device_says_and_the_rest_from_one_like_it(far: type[Far], profiles: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--address", "pi@desk.local", "--port", "2222", "--python", "venv/bin/python", "--like", "raspberry-pi-5"]
    assert status(["devices", "add", "desk-pi", *words]) == 0
    assert capsys.readouterr().out == "added desk-pi; try: edgebench devices check desk-pi\n"
    found, like = read(profiles / "desk-pi.toml"), read(catalog.shipped_folder("devices") / "raspberry-pi-5.toml")
    assert (found.name, found.reach, found.address, found.port, found.python) == ("desk-pi", "ssh", "pi@desk.local", 2222, "venv/bin/python")
    assert (found.isa, found.cores, found.memory_bytes) == ("aarch64: 4 x Cortex-A76", 4, (8 << 30,))
    assert (found.limits, found.cool_to_c, found.threads, found.sources) == (like.limits, like.cool_to_c, like.threads, like.sources)


def test_add_without_one_like_it_takes_one_thread_and_all(far: type[Far], profiles: Path) -> None:
    assert status(["devices", "add", "desk", "--address", "desk"]) == 0
    assert read(profiles / "desk.toml").threads == (1, 4)


def test_add_replaces_no_profile(far: type[Far], profiles: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["devices", "add", "phone", "--address", "phone"]) == 2
    assert capsys.readouterr().err == f"error: {profiles / 'phone.toml'} is there already; delete it first, or take another name\n"


@pytest.mark.parametrize("name", ["../x", "-x", "a b", ""])
def test_add_makes_no_file_elsewhere(far: type[Far], name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["devices", "add", "--address", "desk", "--", name]) == 2
    assert "since it names a file" in capsys.readouterr().err


@pytest.mark.parametrize("address", ["-oProxyCommand=touch x", "a b", "a;b", "pi@", "@b", "a@b@c", "$(x)"])
def test_add_takes_no_address_that_ssh_or_a_shell_could_read_otherwise(far: type[Far], profiles: Path, address: str) -> None:
    assert status(["devices", "add", "desk", f"--address={address}"]) == 2
    assert not (profiles / "desk.toml").exists()


def test_add_of_another_kind_of_device_is_refused(far: type[Far], profiles: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["devices", "add", "desk", "--address", "desk", "--like", "laptop-x86-64"]) == 3
    assert capsys.readouterr().err == (
        "error: profile 'desk' is of a device with x86_64, and the one at desk is aarch64; correct the address or take another profile\n"
    )


def test_check_says_what_works_there_and_what_it_senses(far: type[Far], capsys: pytest.CaptureFixture[str]) -> None:
    status(["devices", "add", "desk", "--address", "desk"])
    capsys.readouterr()
    assert status(["devices", "check", "desk"]) == 0
    assert capsys.readouterr().out == (
        "desk at desk\nedgebench 0.1.0, Python 3.13.5\nA Board, Cortex-A76, 4 cores, 8.59 GB, Debian 13\n\n"
        "Works here\n  ok       onnxruntime  1.32.0: opens tinybert-sst2\n\n"
        "Sensors\n  missing  temperature  no sensor\n                        -> modprobe one\n"
    )


def test_check_of_a_device_without_an_engine_is_unsupported(far: type[Far], monkeypatch: pytest.MonkeyPatch) -> None:
    status(["devices", "add", "desk", "--address", "desk"])
    monkeypatch.setattr(far, "works", "missing")
    assert status(["devices", "check", "desk"]) == 3


def test_a_phone_that_only_its_browser_reaches_is_told_how(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["devices", "check", "iphone-15"]) == 2
    assert capsys.readouterr().err == (
        "error: profile 'iphone-15' is reached by a page that has to be opened there; run: edgebench serve --profile iphone-15\n"
    )
