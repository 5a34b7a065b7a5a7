"""What Android's services say, in the form that AOSP's sources print it; written for these tests, recorded from no phone."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebench.bench import android, host, state

THERMAL = """\
IsStatusOverride: false
ThermalEventListeners:
\tcallbacks: 2
Thermal Status: {status}
Cached temperatures:
\tTemperature{{mValue=99.0, mType=0, mName=CPU0, mStatus=0}}
HAL Ready: true
Current temperatures from HAL:
\tTemperature{{mValue=47.5, mType=0, mName=CPU0, mStatus=0}}
\tTemperature{{mValue=51.25, mType=0, mName=CPU4, mStatus=0}}
\tTemperature{{mValue=60.0, mType=1, mName=GPU, mStatus=0}}
\tTemperature{{mValue=33.1, mType=3, mName=skin, mStatus=0}}
\tTemperature{{mValue=-40.0, mType=0, mName=broken, mStatus=0}}
Current cooling devices from HAL:
\tCoolingDevice{{mValue=100, mType=2, mName=fan}}
"""
BATTERY = """\
Current Battery Service state:
  AC powered: false
  USB powered: {usb}
  Wireless powered: false
  level: 83
  scale: 100
  voltage: 4123
  temperature: 298
  technology: Li-ion
"""


def phone(root: Path, *, status: int = 0, usb: str = "true") -> Path:
    """A root whose dumpsys and getprop say this."""
    (root / "system/bin").mkdir(parents=True)
    (root / "thermal").write_text(THERMAL.format(status=status))
    (root / "battery").write_text(BATTERY.format(usb=usb))
    script(root / android.DUMPSYS, f'case "$1" in thermalservice) cat "{root}/thermal";; battery) cat "{root}/battery";; esac')
    script(root / android.GETPROP, 'case "$1" in *manufacturer) echo Maker;; *model) echo "Phone 9";; *release) echo 16;; esac')
    return root


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)


def test_the_processors_temperature_is_the_hottest_that_the_hardware_says_now() -> None:
    assert android.thermal_of(THERMAL.format(status=0)) == {"temp_c": 51.25, "status": "none"}


def test_a_phone_that_holds_itself_back_says_so(tmp_path: Path) -> None:
    found = state.now(phone(tmp_path, status=3))
    assert (found["temp_c"], found["throttled"]) == (51.25, True)


def test_a_phone_that_keeps_its_pace_says_so(tmp_path: Path) -> None:
    assert state.now(phone(tmp_path))["throttled"] is False


def test_cooling_is_judged_by_the_phones_own_words(tmp_path: Path) -> None:
    assert state.temp_c(phone(tmp_path)) == 51.25


def test_the_battery_is_read_in_degrees_and_says_where_power_comes_from(tmp_path: Path) -> None:
    assert state.now(phone(tmp_path))["battery"] == {"level": 83, "temp_c": 29.8, "power_source": "mains"}


@pytest.mark.parametrize(("usb", "source"), [("true", "mains"), ("false", "battery")])
def test_a_phone_says_its_model_its_system_and_its_power(tmp_path: Path, usb: str, source: str) -> None:
    found = host.facts(phone(tmp_path, usb=usb))
    assert (found["board"], found["os"], found["power_source"]) == ("Maker Phone 9", "Android 16", source)


@pytest.mark.parametrize("said", ["", "Permission Denial: can't dump thermalservice", "Thermal Status: x"])
def test_what_is_not_told_is_none(said: str) -> None:
    assert android.thermal_of(said) is None
    assert android.battery_of(said) is None


def test_another_machine_is_asked_nothing(tmp_path: Path) -> None:
    assert not android.is_android(tmp_path)
    assert android.model(tmp_path) is None
