"""Each kind of meter over recorded files that a test moves on: counters that wrap, gauges that fall, and a logger's rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edgebench.bench.meters import battery_gauge, meter_file, rapl
from edgebench.bench.meters.battery_gauge import BatteryGauge
from edgebench.bench.meters.meter_file import MeterFile
from edgebench.bench.meters.rapl import Rapl
from edgebench.errors import UnsupportedError, UsageError
from edgebench.record import Spec
from tests.machines import LAPTOP, PHONE, VIRTUAL, tree

SPEC = Spec(model="m", format="onnx", precision="int8", backend="onnxruntime")
ZONE = "sys/class/powercap"
RANGE = 262_143_328_850


def zone(name: str, called: str, microjoules: object) -> dict[str, str]:
    files = {"name": called, "energy_uj": microjoules, "max_energy_range_uj": RANGE}
    return {f"{ZONE}/{name}/{file}": f"{text}\n" for file, text in files.items()}


# RAPL


def packages(root: Path) -> Rapl:
    found = rapl.find(SPEC, root)
    assert not isinstance(found, str), found
    return found


def test_microjoules_between_two_moments_are_joules(tmp_path: Path) -> None:
    meter = packages(tree(tmp_path, zone("intel-rapl:0", "package-0", 1_000_000)))
    meter.begin()
    tree(tmp_path, zone("intel-rapl:0", "package-0", 3_500_000))
    assert meter.end() == 2.5
    meter.begin()
    assert meter.end() == 0.0


def test_a_counter_that_wraps_goes_on_counting(tmp_path: Path) -> None:
    meter = packages(tree(tmp_path, zone("intel-rapl:0", "package-0", RANGE - 1_000_000)))
    meter.begin()
    tree(tmp_path, zone("intel-rapl:0", "package-0", 2_000_000))
    meter.look()
    tree(tmp_path, zone("intel-rapl:0", "package-0", RANGE - 5_000_000))
    meter.look()
    tree(tmp_path, zone("intel-rapl:0", "package-0", 1_000_000))
    assert meter.end() == pytest.approx(3 + (RANGE / 1e6 - 7) + 6)


def test_packages_are_summed_and_what_is_in_them_or_around_them_is_not(tmp_path: Path) -> None:
    def at(first: int, second: int, other: int) -> dict[str, str]:
        parts = {"intel-rapl:0:0": "core", "intel-rapl:0:1": "dram", "intel-rapl:2": "psys", "intel-rapl-mmio:0": "package-0"}
        zones = [zone("intel-rapl:0", "package-0", first), zone("intel-rapl:1", "package-1", second), *(zone(*part, other) for part in parts.items())]
        return {name: text for one in zones for name, text in one.items()}

    meter = packages(tree(tmp_path, at(0, 0, 0)))
    meter.begin()
    tree(tmp_path, at(1_000_000, 2_000_000, 50_000_000))
    assert (meter.end(), meter.scope) == (3.0, "package-0 + package-1")


def test_counters_that_only_root_may_read_are_told_with_the_command(tmp_path: Path) -> None:
    root = tree(tmp_path, {f"{ZONE}/intel-rapl:0/name": "package-0\n"})
    assert rapl.find(SPEC, root) == (
        "rapl: only root may read the counters; allow it with: sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj"
    )


def test_a_counter_that_is_lost_meanwhile_is_no_measurement(tmp_path: Path) -> None:
    meter = packages(tree(tmp_path, LAPTOP))
    meter.begin()
    (tmp_path / ZONE / "intel-rapl:0/energy_uj").unlink()
    with pytest.raises(UnsupportedError, match="package-0: a counter that could be read cannot be read any more"):
        meter.end()


def test_without_packages_there_is_no_rapl(tmp_path: Path) -> None:
    assert rapl.find(SPEC, tree(tmp_path, VIRTUAL)) == "rapl: there is no processor package in /sys/class/powercap"


# the battery's gauge


def battery(**files: object) -> dict[str, str]:
    return {f"sys/class/power_supply/BAT0/{name}": f"{value}\n" for name, value in ({"type": "Battery", "status": "Discharging"} | files).items()}


@pytest.fixture
def gauge(tmp_path: Path) -> Callable[..., float]:
    """gauge({...}, {...}, ...) -> joules of a window in which the battery said these in turn, `step_s` apart."""

    def run(*said: dict[str, object], step_s: float = 1.0) -> float:
        found = battery_gauge.find(SPEC, tree(tmp_path, battery(**said[0])))
        assert isinstance(found, BatteryGauge), found
        now = [0.0]
        meter = BatteryGauge(found._batteries, clock=lambda: now[0])
        meter.begin()
        for one in said[1:]:
            tree(tmp_path, battery(**one))
            now[0] += step_s
            if one is not said[-1]:
                meter.look()
        return meter.end()

    return run


def test_a_gauge_of_energy_falls_by_what_was_used(gauge: Callable[..., float]) -> None:
    assert gauge({"energy_now": 40_000_000, "power_now": 9_000_000}, {"energy_now": 39_900_000, "power_now": 9_000_000}) == pytest.approx(360.0)


def test_a_gauge_of_charge_is_worth_the_mean_voltage_and_no_fall_of_it(gauge: Callable[..., float]) -> None:
    used = gauge({"charge_now": 3_000_000, "voltage_now": 12_000_000}, {"charge_now": 2_999_000, "voltage_now": 11_000_000})
    assert used == pytest.approx(3.6 * 11.5)  # 1 mAh; the difference of the products would be 10,840 J


def test_power_alone_is_summed_over_time(gauge: Callable[..., float]) -> None:
    assert gauge({"power_now": 2_000_000}, {"power_now": 4_000_000}, {"power_now": 4_000_000}, step_s=10.0) == pytest.approx(30 + 40)


def test_a_current_has_either_sign_and_is_power_with_the_voltage(gauge: Callable[..., float]) -> None:
    assert gauge({"current_now": -250_000, "voltage_now": 4_000_000}, {"current_now": -250_000, "voltage_now": 4_000_000}, step_s=60.0) == pytest.approx(60.0)


def test_a_battery_that_is_plugged_in_meanwhile_is_no_measurement(gauge: Callable[..., float]) -> None:
    with pytest.raises(UnsupportedError, match="the battery was charged meanwhile; leave the device unplugged"):
        gauge({"energy_now": 9}, {"energy_now": 9, "status": "Charging"}, {"energy_now": 9})


def test_a_gauge_that_falls_silent_is_no_measurement(gauge: Callable[..., float]) -> None:
    with pytest.raises(UnsupportedError, match="the battery's gauge fell silent"):
        gauge({"power_now": 9}, {"power_now": ""})


@pytest.mark.parametrize("status", ["Charging", "Full", "Not charging", "Unknown"])
def test_on_mains_a_gauge_is_no_meter(tmp_path: Path, status: str) -> None:
    assert battery_gauge.find(SPEC, tree(tmp_path, battery(status=status, energy_now=9))) == (
        f"battery_gauge: BAT0 is {status.lower()}: on mains a gauge does not show what the device uses; unplug it"
    )


def test_a_battery_that_helps_a_weak_charger_is_no_meter(tmp_path: Path) -> None:
    root = tree(tmp_path, LAPTOP, {"sys/class/power_supply/AC/online": "1\n"})
    assert str(battery_gauge.find(SPEC, root)).startswith("battery_gauge: BAT0 is discharging: on mains")


def test_a_mouses_battery_does_not_drive_the_device(tmp_path: Path) -> None:
    assert battery_gauge.find(SPEC, tree(tmp_path, battery(scope="Device", energy_now=9))) == "battery_gauge: there is no battery in /sys/class/power_supply"


def test_a_battery_that_tells_only_its_share_is_no_meter(tmp_path: Path) -> None:
    assert battery_gauge.find(SPEC, tree(tmp_path, battery(capacity=80))) == (
        "battery_gauge: the driver tells neither energy nor charge with voltage nor power"
    )


def test_two_batteries_are_one_device(tmp_path: Path) -> None:
    both = {name.replace("BAT0", "BAT1"): text for name, text in battery(energy_now=1000, status="Unknown").items()}
    meter = battery_gauge.find(SPEC, tree(tmp_path, battery(energy_now=5000), both))
    assert isinstance(meter, BatteryGauge)
    meter.begin()
    tree(tmp_path, battery(energy_now=4000))
    assert meter.end() == pytest.approx(3.6)


def test_a_phones_battery_is_a_meter(tmp_path: Path) -> None:
    assert isinstance(battery_gauge.find(SPEC, tree(tmp_path, PHONE)), BatteryGauge)


# a logger's file


def joules(text: str, begin_s: float, end_s: float, folder: Path) -> float:
    (folder / "watts.csv").write_text(text)
    return meter_file.joules(meter_file.read(folder / "watts.csv"), begin_s, end_s)


def rows(values: list[float], what: str = "power_w") -> str:
    """One a second from second 100 on."""
    return f"time_s,{what}\n" + "".join(f"{100 + place},{value}\n" for place, value in enumerate(values))


def test_constant_power_is_power_times_time(tmp_path: Path) -> None:
    assert joules(rows([5.0] * 12), 100.5, 110.25, tmp_path) == pytest.approx(5 * 9.75)


def test_between_rows_power_is_a_straight_line(tmp_path: Path) -> None:
    assert joules(rows([float(place) for place in range(11)]), 101.5, 109.5, tmp_path) == pytest.approx(8 * 5.5)


def test_a_moment_on_a_row_is_that_row(tmp_path: Path) -> None:
    assert joules(rows([1.0, 3.0, 3.0, 3.0, 3.0, 9.0]), 100, 105, tmp_path) == pytest.approx(2 + 3 + 3 + 3 + 6)


def test_counted_joules_are_a_difference(tmp_path: Path) -> None:
    assert joules(rows([10.0 * place for place in range(11)], "energy_j"), 100.5, 109.0, tmp_path) == pytest.approx(85.0)


def test_times_may_be_in_iso_8601_and_other_columns_are_passed_over(tmp_path: Path) -> None:
    text = "volts, time ,power_w\n" + "".join(f"230,2026-11-25T01:00:{second:02}+01:00,4\n" for second in range(12))
    begin_s = 1795564801.0  # 2026-11-25T00:00:01Z
    assert joules(text, begin_s, begin_s + 10, tmp_path) == pytest.approx(40.0)


def test_a_row_that_is_still_being_written_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "watts.csv").write_text("time_s,power_w\n100,5\n101,5\n102,1")
    assert meter_file.read(tmp_path / "watts.csv").times_s == [100.0, 101.0]


@pytest.mark.parametrize(("text", "said"), [
    ("", "line 1 names nothing; expected time_s or time, and power_w or energy_j: name the columns so"),
    ("seconds,watts\n1,2\n", "line 1 names seconds, watts; expected time_s or time, and power_w or energy_j"),
    ("time_s,power_w\n", "has no row yet; start the meter's logger before the sweep"),
    ("time_s,power_w\n1,2\n2,much\n", "line 3: power_w is 'much'; expected a finite number: correct or delete that line"),
    ("time_s,power_w\n1,2\n2\n", "line 3: power_w is ''; expected a finite number"),
    ("time_s,power_w\n1,nan\n", "line 2: power_w is 'nan'; expected a finite number"),
    ("time,power_w\n25.11.2026 01:00,2\n", "line 2: time is '25.11.2026 01:00'; expected a time: correct or delete that line"),
    ("time_s,power_w\n2,2\n2,2\n", "line 3 is not later than the line before; expected rows in the order of time: sort them"),
])
def test_a_bad_file_is_one_clear_error(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "watts.csv").write_text(text)
    with pytest.raises(UsageError) as error:
        meter_file.read(tmp_path / "watts.csv")
    assert str(error.value).startswith(f"{tmp_path}/watts.csv {said}")


def test_a_file_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"watts.csv cannot be read: .*; name the CSV file that the meter's logger writes"):
        meter_file.read(tmp_path / "watts.csv")


@pytest.mark.parametrize(("begin_s", "end_s"), [(99.0, 105.0), (105.0, 115.0), (900.0, 910.0)])
def test_rows_that_do_not_reach_over_the_window_are_no_measurement(tmp_path: Path, begin_s: float, end_s: float) -> None:
    with pytest.raises(UnsupportedError, match=r"watts.csv does not reach over the whole window, .* s: its rows begin"):
        joules(rows([5.0] * 12), begin_s, end_s, tmp_path)


def test_rows_too_far_apart_are_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"watts.csv has no row for 3.0 s of a window of 10.0 s; log at least every 2.0 s"):
        joules("time_s,power_w\n" + "".join(f"{second},5\n" for second in (100, 101, 102, 103, 106, 107, 108, 109, 110)), 100, 110, tmp_path)


def test_a_window_waits_for_the_loggers_next_row(tmp_path: Path) -> None:
    now, path = [100.5], tmp_path / "watts.csv"
    path.write_text(rows([5.0] * 9))

    def sleep(seconds: float) -> None:
        now[0] += seconds
        path.write_text(rows([5.0] * 12))

    meter = MeterFile(path, clock=lambda: now[0], sleep=sleep)
    meter.begin()
    now[0] = 110.0
    assert meter.end() == pytest.approx(5 * 9.5)


def test_a_logger_that_has_stopped_is_waited_for_ten_seconds(tmp_path: Path) -> None:
    now, path = [100.0], tmp_path / "watts.csv"
    path.write_text(rows([5.0] * 9))

    def sleep(seconds: float) -> None:
        now[0] += seconds

    meter = MeterFile(path, clock=lambda: now[0], sleep=sleep)
    meter.begin()
    now[0] = 110.0
    with pytest.raises(UnsupportedError, match="does not reach over the whole window"):
        meter.end()
    assert now[0] == 120.0


def test_a_cell_that_names_a_bad_file_is_told_why_it_has_no_meter(tmp_path: Path) -> None:
    (tmp_path / "watts.csv").write_text("a,b\n")
    spec = Spec(model="m", format="onnx", precision="int8", backend="onnxruntime", meter=str(tmp_path / "watts.csv"))
    assert str(meter_file.find(spec, tmp_path)).startswith(f"meter_file: {tmp_path}/watts.csv line 1 names a, b")


def test_rows_are_looked_for_by_the_wall_clock(tmp_path: Path) -> None:
    (tmp_path / "watts.csv").write_text("time_s,power_w\n" + "".join(f"{time.time() + seconds},2\n" for seconds in (-60, 60)))
    meter = MeterFile(tmp_path / "watts.csv")
    meter.begin()
    with pytest.raises(UnsupportedError, match="has no row for 0.0 s of a window of 0.0 s"):  # not "does not reach over": the rows are around now
        meter.end()
