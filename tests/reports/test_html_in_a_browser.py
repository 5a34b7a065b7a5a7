"""The page as Chromium shows it: on a phone and on a desk nothing scrolls sideways, nothing is fetched, nothing is complained of."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from edgebench.reports import html
from tests.reports.conftest import full, rated

pytestmark = pytest.mark.browser
pytest.importorskip("matplotlib", reason="the page's plots need matplotlib; install edgebench[report]")
CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome", "chrome") if (found := shutil.which(name))), None)
if CHROMIUM is None:
    pytest.skip("no Chromium is on the path; install one to see the page in it", allow_module_level=True)

# The page runs no script, so another one holds it in a frame of the asked width, measures it from outside, and writes what it saw into itself.
FRAME = """<!doctype html><meta charset="utf-8"><body style="margin:0"><iframe id="page" src="page.html" style="border:0;width:%dpx;height:900px"></iframe>
<script>
addEventListener("load", () => {
  const inner = document.getElementById("page"), page = inner.contentDocument, seen = inner.contentWindow;
  const plots = [...page.querySelectorAll("figure svg")].filter(one => one.getBoundingClientRect().width > 0);
  const boxes = plots.map(one => one.getBoundingClientRect());
  const scaled = plot => [...plot.querySelectorAll("text")].map(one => parseFloat(one.style.fontSize) * plot.getScreenCTM().a);
  const sizes = plots.flatMap(scaled);
  document.title = JSON.stringify({
    wide: page.documentElement.scrollWidth, room: page.documentElement.clientWidth, plots: boxes.length, widest: Math.max(...boxes.map(one => one.right)),
    smallest: Math.min(...sizes), fetched: seen.performance.getEntriesByType("resource").map(one => one.name),
    paper: seen.getComputedStyle(page.body).backgroundColor,
  });
});
</script>"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds a page with every section and a name that is far too long."""
    made = tmp_path_factory.mktemp("page")
    records = [
        full("tflite", "int8", 1, notes=["a" * 400]), full("onnxruntime", "fp32", 2), rated("tflite", [100, 120]),
        full("onnxruntime", "int8", 1, spec={"model": "a_name_without_an_end_" * 20}),
    ]  # fmt: skip
    (made / "page.html").write_text(html.render(records))
    return made


def shown(folder: Path, width: int, *options: str) -> tuple[dict[str, Any], str]:
    """What the page measures in a window of this width, and what the browser said meanwhile."""
    (folder / "frame.html").write_text(FRAME % width)
    done = subprocess.run(
        [str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", f"--user-data-dir={folder / 'profile'}",
         "--enable-logging=stderr", "--v=0", f"--window-size={max(width, 600)},1000", "--virtual-time-budget=5000", *options, "--dump-dom",
         (folder / "frame.html").as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    (title,) = re.findall(r"<title>(.*?)</title>", done.stdout)
    return json.loads(title.replace("&amp;", "&")), done.stderr


@pytest.mark.parametrize("width", [360, 800, 1200])
def test_nothing_scrolls_sideways_and_no_plot_leaves_the_page(folder: Path, width: int) -> None:
    seen, _ = shown(folder, width)
    assert seen["wide"] <= seen["room"] <= width
    assert seen["plots"] >= 10
    assert seen["widest"] <= width


@pytest.mark.parametrize("width", [360, 800, 1200])
def test_no_text_of_a_plot_is_too_small_to_read(folder: Path, width: int) -> None:
    assert shown(folder, width)[0]["smallest"] >= 9


def test_nothing_is_fetched_and_the_browser_has_no_complaint(folder: Path) -> None:
    seen, said = shown(folder, 1200)
    assert [one for one in seen["fetched"] if not one.startswith("data:")] == []
    assert not re.findall(r"CONSOLE.*", said)


def test_who_prefers_the_dark_gets_it(folder: Path) -> None:
    light, dark = (shown(folder, 1200, f"--blink-settings=preferredColorScheme={number}")[0]["paper"] for number in (1, 0))
    assert (light, dark) == ("rgb(254, 254, 254)", "rgb(21, 22, 26)")
