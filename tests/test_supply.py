"""What edgebench is made of and ships: no dependency below a version with a known fix, no format that runs by itself, no call that could run a file."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from edgebench import catalog
from edgebench.models import card as cards

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
FIXED = {  # package -> the first version without the holes that matter here
    "onnx": ("1.21", "CVE-2026-34446, CVE-2026-27489: external data by a hard link or a linked folder"),
    "torch": ("2.10", "CVE-2026-24747, CVE-2025-32434: code and memory corruption under weights_only"),
    "transformers": ("5.3", "CVE-2026-4372, CVE-2026-5241: code by a configuration"),
    "pillow": ("11.3", "CVE-2025-48379: a buffer that a picture overruns"),
}
HARMLESS = {".py", ".toml", ".json", ".tsv", ".rows", ".css", ".typed", ".onnx", ".weights", ".tflite", ".txt", ".jpg", ".png", ".md", ".csv"}
PROGRAMS = {".pt"}  # TorchScript: declared in a card, its digest checked before it is opened
PAGE = {".html", ".js", ".mjs", ".wasm", ".svg", ".webmanifest"}  # what a phone's browser is given, below edgebench/devices
SOURCES = sorted((ROOT / "edgebench").rglob("*.py"))


def requirements() -> list[tuple[str, str]]:
    """Every package and what is asked of it, of the core and of every extra."""
    lines = [*PROJECT["dependencies"], *(one for extra in PROJECT["optional-dependencies"].values() for one in extra)]
    found = [re.match(r"([A-Za-z0-9._-]+)(\[[^]]*\])?\s*([^;]*)", line) for line in lines]
    return [(one[1].lower(), one[3].strip()) for one in found if one]


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


@pytest.mark.parametrize("package", FIXED)
def test_no_version_with_a_known_hole_is_accepted(package: str) -> None:
    bounds = [asked for name, asked in requirements() if name == package]
    assert bounds
    for asked in bounds:
        least = re.search(r">=\s*([0-9.]+)", asked)
        assert least, f"{package} has no lower bound"
        assert numbers(least[1]) >= numbers(FIXED[package][0]), FIXED[package][1]


def test_every_dependency_has_a_lower_bound() -> None:
    assert [name for name, asked in requirements() if name != "edgebench" and ">=" not in asked] == []


def test_the_wheel_holds_what_it_should_and_no_format_that_runs_by_itself() -> None:
    wheel = pytest.importorskip("hatchling.builders.wheel", reason="the wheel's files are listed by hatchling; install edgebench[test]")
    held = {one.distribution_path: Path(one.path) for one in wheel.WheelBuilder(str(ROOT)).recurse_included_files()}
    there = ("__init__.py", "devices/confine.py", "data/models/tinybert-sst2.toml", "data/devices/host.toml")
    assert {f"edgebench/{one}" for one in there} <= set(held)
    programs = {path for path in held.values() if path.suffix in PROGRAMS}
    for name, path in held.items():
        assert name.startswith("edgebench/")  # "devices" without a slash before it is any folder of that name, those of the tests too
        page = name.startswith("edgebench/devices/") and path.suffix in PAGE
        assert page or path.suffix in HARMLESS | PROGRAMS, name
        assert not os.access(path, os.X_OK) or path.suffix == ".py", name
        assert not path.is_symlink(), name
    folder = catalog.shipped_folder("models")
    variants = [variant for path in folder.glob("*.toml") for variant in cards.read(path).variants if variant.format == "torchscript"]
    listed = {(folder / file.file).resolve() for variant in variants for file in variant.files}
    assert {one.resolve() for one in programs} <= listed


@pytest.mark.parametrize("path", SOURCES, ids=[str(one.relative_to(ROOT)) for one in SOURCES])
def test_no_call_runs_what_a_file_holds(path: Path) -> None:
    """Pickles never, archives never unpacked, no shell."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        name, given = ast.unparse(node.func), {one.arg: ast.unparse(one.value) for one in node.keywords}
        assert name not in ("pickle.load", "pickle.loads", "pickle.Unpickler", "joblib.load", "yaml.load", "eval", "exec", "os.system", "os.popen"), name
        assert name.rpartition(".")[2] not in ("extractall", "unpack_archive"), name
        assert name != "torch.load" or given.get("weights_only") == "True", ast.unparse(node)
        assert given.get("allow_pickle", "False") == "False", ast.unparse(node)
        assert given.get("shell", "False") == "False", ast.unparse(node)
        assert given.get("trust_remote_code", "False") == "False", ast.unparse(node)


@pytest.mark.network
def test_what_is_installed_has_no_known_vulnerability() -> None:
    pytest.importorskip("pip_audit", reason="advisories are looked up by pip-audit; install edgebench[audit]")
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off", "--timeout", "15", "--skip-editable"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        found = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        pytest.skip("the service that knows advisories cannot be reached from here")
    assert [(one["name"], one["version"], hole["id"]) for one in found["dependencies"] for hole in one.get("vulns", []) if hole["fix_versions"]] == []
