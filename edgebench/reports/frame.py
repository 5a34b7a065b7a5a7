"""Records -> pandas data frames, and a Parquet file: for whoever goes on with the numbers elsewhere.

    from pathlib import Path
    from edgebench.record import read_lines
    from edgebench.reports.frame import frame, samples

    records = read_lines(Path("results/phone.jsonl"))
    frame(records)[["backend", "precision", "median_ns", "accuracy"]]
    samples(records).groupby(["id", "process"])["time_ns"].median()
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING, Any

from edgebench.errors import MissingError
from edgebench.record import Record
from edgebench.reports.cells import COLUMNS, rows

if TYPE_CHECKING:
    from pandas import DataFrame

WHOLE = {  # columns of whole numbers, which stay so where some are missing
    "threads", "length", "batch", "fastest", "n", "outliers", "processes", "examples",
    "size_bytes", "rss_baseline_bytes", "rss_peak_bytes", "usable_cores", "seed",
}
NUMBERS = {"cv", "per_s", "accuracy", "accuracy_low", "accuracy_high", "parity_difference", "parity_agreement", "energy_j", "ops", "work_bytes", "of_roof"}


def frame(records: Sequence[Record]) -> DataFrame:
    """One row for each record, the columns of the CSV report; missing is <NA>, and a column has one type also where all of it is missing."""
    pandas = _pandas()
    table = rows(records)
    return pandas.DataFrame({name: pandas.array([row[name] for row in table], dtype=_type(name)) for name in COLUMNS})


def samples(records: Sequence[Record]) -> DataFrame:
    """One row for each timed query, in order: the record's `id`, which fresh `process`, `place` in it from 0, and `time_ns`."""
    pandas = _pandas()
    queries = [
        (record.id, process, place, time)
        for record in records if record.latency
        for process, times in enumerate(record.latency.processes_ns)
        for place, time in enumerate(times)
    ]
    types = {"id": "string", "process": "Int64", "place": "Int64", "time_ns": "Int64"}
    return pandas.DataFrame(queries, columns=list(types)).astype(types)


def parquet(records: Sequence[Record]) -> bytes:
    """The bytes of a Parquet file of `frame`."""
    if not find_spec("pyarrow"):
        raise MissingError("a Parquet file needs pyarrow, which is not installed; install edgebench[frame]")
    out = BytesIO()
    frame(records).to_parquet(out, engine="pyarrow", index=False)
    return out.getvalue()


def _pandas() -> Any:
    if not find_spec("pandas"):
        raise MissingError("a data frame needs pandas, which is not installed; install edgebench[frame]")
    import pandas

    return pandas


def _type(name: str) -> str:
    if name in WHOLE:
        return "Int64"
    return "Float64" if name in NUMBERS or name.endswith("_ns") else "string"
