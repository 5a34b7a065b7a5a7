"""What a page says, each message with its bounds: nothing else is taken from it."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Short = Annotated[str, Meta(max_length=120)]
Long = Annotated[str, Meta(max_length=500)]
Count = Annotated[int, Meta(ge=0, le=1_000_000)]
Ns = Annotated[int, Meta(ge=0, le=10**14)]  # a day
Series = Annotated[list[Ns], Meta(max_length=2_000_000)]
Share = Annotated[float, Meta(ge=0, le=1)]


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A message or a part of one: unknown fields are refused."""


class Screen(Said, frozen=True):
    """In CSS pixels."""

    width: Count
    height: Count
    pixel_ratio: Annotated[float, Meta(gt=0, le=100)]


class Gpu(Said, frozen=True):
    """The WebGPU adapter; `software` is one that a processor plays."""

    name: Short
    software: bool


class Facts(Said, frozen=True):
    """The browser and its device, as far as the browser tells; null is what it does not."""

    user_agent: Long
    brands: Annotated[list[Short], Meta(max_length=8)]
    model: Short | None
    platform: Short | None
    architecture: Short | None
    language: Short | None
    cores: Annotated[int, Meta(ge=1, le=4096)] | None
    memory_gib: Annotated[float, Meta(gt=0, le=65536)] | None  # rounded by the browser, and at most 8 in most
    screen: Screen
    touch_points: Count | None
    battery_level: Share | None
    charging: bool | None
    secure: bool
    isolated: bool
    threads: bool
    simd: bool
    webgpu: Gpu | None
    cache_storage: bool
    clock_resolution_ns: Ns


class Hello(Said, frozen=True):
    """The first message of a page, and of each that goes on after it was loaded again (then `code` is empty)."""

    code: Short
    facts: Facts


class Start(Said, frozen=True):
    """The cells that its user left ticked."""

    cells: Annotated[list[Short], Meta(min_length=1, max_length=500)]


class Phases(Said, frozen=True):
    """See `edgebench.record.Cold`: of a fresh worker of the page."""

    process_start_ns: Ns
    import_ns: Ns
    load_ns: Ns
    first_answer_ns: Ns
    total_ns: Ns


class PageWindow(Said, frozen=True):
    """See `edgebench.record.Window`."""

    at_ns: Ns
    runs: Count
    median_ns: Ns


class Timing(Said, frozen=True):
    """Each sample is the mean of `calls` calls of one input, `tokens` long."""

    samples_ns: Annotated[Series, Meta(min_length=1)]
    warm_up_ns: Series
    settled: bool
    calls: Annotated[int, Meta(ge=1, le=1_000_000)]
    clock_resolution_ns: Ns
    tokens: Annotated[list[Count], Meta(max_length=2_000_000)]
    stages_ns: Annotated[dict[Literal["tokenise", "run", "decode"], Series], Meta(min_length=3)]
    windows: Annotated[list[PageWindow], Meta(max_length=20_000)]


class State(Said, frozen=True):
    """Of the page around a pass. `hidden`: it was so at some time since the pass began."""

    hidden: bool
    software_gpu: bool | None
    battery_level: Share | None
    charging: bool | None


class Used(Said, frozen=True):
    """The engine as it tells itself."""

    version: Short
    threads: Annotated[int, Meta(ge=1, le=4096)]
    accelerator: Short
    simd: bool


class Broken(Said, frozen=True):
    """Why a pass gave nothing."""

    kind: Literal["unsupported", "engine", "worker"]
    message: Annotated[str, Meta(max_length=400)]


class Reply(Said, frozen=True):
    """To the job of this number."""

    number: Annotated[int, Meta(ge=1, le=10**9)]
    probabilities: Annotated[list[Annotated[list[Share], Meta(max_length=10_000)]], Meta(max_length=100_000)] | None = None
    timing: Timing | None = None
    cold: Phases | None = None
    engine: Used | None = None
    before: State | None = None
    after: State | None = None
    failure: Broken | None = None
