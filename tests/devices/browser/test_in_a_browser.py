"""The page in Chromium: the same labels as Python's, a reload in the middle, a slow processor, a phone, a hidden tab, WebGPU, https.

The engines are fetched once from the npm registry into a cache of these tests' own.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgebench import record
from edgebench.record import Record
from tests.devices.browser import chromium
from tests.devices.browser.chromium import Chromium, Page

pytestmark = [pytest.mark.browser, pytest.mark.network]
if chromium.PATH is None:
    pytest.skip("no Chromium is on the path; install one to see the page in it", allow_module_level=True)

CACHE = Path(os.environ.get("EDGEBENCH_BROWSER_HOME") or Path.home() / ".cache" / "edgebench-browser-tests")
ENDED = "document.getElementById('said')?.textContent.startsWith('All is measured')"
ASKS = "!document.getElementById('choose').hidden"
TROUBLE = "document.getElementById('trouble')?.hidden === false"
MEASURES = "document.getElementById('run')?.hidden === false"


class Served:
    """`edgebench serve --once` with these options; `address` is what it printed."""

    def __init__(self, output: Path, *options: str) -> None:
        self.output = output
        command = [sys.executable, "-m", "edgebench", "serve", "tinybert-sst2", "--once", "--port", "0", "-o", str(output), *options]
        own = {**os.environ, "EDGEBENCH_HOME": str(CACHE)}
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=own)
        assert self._process.stderr
        self.said = ""
        for line in self._process.stderr:
            self.said += line
            if found := re.match(r"open (\S+)", line):
                self.address = found[1]
                return
        raise AssertionError(f"no address: {self.said}")

    def records(self) -> list[Record]:
        """Once it has ended."""
        self.said += self._process.communicate(timeout=60)[1]
        return record.read_lines(self.output)

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chromium]:
    with Chromium(tmp_path / "profile") as found:
        yield found


def started(page: Page, *names: str) -> None:
    """With these cells ticked, or those that are so by themselves."""
    page.until(f"{ASKS} || {TROUBLE}")
    if names:
        wanted = json.dumps(list(names))
        page.value(
            "for (const label of document.querySelectorAll('#cells label')) {"
            f"const box = label.querySelector('input'); if (box.checked !== {wanted}.includes(label.children[1].textContent)) box.click(); }}"
        )
    page.value("document.querySelector('button').click()")


def measured(tmp_path: Path, browser: Chromium, *options: str, cells: tuple[str, ...] = (), seconds: float = 240) -> tuple[list[Record], Page]:
    with Served(tmp_path / "out.jsonl", *options) as served:
        page = browser.page(served.address)
        started(page, *cells)
        page.until(f"{ENDED} || {TROUBLE}", seconds)
        return served.records(), page


QUICK = ("--quick", "--precision", "int8", "--backend", "onnxruntime-web", "--threads", "1", "--examples", "16")


def test_the_labels_are_those_of_python_on_200_sentences(tmp_path: Path, browser: Chromium) -> None:
    cells = tuple(f"tinybert-sst2 {one}" for one in ("onnxruntime-web fp32 1 thread", "onnxruntime-web int8 1 thread", "litert-web int8 1 thread"))
    found, page = measured(tmp_path, browser, "--quick", "--threads", "1", "--examples", "200", cells=cells, seconds=400)
    for one in found:
        print(one.spec.name, one.verdict, one.parity, one.accuracy and one.accuracy.value)
    by_name = {one.spec.name: one for one in found}
    assert set(by_name) == set(cells)
    assert all(one.outcome == "ok" for one in found)
    exact = by_name[cells[0]].parity
    assert exact is not None
    assert (exact.reference, exact.n, exact.agreement) == ("onnxruntime onnx/fp32", 200, 1.0)
    assert exact.max_difference < 1e-4
    assert {address.partition("/api/")[0].split("/", 3)[2] for address in page.requests() if address.startswith("http")} == {page.value("location.host")}
    assert not [one for one in page.complaints() if "Content Security Policy" in one or "exceptionThrown" in one]


def test_a_page_loaded_again_goes_on(tmp_path: Path, browser: Chromium) -> None:
    with Served(tmp_path / "out.jsonl", *QUICK[1:]) as served:
        page = browser.page(served.address)
        started(page)
        for part in ("accuracy", "latency"):
            page.until(f"document.getElementById('doing')?.textContent.endsWith('{part}') && {MEASURES}")
            page.ask("Page.reload")
            page.until("document.readyState === 'complete'")
        page.until(f"{ENDED} || {TROUBLE}", 240)
        (found,) = served.records()
    assert found.outcome == "ok"
    assert found.latency is not None
    assert found.spec.processes <= len(found.latency.processes_ns) <= found.spec.max_processes


def test_a_slow_phone_held_upright_measures_and_nothing_leaves_its_screen(tmp_path: Path, browser: Chromium) -> None:
    with Served(tmp_path / "out.jsonl", *QUICK) as served:
        page = browser.page("")
        page.ask("Emulation.setDeviceMetricsOverride", **chromium.PHONE)
        page.ask("Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=5)
        page.ask("Emulation.setUserAgentOverride", userAgent=chromium.PHONE_AGENT)
        page.ask("Emulation.setCPUThrottlingRate", rate=4)
        page.go(served.address)
        page.until(ASKS)
        wide = "document.documentElement.scrollWidth <= innerWidth"
        assert page.value(wide)
        at = page.value("(({x, y, width, height}) => ({x: x + width / 2, y: y + height / 2}))(document.querySelector('button').getBoundingClientRect())")
        for kind, points in (("touchStart", [at]), ("touchEnd", [])):
            page.ask("Input.dispatchTouchEvent", type=kind, touchPoints=points)
        page.until(MEASURES)
        page.ask("Emulation.setDeviceMetricsOverride", **{**chromium.PHONE, "width": 915, "height": 412})  # turned
        assert page.value(wide)
        page.until(f"{ENDED} || {TROUBLE}", 400)
        (found,) = served.records()
    assert found.outcome == "ok"
    assert found.host["page"]["touch_points"] == 5
    assert "Mobile" in found.host["page"]["user_agent"]


def test_what_was_timed_while_hidden_is_not_valid(tmp_path: Path, browser: Chromium) -> None:
    with Served(tmp_path / "out.jsonl", *QUICK) as served:
        page = browser.page(served.address)
        started(page)
        page.until(MEASURES)
        page.value("Object.defineProperty(document, 'visibilityState', { get: () => 'hidden', configurable: true })")
        page.value("document.dispatchEvent(new Event('visibilitychange'))")
        page.until(f"{ENDED} || {TROUBLE}", 240)
        (found,) = served.records()
    assert found.verdict != "valid"
    assert [one for one in found.reasons if one.startswith("hidden: in ")]


@pytest.mark.skipif(not os.environ.get("EDGEBENCH_SOFTWARE_GPU"), reason="a GPU played by a processor takes minutes; ask for it with EDGEBENCH_SOFTWARE_GPU=1")
def test_a_gpu_that_a_processor_plays_is_told_and_never_valid(tmp_path: Path) -> None:
    with Chromium(tmp_path / "profile", *chromium.GPU) as browser:
        cells = ("tinybert-sst2 onnxruntime-web fp32 1 thread on webgpu",)
        (found,), _ = measured(tmp_path, browser, "--quick", "--threads", "1", "--backend", "onnxruntime-web", "--examples", "8", cells=cells, seconds=400)
    assert found.host["page"]["webgpu"]["software"] is True
    assert found.outcome == "ok"
    assert found.verdict != "valid"
    assert [one for one in found.reasons if one.startswith("the GPU is one that a processor plays")]


def test_https_with_a_certificate_of_our_own_isolates_the_page(tmp_path: Path, browser: Chromium) -> None:
    with Served(tmp_path / "out.jsonl", *QUICK, "--tls") as served:
        page = browser.page("")
        page.ask("Security.setIgnoreCertificateErrors", ignore=True)
        page.go(served.address)
        started(page)
        page.until(f"{ENDED} || {TROUBLE}", 240)
        (found,) = served.records()
    assert "certificate, SHA-256: " in served.said
    assert (found.outcome, found.host["page"]["isolated"]) == ("ok", True)


def test_plain_http_in_the_network_measures_with_one_thread_and_says_so(tmp_path: Path, browser: Chromium) -> None:
    with Served(tmp_path / "out.jsonl", "--quick", "--precision", "int8", "--backend", "onnxruntime-web", "--examples", "8", "--host", "0.0.0.0") as served:
        if "127.0.0.1" in served.address:
            pytest.skip("this machine has no address but the loopback's")
        page = browser.page(served.address)
        started(page)
        page.until(f"{ENDED} || {TROUBLE}", 240)
        (found,) = served.records()
    assert "plain http: a phone gives such a page no threads and no GPU" in served.said
    assert (found.outcome, found.spec.threads) == ("ok", 1)
    assert {name: found.host["page"][name] for name in ("secure", "isolated", "threads", "webgpu", "cache_storage")} == {
        "secure": False, "isolated": False, "threads": False, "webgpu": None, "cache_storage": False,
    }  # fmt: skip


def test_the_tokenizer_in_the_browser_gives_the_ids_of_the_library(tmp_path: Path, browser: Chromium) -> None:
    from tokenizers import Tokenizer

    from tests.devices.browser.test_wordpiece import MODELS, texts

    tokenizer = Tokenizer.from_file(str(MODELS / "tinybert-sst2" / "tokenizer.json"))
    given = list(texts(400))
    with Served(tmp_path / "out.jsonl", *QUICK) as served:
        page = browser.page(served.address)
        page.until(ASKS)
        page.value(f"globalThis.given = {json.dumps(given)}, globalThis.file = {tokenizer.to_str()}, 0")
        ids: Any = page.value("import('/wordpiece.js').then(({ wordPiece }) => given.map((text) => wordPiece(file, 128)(text).ids))")
    tokenizer.enable_truncation(128)
    assert ids == [tokenizer.encode(text).ids for text in given]
