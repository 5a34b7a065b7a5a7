"""A site that waits for a page, and a page without a browser that speaks to it."""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgebench import catalog
from edgebench.bench.job import Job, Labels
from edgebench.devices import profile as profiles
from edgebench.devices.browser.executor import BrowserExecutor
from edgebench.devices.browser.site import Site
from edgebench.record import Spec

KEY, TAB = "1" * 32, "2" * 32
FACTS: dict[str, Any] = {
    "user_agent": "Mozilla/5.0 (Linux; Android 10; K) Chrome/156.0.0.0 Mobile Safari/537.36", "brands": ["Not:A-Brand 8", "Chromium 156.0.1"],
    "model": "Pixel 7", "platform": "Android 14", "architecture": "arm 64 bit", "language": "en", "cores": 8, "memory_gib": 8,
    "screen": {"width": 412, "height": 915, "pixel_ratio": 2.6}, "touch_points": 5, "battery_level": 0.5, "charging": False, "secure": True,
    "isolated": True, "threads": True, "simd": True, "webgpu": None, "cache_storage": True, "clock_resolution_ns": 5000,
}  # fmt: skip
STATE = {"hidden": False, "software_gpu": None, "battery_level": 0.5, "charging": False}
USED = {"version": "1.30.0", "threads": 1, "accelerator": "cpu", "simd": True}
COLD = {"process_start_ns": 1, "import_ns": 2, "load_ns": 3, "first_answer_ns": 4, "total_ns": 10}
TIMING = {
    "samples_ns": [5, 6], "warm_up_ns": [9], "settled": True, "calls": 1, "clock_resolution_ns": 5000, "tokens": [4, 5],
    "stages_ns": {"tokenise": [1, 1], "run": [3, 4], "decode": [1, 1]}, "windows": [],
}  # fmt: skip


class Guest:
    """Speaks as the page would, or as somebody who is up to no good."""

    def __init__(self, site: Site, key: str = KEY, tab: str = TAB) -> None:
        self.port, self.key, self.tab = site.server_port, key, tab

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """The status, and the JSON or the bytes that came. `None` for a header leaves it out."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)  # news may take 20 s
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        usual = {"X-Edgebench-Key": self.key, "X-Edgebench-Tab": self.tab, **({"Content-Type": "application/json"} if data is not None else {})}
        try:
            line.request(method, path, data, {**usual, **{name.replace("_", "-"): value for name, value in headers.items()}})
            answer = line.getresponse()
            self.headers = answer.headers
            content = answer.read()
        finally:
            line.close()
        is_json = answer.headers.get("Content-Type") == "application/json"
        return answer.status, json.loads(content or "null") if is_json else content

    def hello(self, code: str, facts: dict[str, Any] = FACTS) -> tuple[int, Any]:
        return self.ask("POST", "/api/hello", {"code": code, "facts": facts})


@pytest.fixture
def executor() -> Iterator[BrowserExecutor]:
    made = BrowserExecutor(profiles.read(catalog.find("devices", "browser")), served=True, poll_s=0.5)
    yield made
    made.close()


@pytest.fixture
def site(executor: BrowserExecutor) -> Iterator[Site]:
    made = Site("127.0.0.1", 0, names=["localhost", "127.0.0.1"], head_s=0.5, body_s=0.5)
    made.visitors.append(executor)
    made.open()
    yield made
    made.close()


@pytest.fixture
def page(site: Site, executor: BrowserExecutor) -> Guest:
    """One that has said hello."""
    guest = Guest(site)
    assert guest.hello(executor.code)[0] == 200
    return guest


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if nothing had to be fetched: no engine has any file."""
    monkeypatch.setattr("edgebench.devices.browser.jobs.fetched", lambda engine, offline: {})


def job(model: Path, part: str, **spec: Any) -> Job:
    fields: dict[str, Any] = {"model": str(model), "format": "onnx", "precision": "fp32", "backend": "onnxruntime-web", "timeout_s": 20.0}
    expected = Labels(labels=["positive", "negative"], dataset="two", sha256="0" * 64, source="here")
    return Job(spec=Spec(**{**fields, **spec}), part=part, examples=["a good film", "a bad film"], expected=expected if part == "accuracy" else None)  # type: ignore[arg-type]


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))
