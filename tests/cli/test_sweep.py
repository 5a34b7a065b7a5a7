"""How many untimed passes run together, by what the device says of itself."""

from __future__ import annotations

from typing import Any

import pytest

from edgebench.bench.plan import Plan
from edgebench.cli.sweep import _at_once
from edgebench.record import Spec

GIB = 1 << 30


@pytest.mark.parametrize(("host", "threads", "together"), [
    ({"usable_cores": 4, "memory_bytes": 8 * GIB}, 1, 4),
    ({"usable_cores": 4, "memory_bytes": 8 * GIB}, 2, 2),
    ({"usable_cores": 4, "memory_bytes": 8 * GIB}, 8, 1),
    ({"usable_cores": 4, "memory_bytes": GIB // 2}, 1, 1),  # a Raspberry Pi Zero 2 W
    ({"usable_cores": 16, "memory_bytes": 64 * GIB, "memory_limit_bytes": 4 * GIB}, 1, 2),
    ({"usable_cores": 64, "memory_bytes": 256 * GIB}, 1, 8),  # as many as one line may carry
    ({"usable_cores": 4, "memory_bytes": None}, 1, 1),
])
def test_passes_run_together_as_far_as_the_device_has_room(host: dict[str, Any], threads: int, together: int) -> None:
    cell = Spec(model="bag", format="onnx", precision="fp32", backend="onnxruntime", threads=threads)
    assert _at_once(Plan([cell], [], {}, 0), host) == together
