"""edgebench serve: from the code to the records, by a page without a browser; what is asked for wrongly is said before anybody scans anything."""

from __future__ import annotations

import re
from _thread import interrupt_main
from pathlib import Path
from threading import Event, Thread
from typing import Any

import click
import numpy as np
import pytest

from edgebench import record
from edgebench.cli import serve, status
from edgebench.devices.browser.site import Site
from tests.devices.browser.conftest import COLD, FACTS, STATE, TIMING, USED, Guest

pytest.importorskip("onnxruntime", reason="the reference runs in it")


class Opened:
    """Waits for the address that `serve` prints, then does as a page does; `changes` are made to its facts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
        self.said: list[dict[str, Any]] = []
        self._facts, self._sites, self._is_shown = FACTS | changes, list[Site](), Event()
        monkeypatch.setattr("edgebench.devices.browser.engines.fetched", lambda engine, offline=False: {})
        monkeypatch.setattr("edgebench.devices.browser.jobs.fetched", lambda engine, offline: {})
        monkeypatch.setattr(serve, "_show", self._shown)
        self._thread = Thread(target=self._visited, daemon=True)
        self._thread.start()

    def _shown(self, address: str) -> None:
        self.address = address
        self._is_shown.set()

    def _visited(self) -> None:
        """Whatever goes wrong there must not leave `serve` waiting."""
        try:
            self._visit()
        except BaseException:
            interrupt_main()
            raise

    def _visit(self) -> None:
        self._is_shown.wait(30)
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/#(.+)", self.address)
        assert found
        guest = Guest.__new__(Guest)
        guest.port, guest.key, guest.tab = int(found[1]), "1" * 32, "2" * 32
        guest.hello(found[2], self._facts)
        while (said := guest.ask("GET", "/api/next")[1])["state"] != "done":
            self.said.append(said)
            if said["state"] == "choose":
                guest.ask("POST", "/api/start", {"cells": [cell["id"] for cell in said["cells"] if cell["ticked"]]})
            elif said["state"] == "job":
                guest.ask("POST", "/api/answer", {"number": said["job"]["number"], "engine": USED, "before": STATE, "after": self.after, **reply(said["job"])})

    after = STATE


def reply(job: dict[str, Any]) -> dict[str, Any]:
    """A page that answers as the bag of words does, always in the same time."""
    if job["part"] == "accuracy":
        return {"probabilities": [[0.5, 0.5] for _ in job["examples"]]}
    return {"cold": COLD, "timing": {**TIMING, "samples_ns": [10**6] * 64, "tokens": [4] * 64}}


@pytest.fixture
def few(home: Path) -> list[str]:
    return ["serve", "bag", "--once", "--port", "0", "--quick", "--examples", "4", "-b", "onnxruntime-web", "-o", str(home / "out.jsonl")]


def test_what_a_page_measures_is_a_record_like_any_other(
    few: list[str], home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = Opened(monkeypatch)
    assert status([*few, "--threads", "1"]) == 0
    (found,) = record.read_lines(home / "out.jsonl")
    assert (found.spec.backend, found.spec.profile, found.outcome, found.engine["library"]) == ("onnxruntime-web", "browser", "ok", "onnxruntime-web")
    assert found.host["board"] == "Pixel 7, Chromium 156.0.1"
    assert found.parity is not None
    assert found.parity.reference == "onnxruntime onnx/fp32"
    assert "Pixel 7, Chromium 156.0.1, 8 cores" in capsys.readouterr().out
    assert [one["state"] for one in opened.said].count("job") == 4  # accuracy, and three fresh workers


def test_a_page_without_isolation_is_not_offered_threads(few: list[str], home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Opened(monkeypatch, isolated=False, threads=False)
    status([*few, "--threads", "1,4"])
    (offered,) = [one["cells"] for one in opened.said if one["state"] == "choose"]
    assert [cell["name"] for cell in offered] == ["bag onnxruntime-web fp32 1 thread"]
    rows = [one for one in record.read_lines(home / "out.jsonl") if one.outcome == "unsupported"]
    assert [(one.spec.threads, one.reasons[0].partition(";")[0]) for one in rows] == [(4, "threads need a page that is isolated across origins")]


def test_webgpu_is_offered_where_there_is_one_and_not_ticked(few: list[str], home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Opened(monkeypatch, webgpu={"name": "swiftshader", "software": True})
    status([*few, "--threads", "1"])
    (offered,) = [one["cells"] for one in opened.said if one["state"] == "choose"]
    name = "bag onnxruntime-web fp32 1 thread"
    assert [(cell["name"], cell["ticked"]) for cell in offered] == [(name, True), (f"{name} on webgpu", False)]


def test_a_cell_that_was_timed_while_hidden_is_not_valid(few: list[str], home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Opened(monkeypatch).after = {**STATE, "hidden": True}
    status([*few, "--threads", "1"])
    (found,) = record.read_lines(home / "out.jsonl")
    assert found.verdict != "valid"
    assert "hidden: in 3 of 3 processes the page was hidden while it was timed; keep it in front and the screen on" in found.reasons


@pytest.mark.parametrize(
    ("wrong", "said"),
    [(["-b", "onnxruntime"], "there is no engine 'onnxruntime' there; there are onnxruntime-web, litert-web"), (["-s", "offline"], "a page runs the scenarios"),
     (["--quick", "--full"], "exclude each other"), (["--resume"], "name it with -o"), (["-p", "int3"], "there is no precision 'int3'")],
)  # fmt: skip
def test_what_is_wrong_is_said_at_once(home: Path, capsys: pytest.CaptureFixture[str], wrong: list[str], said: str) -> None:
    assert status(["serve", "bag", "--once", *wrong]) == 2
    assert said in capsys.readouterr().err


def test_the_code_is_dark_on_light_and_every_line_is_as_wide() -> None:
    pytest.importorskip("segno", reason="install edgebench[serve]")
    lines = serve.scannable("https://192.168.1.20:8765/#HI7O7aRAtw8pAf5B").splitlines()
    assert {len(click.unstyle(line)) for line in lines} == {len(click.unstyle(lines[0]))}
    assert all(line.startswith("\x1b[30;107m") and line.endswith("\x1b[0m") for line in lines)
    assert len(lines) <= 20  # a terminal of 24 lines shows it whole


def test_another_programs_decoder_reads_the_address_off_the_printed_code() -> None:
    """Each character is two modules, one above the other; what is dark is black, and the rest is a lit terminal."""
    pytest.importorskip("segno", reason="install edgebench[serve]")
    zxing = pytest.importorskip("zxingcpp", reason="install edgebench[test]")
    address = "https://192.168.1.20:8765/#HI7O7aRAtw8pAf5B"
    lines = click.unstyle(serve.scannable(address)).splitlines()
    dark = np.array([[[one in "▀█", one in "▄█"] for one in line] for line in lines]).transpose(0, 2, 1).reshape(2 * len(lines), -1)
    picture = np.where(dark, 0, 255).astype(np.uint8).repeat(4, axis=0).repeat(4, axis=1)
    assert [one.text for one in zxing.read_barcodes(picture)] == [address]
