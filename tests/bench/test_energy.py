"""The energy pass: which meter is taken, what a window is, and what stands in the record where there is none."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from edgebench import plugins
from edgebench.bench import energy
from edgebench.bench.job import Answer, Job
from edgebench.errors import UnsupportedError
from edgebench.record import Spec
from tests.machines import LAPTOP, PHONE, VIRTUAL, tree

SPEC = Spec(model="bag", format="onnx", precision="fp32", backend="onnxruntime", min_time_s=0.0, warm_up_cap_s=0.0, timeout_s=60.0)
NO_METER = (
    "rapl: there is no processor package in /sys/class/powercap; battery_gauge: there is no battery in /sys/class/power_supply"
)


class Counted:
    """A meter whose windows use the joules it is given, on a clock that calls and sleeping move."""

    name, scope, window_s = "counted", "a test", 2.0

    def __init__(self, *joules: float, fails: str = "") -> None:
        self.joules, self.fails, self.now, self.looked = list(joules), fails, 0.0, 0

    def begin(self) -> None:
        self.looked = 0

    def look(self) -> None:
        self.looked += 1

    def end(self) -> float:
        if self.fails:
            raise UnsupportedError(self.fails)
        return self.joules.pop(0)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds


def measured(meter: Counted, call_s: float = 0.3) -> tuple[energy.Energy, list[str]]:
    """Windows of 2 s over "a" and "b", of which each call takes `call_s`; and the calls that were made."""
    calls = list[str]()

    def call(query: str) -> None:
        calls.append(query)
        meter.pass_time(call_s)

    return energy.windows(meter, call, ["a", "b"], length_s=2.0, clock=lambda: meter.now, sleep=meter.pass_time), calls


def test_both_windows_are_kept_as_they_were_counted() -> None:
    found, calls = measured(Counted(3.0, 12.5))
    assert (found.method, found.scope) == ("counted", "a test")
    assert (found.idle_j, found.idle_s) == (3.0, 2.0)
    assert (found.run_j, found.run_s, found.runs) == (12.5, pytest.approx(2.1), 7)
    assert calls == ["a", "b", "a", "b", "a", "b", "a"]


def test_a_meter_is_looked_at_about_twice_a_second() -> None:
    meter = Counted(1.0, 2.0)
    measured(meter, call_s=0.1)
    assert meter.looked == 4


def test_a_call_longer_than_a_window_is_one_run() -> None:
    found, calls = measured(Counted(1.0, 50.0), call_s=30.0)
    assert (found.run_s, found.runs, calls) == (30.0, 1, ["a"])


@pytest.mark.parametrize("joules", [0.0, -36.0])
def test_a_meter_that_did_not_move_under_load_is_no_measurement(joules: float) -> None:
    with pytest.raises(UnsupportedError, match=rf"counted {joules:g} J in 2.1 s of work; measure longer with --full, or with another meter"):
        measured(Counted(0.0, joules))


# which meter


def test_a_processors_own_counters_go_before_the_batterys_gauge(tmp_path: Path) -> None:
    found = energy.find(SPEC, tree(tmp_path, LAPTOP))
    assert not isinstance(found, str)
    assert (found.name, found.scope) == ("rapl", "package-0")


def test_a_phone_has_its_battery(tmp_path: Path) -> None:
    found = energy.find(SPEC, tree(tmp_path, PHONE))
    assert not isinstance(found, str)
    assert (found.name, found.scope) == ("battery_gauge", "whole device")


def test_a_machine_without_meters_says_so_of_each(tmp_path: Path) -> None:
    assert energy.find(SPEC, tree(tmp_path, VIRTUAL)) == NO_METER


def test_a_file_that_is_named_is_the_only_meter_looked_for(tmp_path: Path) -> None:
    spec = msgspec.structs.replace(SPEC, meter=str(tmp_path / "watts.csv"))
    root = tree(tmp_path, LAPTOP)
    assert str(energy.find(spec, root)).startswith(f"meter_file: {tmp_path}/watts.csv cannot be read")
    (tmp_path / "watts.csv").write_text("time_s,power_w\n1,2\n")
    assert energy.find(spec, root).name == "meter_file"  # type: ignore[union-attr]


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """outside(code): an installed package whose probe "wall" is the function `find` of that code."""

    def install(code: str) -> None:
        (tmp_path / "wall_meter.py").write_text(code)
        about = tmp_path / "wall_meter-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: wall-meter\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text("[edgebench.probes]\nwall = wall_meter:find\n")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(__import__("sys").modules, "wall_meter", raising=False)

    return install


def test_a_meter_of_another_package_is_taken_first(outside: Callable[[str], None], tmp_path: Path) -> None:
    outside("class Wall:\n    name, scope, window_s = 'wall', 'whole device', 5.0\n\ndef find(spec, root):\n    return Wall()\n")
    found = energy.find(SPEC, tree(tmp_path, LAPTOP))
    assert not isinstance(found, str)
    assert (found.name, found.window_s) == ("wall", 5.0)


@pytest.mark.parametrize(("code", "said"), [
    ("raise ImportError('no driver')", "probe 'wall' of package 'wall-meter' failed to load: ImportError: no driver; update or uninstall that package"),
    ("def find(spec, root):\n    return 1 / 0", "probe 'wall' failed: ZeroDivisionError: division by zero"),
    ("def find(spec, root):\n    return 'wall: not plugged in'", "wall: not plugged in"),
])
def test_a_package_without_a_meter_is_a_reason_and_the_others_are_tried(outside: Callable[[str], None], tmp_path: Path, code: str, said: str) -> None:
    outside(code)
    assert energy.find(SPEC, tmp_path) == f"{said}; {NO_METER}"


# the pass


@pytest.fixture
def answer(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answer]:
    """answer(meter) -> what the pass over the bag of words says with that meter, or that reason, found."""

    def run(meter: object, **options: object) -> Answer:
        monkeypatch.setattr(energy, "find", lambda spec, root: meter)
        job = Job(spec=msgspec.structs.replace(SPEC, **options), part="energy", examples=["a good film", "bad"])
        return energy.measure(job)

    return run


class Short(Counted):
    window_s = 0.01


@pytest.mark.parametrize("batch", [1, 3])
def test_the_pass_answers_with_both_windows_and_names_the_engine(answer: Callable[..., Answer], batch: int) -> None:
    found = answer(Short(0.5, 2.5), batch=batch)
    assert found.energy is not None
    assert (found.energy.idle_j, found.energy.run_j) == (0.5, 2.5)
    assert found.energy.runs >= 1
    assert (found.engine["library"], found.notes) == ("onnxruntime", [])


@pytest.mark.parametrize(("meter", "options", "note"), [
    ("rapl: none", {}, "energy: no meter: rapl: none"),
    (Short(fails="the battery was charged meanwhile"), {}, "energy: counted: the battery was charged meanwhile"),
    (Short(0.0, 0.0), {"min_time_s": 30.0}, "energy: counted needs two windows of 30 s, more than a pass may take; allow more with --timeout"),
])
def test_without_a_measurement_the_energy_is_null_with_a_note(
    answer: Callable[..., Answer], meter: object, options: dict[str, object], note: str,
) -> None:
    found = answer(meter, **options)
    assert (found.energy, found.notes, found.engine["library"]) == (None, [note], "onnxruntime")


def test_every_built_in_probe_is_tried_by_somebody() -> None:
    assert {*energy.OURS, "meter_file"} == set(plugins.BUILT_IN["probes"])


def test_the_meter_in_the_documentation_is_one(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (Path(__file__).parents[2] / "docs/energy.md").read_text(), flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, "docs/energy.md", "exec"), names)
    assert names["find"](SPEC, tmp_path) == "ina: there is no such sensor in /sys/class/hwmon"
    meter = names["find"](SPEC, tree(tmp_path, {"sys/class/hwmon/hwmon0/name": "ina219\n", "sys/class/hwmon/hwmon0/power1_input": "2500000\n"}))
    names["time"] = SimpleNamespace(monotonic=iter([10.0, 11.0, 14.0]).__next__)
    meter.begin()
    meter.look()
    assert meter.end() == 2.5 * 4
    (tmp_path / "sys/class/hwmon/hwmon0/power1_input").unlink()
    names["time"] = SimpleNamespace(monotonic=lambda: 15.0)
    with pytest.raises(UnsupportedError, match="the sensor cannot be read"):
        meter.look()
