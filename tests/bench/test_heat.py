"""Waiting for a device to cool: a sensor whose readings a test sets, and a clock that only sleeping moves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edgebench.bench import heat
from edgebench.record import Cooling, Spec
from tests.machines import tree

SENSOR = "sys/class/thermal/thermal_zone0/temp"


@pytest.fixture
def cool(tmp_path: Path) -> Callable[..., Cooling | None]:
    """cool([70, 60], to=65) -> what came of it: the sensor says 70, and 60 after the first sleep, and so on."""

    def run(readings: list[float | None], *, to: float | None, cap_s: float = 120.0) -> Cooling | None:
        slept = [0.0]

        def show() -> None:
            if readings:
                value = readings.pop(0)
                tree(tmp_path, {SENSOR: "" if value is None else f"{value * 1000:.0f}\n"})

        def sleep(seconds: float) -> None:
            assert 0 < seconds <= 1
            slept[0] += seconds
            show()

        show()
        spec = Spec(model="m", format="onnx", precision="int8", backend="onnxruntime", cool_to_c=to, cool_cap_s=cap_s)
        return heat.cool(spec, root=tmp_path, clock=lambda: slept[0], sleep=sleep)

    return run


def test_it_waits_until_the_sensor_is_cool_enough(cool: Callable[..., Cooling | None]) -> None:
    assert cool([70.5, 66.0, 60.0, 55.0], to=60) == Cooling(from_c=70.5, to_c=60.0, waited_s=2.0, reached=True)


def test_a_cool_device_is_not_waited_for(cool: Callable[..., Cooling | None]) -> None:
    assert cool([48.0], to=50) == Cooling(from_c=48.0, to_c=48.0, waited_s=0.0, reached=True)


def test_a_device_that_stays_warm_is_waited_for_until_the_cap(cool: Callable[..., Cooling | None]) -> None:
    assert cool([80.0, 79.0, 78.0], to=50, cap_s=2.5) == Cooling(from_c=80.0, to_c=78.0, waited_s=2.5, reached=False)


def test_a_reading_that_fails_is_not_taken_for_cold(cool: Callable[..., Cooling | None]) -> None:
    assert cool([80.0, None, 45.0], to=50) == Cooling(from_c=80.0, to_c=45.0, waited_s=2.0, reached=True)


@pytest.mark.parametrize(("readings", "to"), [([None], 50.0), ([80.0], None)])
def test_without_a_sensor_or_a_wish_nothing_is_waited_for(cool: Callable[..., Cooling | None], readings: list[float | None], to: float | None) -> None:
    assert cool(readings, to=to) is None
