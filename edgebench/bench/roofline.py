"""The roof pass: what this machine reaches with so many threads, in arithmetic (fp32, int8) and in memory bandwidth.

Each is the best that was seen over several shapes and repetitions: a roof says what can be had, and whatever disturbs a
repetition only makes it slower. After S. Williams, A. Waterman, D. Patterson, "Roofline: an insightful visual performance
model for multicore architectures", Communications of the ACM 52 (2009) 65-76, with products run by an engine instead of
peaks from a data sheet. What they place under it is counted in `edgebench.bench.work`.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgebench import plugins
from edgebench.backends.base import Backend, Options
from edgebench.bench import gemm
from edgebench.bench.job import Answer, Job
from edgebench.errors import EdgebenchError
from edgebench.record import Roof

if TYPE_CHECKING:
    from numpy.typing import NDArray

Clock = Callable[[], float]
ENGINE = "onnxruntime"  # the one that is always there; its int8 and fp32 kernels are among the fastest on x86-64 and Arm
# rows, inner, columns: square ones, and one as a transformer's layers have it; the caches and the engine's tiles like different ones
SHAPES = ((512, 512, 512), (1024, 1024, 1024), (256, 2048, 512))
LEAST, LEAST_S = 4, 0.3  # repetitions of each, at least so many and so long
CACHES = 4  # times the largest cache: so large an array is not in it
CACHE_BYTES = 32 << 20  # taken where the machine does not say
MOST_OF_MEMORY = 8  # an array is at most this part of what is free
THREADS_OF_BLAS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "OMP_NUM_THREADS")


@dataclass(frozen=True)
class Effort:
    """What to try, and how long."""

    shapes: Sequence[tuple[int, int, int]] = SHAPES
    least: int = LEAST
    least_s: float = LEAST_S
    array_bytes: int | None = None  # of each of the two arrays of the stream; null: by the largest cache
    clock: Clock = time.perf_counter


def measure(job: Job) -> Answer:
    """The roof with the spec's threads. In a fresh process: numpy's BLAS takes its threads when it is loaded."""
    roof, notes = measured(job.spec.threads)
    return Answer(roof=roof, notes=notes)


def measured(threads: int, effort: Effort = Effort()) -> tuple[Roof, list[str]]:
    """The roof, and what could not be measured."""
    blas_heeds = "numpy" not in sys.modules  # after that it has its threads
    if blas_heeds:
        os.environ |= dict.fromkeys(THREADS_OF_BLAS, str(threads))
    ops, notes = dict[str, float](), list[str]()
    backend: Backend = plugins.get("backends", ENGINE)
    for precision, run in (("fp32", _fp32), ("int8", _int8)):
        try:
            ops[precision] = max(run(backend, threads, shape, effort) for shape in effort.shapes)
        except EdgebenchError as error:
            notes.append(f"roof: {precision} was not measured: {error}")
    if blas_heeds:
        ops["fp32"] = max(ops.get("fp32", 0.0), *(_blas(shape, effort) for shape in effort.shapes))
    size = effort.array_bytes or _array_bytes()
    rates = _streams(threads, size, effort)
    return Roof(threads=threads, ops_per_s=ops, bytes_per_s=max(rates.values()), method=_method(backend.version(), blas_heeds, effort, size, rates)), notes


def best_s(call: Callable[[], Any], effort: Effort) -> float:
    """The shortest of the repetitions; one before them is not counted."""
    call()
    best, repetitions, begin = float("inf"), 0, effort.clock()
    now = begin
    while repetitions < effort.least or now - begin < effort.least_s:
        last = effort.clock()
        call()
        now = effort.clock()
        best, repetitions = min(best, now - last), repetitions + 1
    return best


def _fp32(backend: Backend, threads: int, shape: tuple[int, int, int], effort: Effort) -> float:
    import numpy as np

    rows, inner, columns = shape
    random = np.random.default_rng(0)
    weights = random.standard_normal((inner, columns), np.float32)
    data = gemm.model("MatMul", (rows, inner), weights, taken="float32", given="float32")
    return _product(backend, data, random.standard_normal((rows, inner), np.float32), threads, shape, effort)


def _int8(backend: Backend, threads: int, shape: tuple[int, int, int], effort: Effort) -> float:
    """Unsigned by signed bytes, as dynamic quantisation has it; sums in 32 bits."""
    import numpy as np

    rows, inner, columns = shape
    random = np.random.default_rng(0)
    weights = random.integers(-64, 64, (inner, columns), np.int8)
    data = gemm.model("MatMulInteger", (rows, inner), weights, taken="uint8", given="int32")
    return _product(backend, data, random.integers(0, 256, (rows, inner), np.uint8), threads, shape, effort)


def _product(backend: Backend, data: bytes, x: NDArray[Any], threads: int, shape: tuple[int, int, int], effort: Effort) -> float:
    """Operations a second."""
    rows, inner, columns = shape
    with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
        path = Path(folder) / "product.onnx"
        path.write_bytes(data)
        session = backend.open(path, Options(threads=threads))
        try:
            return 2 * rows * inner * columns / best_s(lambda: session.run({"x": x}), effort)
        finally:
            session.close()


def _blas(shape: tuple[int, int, int], effort: Effort) -> float:
    """The same product by numpy, which brings OpenBLAS or the system's: a roof is as high as the best that is at hand."""
    import numpy as np

    rows, inner, columns = shape
    random = np.random.default_rng(0)
    a, b = random.standard_normal((rows, inner), np.float32), random.standard_normal((inner, columns), np.float32)
    out = np.empty((rows, columns), np.float32)
    return 2 * rows * inner * columns / best_s(lambda: np.matmul(a, b, out=out), effort)


def _streams(threads: int, array_bytes: int, effort: Effort) -> dict[str, float]:
    """Bytes a second of a copy, a scaling and a reading, each thread over its own part of the arrays; numpy releases Python's lock meanwhile.

    Counted as STREAM does (J. D. McCalpin, 1995): what is read and what is written, not what the cache fetches to write it.
    """
    import numpy as np

    a, b = np.ones(array_bytes // 4, np.float32), np.zeros(array_bytes // 4, np.float32)
    parts = list(zip(np.array_split(a, threads), np.array_split(b, threads), strict=True))
    kernels: dict[str, tuple[int, Callable[[NDArray[Any], NDArray[Any]], Any]]] = {
        "copy": (2, lambda a, b: np.copyto(b, a)), "scale": (2, lambda a, b: np.multiply(a, np.float32(3), out=b)), "read": (1, lambda a, b: a.max()),
    }
    with _together(threads) as together:
        return {
            name: times * a.nbytes / best_s(lambda kernel=kernel: together([lambda part=part: kernel(*part) for part in parts]), effort)  # type: ignore[misc]
            for name, (times, kernel) in kernels.items()
        }


@contextmanager
def _together(threads: int) -> Iterator[Callable[[Sequence[Callable[[], Any]]], None]]:
    """Runs calls at once, and returns when the last has ended; one alone runs here."""
    if threads == 1:
        yield lambda calls: calls[0]()
        return
    with ThreadPoolExecutor(threads) as pool:

        def run(calls: Sequence[Callable[[], Any]]) -> None:
            for future in [pool.submit(call) for call in calls]:
                future.result()

        yield run


def _array_bytes() -> int:
    """So that an array is in no cache, yet leaves room for everything else."""
    import psutil

    return int(min(CACHES * (largest_cache_bytes() or CACHE_BYTES), psutil.virtual_memory().available // MOST_OF_MEMORY))


def largest_cache_bytes(root: Path = Path("/")) -> int | None:
    """Of the caches that the kernel lists for the first processor; None where it lists none."""
    units = {"K": 1 << 10, "M": 1 << 20}
    sizes = []
    for path in (root / "sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        text = path.read_text().strip()
        if text[:-1].isdigit() and text[-1] in units:
            sizes.append(int(text[:-1]) * units[text[-1]])
    return max(sizes, default=None)


def _method(version: str, blas: bool, effort: Effort, size: int, rates: dict[str, float]) -> str:
    shapes = ", ".join("x".join(map(str, one)) for one in effort.shapes)
    best = max(rates, key=lambda name: rates[name])
    products = f"fp32 MatMul and int8 MatMulInteger in {ENGINE} {version}{', and fp32 in numpy' if blas else ''}"
    return f"best repetition of {products}, rows x inner x columns {shapes}; {best} of {size >> 20} MiB, the fastest of copy, scale and read"
