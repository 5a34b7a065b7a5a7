"""A Spec -> what its passes are about: the open pipeline an app would call, the inputs it is given, and what it says of itself."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edgebench.bench.job import Job
from edgebench.errors import UnsupportedError
from edgebench.record import Spec

if TYPE_CHECKING:
    from edgebench.pipeline import Pipeline

RESIZED = 64  # different inputs made at a fixed length


def import_all(spec: Spec) -> None:
    """Import what the pipeline will need, so that importing and loading are told apart."""
    from edgebench import catalog, pipeline, plugins  # noqa: F401
    from edgebench.models import card as cards

    plugins.get("backends", spec.backend).version()
    plugins.get("tasks", cards.read(catalog.find("models", spec.model)).task)


def load(spec: Spec) -> Pipeline:
    """The pipeline; UnsupportedError where the engine would open another variant than the spec names."""
    from edgebench import pipeline

    pipe = pipeline.load(
        spec.model, backend=spec.backend, precision=spec.precision, threads=spec.threads, accelerator=spec.accelerator, require=spec.require,
        allow_code=spec.allow_code,
    )
    if pipe.variant.format != spec.format:
        raise UnsupportedError(f"backend {spec.backend!r} opened {pipe.variant.name}, not {spec.format}/{spec.precision}; list one of them in the card")
    return pipe


def inputs(job: Job, pipe: Pipeline) -> list[Any]:
    """The job's examples, cut or joined to the spec's length where it has one."""
    if job.spec.length is None:
        return job.examples
    return pipe.task.resize(job.examples[:RESIZED], job.spec.length, job.spec.seed)


def facts(pipe: Pipeline) -> dict[str, Any]:
    """`engine` and `artifact` of an Answer."""
    variant = pipe.variant
    return {
        "engine": asdict(pipe.facts),
        "artifact": {"task": pipe.card.task, "format": variant.format, "file": variant.file, "sha256": variant.sha256, "size_bytes": variant.total_bytes},
    }
