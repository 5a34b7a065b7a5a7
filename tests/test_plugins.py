"""Names become objects: built in, from a package really installed, from one that is broken, and from nowhere."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from edgebench import plugins
from edgebench.errors import UnsupportedError, UsageError

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "tests" / "plugins" / "edgebench-numpy-backend"

CONFORM = """
import sys, pathlib, numpy as np
from edgebench import plugins
from edgebench.backends.conformance import CHECKS, Case
path = pathlib.Path(sys.argv[1])
weight, bias = np.float32([[1, 2], [3, 4], [5, 6]]), np.float32([0.5, -0.5])
np.savez(path, weight=weight, bias=bias)
x = np.float32([[1, 0, 2]])
for check in CHECKS.values():
    check(Case(plugins.get("backends", "numpy-linear"), path, {"x": x}, {"y": x @ weight + bias}))
print(plugins.names("backends")[-1])
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example package in it, as pip installs it."""
    if not find_spec("hatchling") or not find_spec("pip"):
        pytest.skip("hatchling and pip build the example package; install them")
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    subprocess.run([*pip, "--target", target, EXAMPLE], check=True)
    return target


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package "edgebench-broken" whose backend "broken" fails while it is imported."""
    (tmp_path / "edgebench_broken.py").write_text("raise RuntimeError('no such driver')\n")
    about = tmp_path / "edgebench_broken-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: edgebench-broken\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[edgebench.backends]\nbroken = edgebench_broken:BACKEND\nfake = edgebench_broken:BACKEND\n")
    monkeypatch.syspath_prepend(tmp_path)


def test_an_installed_package_brings_a_backend_that_keeps_the_contract(installed: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), str(ROOT)])}
    done = subprocess.run([sys.executable, "-W", "error", "-c", CONFORM, tmp_path / "linear.npz"], env=environment, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("numpy-linear\n", "")


def test_every_built_in_backend_says_its_own_name() -> None:
    assert [plugins.get("backends", name).name for name in plugins.BUILT_IN["backends"]] == list(plugins.BUILT_IN["backends"])


@pytest.mark.usefixtures("broken")
def test_a_broken_package_is_named_when_its_backend_is_asked_for() -> None:
    with pytest.raises(UnsupportedError, match="backend 'broken' of package 'edgebench-broken' failed to load: RuntimeError: no such driver; update or"):
        plugins.get("backends", "broken")


@pytest.mark.usefixtures("broken")
def test_a_broken_package_is_listed_and_leaves_the_others_alone() -> None:
    assert plugins.names("backends") == ["executorch", "fake", "onnxruntime", "openvino", "tflite", "torchscript", "broken"]
    assert plugins.get("backends", "onnxruntime").name == "onnxruntime"


@pytest.mark.usefixtures("broken")
def test_a_package_cannot_take_the_name_of_a_built_in() -> None:
    assert plugins.get("backends", "fake").name == "fake"


def test_an_unknown_name_gives_those_there_are_and_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"there is no backend 'onnxruntme'; there are executorch, fake, onnxruntime, .*\. Did you mean 'onnxruntime'\?"):
        plugins.get("backends", "onnxruntme")


def test_asking_for_names_imports_no_engine() -> None:
    code = "import sys; from edgebench import plugins; plugins.names('backends'); sys.exit(any(m in sys.modules for m in ('numpy', 'onnxruntime', 'torch')))"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
