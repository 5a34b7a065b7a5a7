"""From a phone's first sight of the page to its first record: a browser that was never anywhere, on this machine's loopback."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.devices.browser.chromium import PATH, Chromium

pytestmark = [
    pytest.mark.benchmark_figures,
    pytest.mark.skipif(PATH is None, reason="no Chromium is on the path; install one to see the page in it"),
]

TIMES = 6
OPTIONS = ("--quick", "--precision", "int8", "--backend", "onnxruntime-web", "--threads", "1")


def test_a_first_record_comes_within_twenty_seconds(tmp_path: Path, figure: Callable[..., None]) -> None:
    """The engine's files lie on the machine that serves, after a round that does not count; the browser has none of them."""
    from tests.devices.browser.test_in_a_browser import ENDED, TROUBLE, Served, started

    seconds, verdicts = [], []
    for turn in range(TIMES + 1):
        folder = tmp_path / str(turn)
        folder.mkdir()
        with Served(folder / "out.jsonl", *OPTIONS) as served, Chromium(folder / "profile") as browser:
            page = browser.page("")
            begun = time.monotonic()
            page.go(served.address)
            started(page)
            page.until(f"{ENDED} || {TROUBLE}", 240)
            seconds.append(time.monotonic() - begun)
            (found,) = served.records()
        assert found.outcome == "ok"
        verdicts.append(found.verdict)
    del seconds[0], verdicts[0]
    first, median, third = statistics.quantiles(seconds, n=4, method="inclusive")
    more = {"valid": verdicts.count("valid"), "load": round(os.getloadavg()[0], 1)}
    figure("browser page: s to the first record on a new profile, loopback, tinybert-sst2 int8", median, "<= 20", n=TIMES, quartiles=[first, third], **more)
    assert median <= 20
