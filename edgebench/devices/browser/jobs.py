"""A Job -> the same in the page's words: what to run, which files it takes, the inputs in the order in which they are timed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgebench import catalog, plugins
from edgebench.bench.job import Job
from edgebench.bench.subject import RESIZED
from edgebench.bench.timed import drawn
from edgebench.devices.browser.engines import engine, fetched
from edgebench.errors import UnsupportedError
from edgebench.models import card as cards
from edgebench.models.artifact import artifact, files
from edgebench.models.card import Card
from edgebench.record import Spec

TASKS = ("text-classification",)
SCENARIOS = ("single-stream", "sustained", "first-answer")
PRECISIONS = {"webgpu": ("fp32", "fp16")}  # of an accelerator: integer kernels would run on the processor beside it

Places = dict[str, tuple[Path, Path | None]]  # by digest: a file, and the same compressed


def why_not(card: Card, spec: Spec, facts: dict[str, Any]) -> str | None:
    """What keeps this page from the cell; None where nothing does. `facts` are the host's."""
    if card.task not in TASKS:
        return f"the page knows {', '.join(TASKS)}, and {card.name} is for {card.task}"
    if spec.threads > 1 and not facts["page"]["threads"]:
        return "threads need a page that is isolated across origins; serve it by https (--tls), or by localhost over a cable (adb reverse)"
    if spec.accelerator == "webgpu" and not facts["page"]["webgpu"]:
        return "this browser has no WebGPU here"
    return None


def needed(spec: Spec) -> list[dict[str, Any]]:
    """The files that a cell takes, by digest, with the bytes that go over the line, and where they lie."""
    path = catalog.find("models", spec.model)
    card = cards.read(path)
    found = artifact(path, card, card.variant(spec.format, spec.precision))
    listed: list[tuple[str, str, int, Path, Path | None]] = [
        ("model", found.variant.sha256, found.variant.size_bytes, found.path, None),
        *(("tokenizer", one.sha256, one.size_bytes, files(path, card)[name], None) for name, one in card.files.items() if name == "tokenizer"),
    ]
    used = engine(spec.backend, spec.accelerator)
    for name, one in fetched(used, offline=True).items():
        if used.skips(name, spec.threads):
            continue
        listed.append(("engine" if name == used.heavy else name, one.sha256, one.size_bytes, one.path, one.gz))
    return [
        {"what": what, "sha256": sha256, "size_bytes": size, "packed_bytes": gz.stat().st_size if gz else size, "paths": (place, gz)}
        for what, sha256, size, place, gz in listed
    ]


def described(job: Job, number: int) -> tuple[dict[str, Any], Places]:
    """The job as the page reads it, and the places of the files that it may ask for."""
    spec, path = job.spec, catalog.find("models", job.spec.model)
    card = cards.read(path)
    used, listed = engine(spec.backend, spec.accelerator), needed(spec)
    examples = list(job.examples)
    if spec.length is not None:
        task = plugins.get("tasks", card.task)(card, files(path, card))
        examples = task.resize(examples[:RESIZED], spec.length, spec.seed)
    kept = {one["what"]: {"sha256": one["sha256"], "size_bytes": one["size_bytes"]} for one in listed if one["what"] in ("model", "tokenizer", "engine")}
    said = {
        "number": number, "part": job.part, "doing": f"{spec.name}: {job.part}", "engine": spec.backend, "threads": spec.threads,
        "accelerator": spec.accelerator, "scenario": spec.scenario, "labels": len(card.labels), "max_tokens": int(card.preprocess.get("max_tokens", 512)),
        "files": kept, "urls": {"folder": used.folder, "module": used.folder + used.module, "glue": used.folder + used.glue, "version": used.version},
        "examples": examples, "order": drawn(list(range(len(examples))), spec.batch, spec.seed) if job.part == "latency" else [],
        "min_runs": spec.min_runs, "min_time_s": spec.min_time_s, "warm_up_cap_s": spec.warm_up_cap_s, "timeout_s": spec.timeout_s,
    }  # fmt: skip
    return said, {one["sha256"]: one["paths"] for one in listed}


def supported(spec: Spec) -> None:
    """UnsupportedError for a scenario that the page does not run."""
    if spec.scenario not in SCENARIOS:
        raise UnsupportedError(f"the page runs the scenarios {', '.join(SCENARIOS)}, not {spec.scenario!r}; measure that one with edgebench on a device")
