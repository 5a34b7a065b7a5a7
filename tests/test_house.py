"""The house rules, held with the syntax tree: who imports whom, what is loaded when, and how modules are named and sized."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from edgebench import plugins

PACKAGE = Path(__file__).resolve().parent.parent / "edgebench"
MODULES = {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path for path in sorted(PACKAGE.rglob("*.py"))}

# A part imports from lower rungs and from itself, never from its own rung's neighbours. "" is edgebench/__init__.py.
LADDER = (
    {"errors", "lines", "units", "whole"},
    {"", "toml", "record", "change", "catalog", "plugins"},
    {"models"},
    {"backends", "tasks"},
    {"pipeline"},
    {"bench"},
    {"reports", "train", "devices"},
    {"study"},
    {"cli", "pytest_plugin"},
    {"__main__"},
)
RUNG = {part: rung for rung, parts in enumerate(LADDER) for part in parts}
NAMED_AS_TYPES = {  # (module, what it names in annotations only); nothing of it is loaded
    ("edgebench", "edgebench.pipeline"), ("edgebench", "edgebench.record"),  # so that a type checker sees what is imported lazily
} | {(module, "edgebench.backends.base") for module in MODULES if module.startswith("edgebench.tasks.")}  # Session, what a task is given
ENGINES = {"onnxruntime", "ai_edge_litert", "tflite_runtime", "torch", "openvino", "executorch"}
LINKED_TO = {"edgebench.backends.executorch": {"torch"}}  # an engine whose library needs another's
HEAVY = ENGINES | {"transformers", "safetensors", "onnx", "onnxscript", "litert_torch", "ai_edge_quantizer", "flatbuffers", "tomli_w", "psutil"}
HEAVY |= {"PIL", "pycocotools", "matplotlib", "pandas", "pyarrow"}
SMALL_DEVICE = {"numpy", "tokenizers", "msgspec", "psutil"}
# what the worker needs for one option, or to score one task's answers, only
ON_REQUEST = {
    "edgebench.bench.loadgen": {"mlperf_loadgen"}, "edgebench.tasks.bleu": {"sacrebleu"}, "edgebench.tasks.coco": {"pycocotools"},
    "edgebench.tasks.f1": {"seqeval"}, "edgebench.tasks.image": {"PIL"},
}


class Import(NamedTuple):
    """One name that a module imports. `when`: "loading", "called" (inside a function) or "typing"."""

    name: str
    when: str


@cache
def imports(module: str) -> frozenset[Import]:
    return frozenset(_imports(ast.parse(MODULES[module].read_text()), "loading"))


def _imports(node: ast.AST, when: str) -> Iterator[Import]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        when = "called"
    if isinstance(node, ast.Import):
        yield from (Import(one.name, when) for one in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are written in full"
        inner = [f"{node.module}.{one.name}" for one in node.names]
        yield from (Import(name if name in MODULES else str(node.module), when) for name in inner)
    elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        for statement in node.body:
            yield from _imports(statement, "typing")
    else:
        for child in ast.iter_child_nodes(node):
            yield from _imports(child, when)


def ours(module: str) -> set[str]:
    """The edgebench modules that `module` names."""
    return {one.name for one in imports(module) if one.name in MODULES} - {one for other, one in NAMED_AS_TYPES if other == module}


def foreign(module: str, *whens: str) -> set[str]:
    """The top-level names of other projects that `module` imports then."""
    tops = {one.name.partition(".")[0] for one in imports(module) if one.when in whens}
    return tops - sys.stdlib_module_names - {"edgebench"}


def part(module: str) -> str:
    return f"{module}..".split(".")[1]


def loaded_by(roots: set[str]) -> set[str]:
    """Every edgebench module that these may load, with the packages around each."""
    seen: set[str] = set()
    while roots:
        one = roots.pop()
        if one not in seen:
            seen.add(one)
            roots |= {name.name for name in imports(one) if name.when != "typing" and name.name in MODULES} | {one.rpartition(".")[0]} & set(MODULES)
    return seen


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down_the_ladder(module: str) -> None:
    here = part(module)
    assert not {one for one in ours(module) if part(one) != here and RUNG[part(one)] >= RUNG[here]}


def test_every_part_has_a_rung() -> None:
    assert {part(one) for one in MODULES} == set(RUNG)


def test_what_is_named_only_as_a_type_is_still_so() -> None:
    for module, name in NAMED_AS_TYPES:
        assert {one.when for one in imports(module) if one.name == name} <= {"typing"}, (module, name)


def test_no_module_depends_on_itself_when_loaded() -> None:
    loading = {module: {one.name for one in imports(module) if one.when == "loading" and one.name in MODULES} - {module} for module in MODULES}
    while leaves := {module for module, names in loading.items() if not names}:
        loading = {module: names - leaves for module, names in loading.items() if module not in leaves}
    assert not loading


def test_bench_sees_the_contracts_of_backends_and_tasks_only() -> None:
    seen = {one for module in MODULES if part(module) == "bench" for one in ours(module) if part(one) in ("backends", "tasks")}
    assert seen <= {"edgebench.backends.base", "edgebench.tasks.base"}


def test_reports_see_records_units_statistics_and_budgets_only() -> None:
    seen = {one for module in MODULES if part(module) == "reports" for one in ours(module) if part(one) != "reports"}
    assert seen <= {"edgebench.errors", "edgebench.record", "edgebench.units", "edgebench.bench.stats", "edgebench.bench.ratio", "edgebench.bench.budgets"}


def test_only_the_command_line_imports_training() -> None:
    assert {part(module) for module in MODULES if any(part(one) == "train" for one in ours(module))} <= {"train", "cli"}


@pytest.mark.parametrize("module", [one for one in MODULES if part(one) != "train"])
def test_no_engine_or_heavy_library_is_imported_before_it_is_needed(module: str) -> None:
    assert not foreign(module, "loading") & HEAVY


def test_a_backend_imports_one_engine() -> None:
    for module in MODULES:
        if part(module) == "backends":
            assert len(foreign(module, "loading", "called") & ENGINES - LINKED_TO.get(module, set())) <= 1, module


def test_the_worker_needs_what_a_small_device_has_and_the_engine() -> None:
    opened = {address.partition(":")[0] for group in ("backends", "tasks") for address in plugins.BUILT_IN[group].values()}
    loaded = loaded_by({"edgebench.bench.worker", *opened})
    assert "edgebench.pipeline" in loaded
    for module in loaded:
        engines = ENGINES if part(module) == "backends" else ON_REQUEST.get(module, set())
        assert foreign(module, "loading", "called") <= SMALL_DEVICE | engines, module
    assert not {part(one) for one in loaded} & {"cli", "reports", "devices", "train"}


def test_what_waits_on_a_device_needs_what_a_small_device_has() -> None:
    for module in loaded_by({"edgebench.devices.far"}) - loaded_by({"edgebench.bench.doctor"}):
        assert foreign(module, "loading", "called") <= SMALL_DEVICE, module


@pytest.mark.parametrize("doing", ["import edgebench", *(f"import edgebench.cli as cli; cli.main({words})" for words in (["-h"], ["bench", "-h"]))])
def test_neither_import_nor_help_loads_numpy_or_an_engine(doing: str) -> None:
    code = f"import sys\ntry:\n    {doing}\nfinally:\n    print(*sorted({{one.partition('.')[0] for one in sys.modules}}), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(done.stderr.split())
    assert "edgebench" in loaded
    assert not loaded & (HEAVY | {"numpy", "tokenizers", "rich"})


@pytest.mark.parametrize("module", MODULES)
def test_a_module_says_what_it_is_and_stays_readable(module: str) -> None:
    text = MODULES[module].read_text()
    assert ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) <= 500


def test_no_module_is_named_after_nothing() -> None:
    assert not {name for module in MODULES for name in module.split(".")} & {"utils", "util", "helpers", "common", "core", "misc"}


@pytest.mark.parametrize("table", [plugins.BUILT_IN, *plugins.BUILT_IN.values()])
def test_the_tables_of_plug_ins_are_sorted_and_name_what_exists(table: dict[str, object]) -> None:
    assert list(table) == sorted(table)
    for address in table.values():
        if isinstance(address, str):
            assert address.partition(":")[0] in MODULES
