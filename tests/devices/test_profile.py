"""The shipped profiles, and what is said of one with a mistake in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebench import catalog, plugins
from edgebench.devices import profile as profiles
from edgebench.devices.profile import Profile
from edgebench.errors import CardError, UnsupportedError

LEAST = 'schema = 1\nname = "desk"\nabout = "a desk"\nreach = "local"\n'


def written(folder: Path, text: str) -> Path:
    (folder / "desk.toml").write_text(text)
    return folder / "desk.toml"


def test_this_machine_is_reached_locally_and_takes_one_thread() -> None:
    found = profiles.read(catalog.shipped_folder("devices") / "host.toml")
    assert (found.name, found.reach, found.threads, found.cores, found.limits) == ("host", "local", (1,), None, {})


def test_the_raspberry_pi_has_its_limits_and_their_sources() -> None:
    found = profiles.read(catalog.shipped_folder("devices") / "raspberry-pi-5.toml")
    assert (found.cores, found.threads, found.memory_bytes[0]) == (4, (1, 4), 2 << 30)
    assert found.limits == {"soft_throttle_temp_c": 80, "throttle_temp_c": 85, "freq_max_hz": 2_400_000_000}
    assert found.sources


@pytest.mark.parametrize("path", sorted(catalog.shipped_folder("devices").glob("*.toml")), ids=lambda path: path.stem)
def test_a_shipped_profile_bears_its_files_name_and_can_be_reached(path: Path) -> None:
    found = profiles.read(path)
    assert found.name == path.stem
    assert callable(plugins.get("devices", found.reach))


def test_what_is_not_said_is_not_known(tmp_path: Path) -> None:
    found = profiles.read(written(tmp_path, LEAST))
    assert (found.cores, found.isa, found.memory_bytes, found.budgets) == (None, None, (), ())


def test_budgets_are_written_as_everywhere_else(tmp_path: Path) -> None:
    found = profiles.read(written(tmp_path, f'{LEAST}budgets = ["p90 <= 50 ms", "peak <= 200 MB"]\n'))
    assert found.budgets == ("p90 <= 50 ms", "peak <= 200 MB")


def test_a_budget_that_is_none_is_found_when_the_profile_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, f'{LEAST}budgets = ["peek <= 200 MB"]\n')
    with pytest.raises(CardError) as said:
        profiles.read(path)
    assert str(said.value).startswith(f"{path}: budget 'peek <= 200 MB': there is no metric 'peek'; there are median, p90, ")
    assert str(said.value).endswith(" Did you mean 'peak'?")


def test_an_unknown_key_names_the_file_the_key_and_the_one_meant(tmp_path: Path) -> None:
    path = written(tmp_path, LEAST + "core = 4\n")
    with pytest.raises(CardError) as said:
        profiles.read(path)
    assert str(said.value) == f"{path}: key 'core' is unknown. Did you mean 'cores'?"


def test_another_schema_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CardError, match=r"desk.toml: schema is 2, this edgebench reads schema 1; update edgebench"):
        profiles.read(written(tmp_path, LEAST.replace("schema = 1", "schema = 2")))


@pytest.mark.parametrize("threads", ["[]", "[0]", "[4, -1]"])
def test_threads_are_counts_from_one(tmp_path: Path, threads: str) -> None:
    with pytest.raises(CardError, match=r"desk.toml: threads is \[.*\]; expected counts of 1 or more"):
        profiles.read(written(tmp_path, f"{LEAST}threads = {threads}\n"))


@pytest.mark.parametrize(("isa", "machine"), [("", "x86_64"), ('isa = "aarch64: 4 x Cortex-A76"\n', "aarch64"), ('isa = "aarch64"\n', "arm64")])
def test_a_machine_of_the_profiles_kind_may_bear_its_name(tmp_path: Path, isa: str, machine: str) -> None:
    profiles.check_machine(profiles.read(written(tmp_path, LEAST + isa)), machine)


def test_another_machine_may_not(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError) as said:
        profiles.check_machine(profiles.read(written(tmp_path, f'{LEAST}isa = "aarch64: 4 x Cortex-A76"\n')), "x86_64")
    assert str(said.value) == "profile 'desk' is of a device with aarch64, and this machine is x86_64; run edgebench on the device itself"


def test_a_profile_is_read_as_it_was_written(tmp_path: Path) -> None:
    whole = Profile(
        1, "desk", 'a "desk" \\ with \x7f', "ssh", address="pi@desk.local", port=2222, python="my venv/bin/python", threads=(1, 4), cores=4,
        memory_bytes=(1 << 33,), isa="aarch64: 4", engines_expected=("tflite",), limits={"throttle_temp_c": 85.0}, cool_to_c=55,
        budgets=("p90 <= 50 ms",), sources=("itself",),
    )
    assert profiles.read(written(tmp_path, profiles.text(whole))) == whole


@pytest.mark.parametrize("path", sorted(catalog.shipped_folder("devices").glob("*.toml")), ids=lambda path: path.stem)
def test_a_shipped_profile_is_written_as_it_reads(path: Path, tmp_path: Path) -> None:
    assert profiles.read(written(tmp_path, profiles.text(profiles.read(path)))) == profiles.read(path)


@pytest.mark.parametrize(("line", "said"), [
    ('address = "-oProxyCommand=x"', "address is '-oProxyCommand=x'; expected user@host, or a name from ssh_config"),
    ("port = 70000", "port is 70000; expected 1 to 65535"),
    ('python = "-c"', "python is '-c'; expected an interpreter's name or path on the device"),
])
def test_what_ssh_could_take_otherwise_is_no_profile(tmp_path: Path, line: str, said: str) -> None:
    path = written(tmp_path, f"{LEAST}{line}\n")
    with pytest.raises(CardError) as found:
        profiles.read(path)
    assert str(found.value) == f"{path}: {said}"


def test_a_board_begins_cooler_than_its_first_limit() -> None:
    for path in catalog.shipped_folder("devices").glob("raspberry-pi-*.toml"):
        found = profiles.read(path)
        assert found.cool_to_c is not None
        assert found.cool_to_c < found.limits["soft_throttle_temp_c"] < found.limits["throttle_temp_c"]
        assert found.sources


def test_threads_beyond_the_devices_cores_are_left_out() -> None:
    facts = {"machine": "aarch64", "cpu": None, "usable_cores": 2, "memory_bytes": None}
    found = profiles.found(Profile(1, "desk", "", "ssh", threads=(1, 2, 4)), facts)
    assert (found.threads, found.isa, found.memory_bytes) == ((1, 2), "aarch64", ())
