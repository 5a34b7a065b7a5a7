"""A name -> an object: first a sorted table of what is built in, then the entry points of installed packages.

Nothing is imported until it is asked for. A plug-in that fails to import raises when asked for, by its name, with the
package that supplied it; the others go on working.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from edgebench.errors import UnsupportedError, UsageError, did_you_mean

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

BUILT_IN: dict[str, dict[str, str]] = {
    "backends": {
        "executorch": "edgebench.backends.executorch:BACKEND",
        "fake": "edgebench.backends.fake:BACKEND",
        "onnxruntime": "edgebench.backends.onnxruntime:BACKEND",
        "openvino": "edgebench.backends.openvino:BACKEND",
        "tflite": "edgebench.backends.tflite:BACKEND",
        "torchscript": "edgebench.backends.torchscript:BACKEND",
    },
    "devices": {
        "adb": "edgebench.devices.adb:AdbExecutor",
        "browser": "edgebench.devices.browser.executor:BrowserExecutor",
        "local": "edgebench.devices.local:LocalExecutor",
        "ssh": "edgebench.devices.ssh:SshExecutor",
    },
    "probes": {
        "battery_gauge": "edgebench.bench.meters.battery_gauge:find",
        "meter_file": "edgebench.bench.meters.meter_file:find",
        "rapl": "edgebench.bench.meters.rapl:find",
    },
    "reports": {
        "csv": "edgebench.reports.csv:render",
        "html": "edgebench.reports.html:render",
        "json": "edgebench.reports.jsonl:render",
        "md": "edgebench.reports.markdown:render",
        "parquet": "edgebench.reports.frame:parquet",
        "pytest-benchmark": "edgebench.reports.pytest_benchmark:render",
        "scores": "edgebench.reports.scores:render",
        "table": "edgebench.reports.table:render",
    },
    "tasks": {
        "image-classification": "edgebench.tasks.classify_image:ImageClassification",
        "object-detection": "edgebench.tasks.detect_objects:ObjectDetection",
        "segmentation": "edgebench.tasks.segment_image:ImageSegmentation",
        "text-classification": "edgebench.tasks.classify_text:TextClassification",
        "token-classification": "edgebench.tasks.tag_tokens:TokenClassification",
        "translation": "edgebench.tasks.translate:Translate",
    },
}


def names(group: str) -> list[str]:
    """Every name in `group`, built-in ones first."""
    outside = sorted(_outside(group))
    return sorted(BUILT_IN[group]) + [name for name in outside if name not in BUILT_IN[group]]


def get(group: str, name: str) -> Any:
    """The object called `name` in `group` ("backends", "tasks", ...); built-ins cannot be shadowed."""
    if name in BUILT_IN[group]:
        module, _, attribute = BUILT_IN[group][name].partition(":")
        return getattr(importlib.import_module(module), attribute)
    outside = _outside(group)
    if name not in outside:
        raise UsageError(f"there is no {group.removesuffix('s')} {name!r}; there are {', '.join(names(group))}.{did_you_mean(name, names(group))}")
    entry = outside[name]
    try:
        return entry.load()
    except Exception as error:  # a stranger's package may raise anything while it is imported
        what = f"{group.removesuffix('s')} {name!r} of package {entry.dist.name if entry.dist else entry.value!r}"
        raise UnsupportedError(f"{what} failed to load: {type(error).__name__}: {error}; update or uninstall that package") from error


def _outside(group: str) -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points  # 20 ms that what is built in need not wait for

    return {entry.name: entry for entry in entry_points(group=f"edgebench.{group}")}
