"""A plot: a name, a title, what it shows in words, and a function that draws it; and the look that all plots share.

Drawn with matplotlib's figures, never its global state. Colours are Okabe and Ito's (Color Universal Design, 2008), which
people with any colour vision tell apart; a shape or a word always says the same as the colour.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING, Any

from edgebench.errors import MissingError
from edgebench.record import Record
from edgebench.reports.base import model
from edgebench.units import duration_text, fitting, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, GRID, PAPER = "#1a1b20", "#5c5e66", "#dddfe4", "#fefefe"
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a6d3b", "#6a5acd")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
WIDE, NARROW = 9.6, 3.4  # inches, at 96 points of a screen each: a page's column, and a phone's
LONGEST, LONGEST_NARROW = 56, 42  # characters of a name in a wide and a narrow picture; a longer one loses its middle
CHARACTER = 4.8  # points that one takes on average
DOTS_PER_INCH = 200  # of a PNG

STYLE: dict[str, Any] = {
    "svg.fonttype": "none", "svg.hashsalt": "edgebench", "text.parse_math": False, "axes.unicode_minus": True,
    "font.family": ["DejaVu Sans"], "font.size": 8.5, "axes.labelsize": 8.5, "xtick.labelsize": 8, "ytick.labelsize": 8, "legend.fontsize": 8,
    "axes.titlesize": 9, "axes.titlelocation": "left", "axes.titleweight": "bold",
    "text.color": INK, "axes.labelcolor": MUTED, "axes.edgecolor": GRID, "xtick.color": GRID, "ytick.color": GRID,
    "xtick.labelcolor": MUTED, "ytick.labelcolor": MUTED, "axes.facecolor": "none", "figure.facecolor": PAPER,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": GRID, "grid.linewidth": 0.6, "axes.axisbelow": True,
    "legend.frameon": False, "lines.linewidth": 1.4, "figure.constrained_layout.use": True, "hatch.linewidth": 0.6,
}

PARTS: dict[str, Callable[[Record], str]] = {  # of a cell's name
    "model": model, "backend": lambda one: one.spec.backend, "precision": lambda one: "any" if one.spec.precision == "*" else one.spec.precision,
    "accelerator": lambda one: one.spec.accelerator, "threads": lambda one: f"{one.spec.threads} thread{'s' if one.spec.threads != 1 else ''}",
    "length": lambda one: f"{one.spec.length} tokens" if one.spec.length else "own lengths", "scenario": lambda one: one.spec.scenario,
    "format": lambda one: one.spec.format, "batch": lambda one: f"batch {one.spec.batch}",
    "rate": lambda one: f"{one.spec.rate_hz:g} /s offered" if one.spec.rate_hz else "rate sought",
    "bound": lambda one: f"{duration_text(one.spec.bound_ns)} bound" if one.spec.bound_ns else "own bound", "rules": lambda one: one.spec.rules,
}
STEPS: tuple[tuple[float, tuple[float, ...]], ...] = (  # how far a logarithmic axis reaches -> where it has ticks in each decade
    (2.2, ()), (12, (1, 1.5, 2, 3, 5, 7)), (1e3, (1, 2, 5)), (math.inf, (1,)),
)  # fmt: skip
NOUNS = {"process": "processes", "query": "queries"}
IF_NEEDED = ("format", "batch", "rate", "bound", "rules")  # where two cells have the same name without it


@dataclass(frozen=True)
class Plot:
    """`name` is a file's stem; `about` says in a sentence or two how to read it. `draw` takes a width in inches."""

    name: str
    title: str
    about: str
    draw: Callable[[float], Figure]


def check() -> None:
    """MissingError where nothing can be drawn."""
    if not find_spec("matplotlib"):
        raise MissingError("plots need matplotlib, which is not installed; install edgebench[report]")


def svg(plot: Plot, width: float = WIDE) -> str:
    """The picture as SVG with its text as text: the same bytes for the same records."""
    text = _saved(plot, width, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))).decode()
    text = re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", " ", text)  # a name's control characters, which are no XML and which a terminal would obey
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    return re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", text)  # an artist's own name may come twice


def png(plot: Plot, width: float = WIDE) -> bytes:
    """The picture as PNG."""
    return _saved(plot, width, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})


def drawn(plot: Plot, width: float = WIDE) -> Figure:
    """The figure itself, in the common look."""
    check()
    with _look():
        return plot.draw(width)


def figure(width: float, height: float, rows: int = 1, **options: Any) -> tuple[Figure, list[Axes]]:
    """An empty figure and its axes, one below the other."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height))
    axes = made.subplots(rows, 1, squeeze=False, **options)
    return made, [row[0] for row in axes]


def is_wide(width: float) -> bool:
    """Whether there is room for names beside what they name."""
    return width >= (WIDE + NARROW) / 2


def columns(texts: Sequence[str], width: float) -> int:
    """How many of these a legend has room for in a line."""
    return max(min(int(width * 72 / (max(map(len, texts)) * CHARACTER + 34)), len(texts)), 1)


def labels(records: Sequence[Record], width: float = WIDE) -> dict[int, str]:
    """For the id() of each record the shortest name by which it differs from the others: always engine and precision, and what else varies."""
    shown = [name for name in PARTS if name in ("backend", "precision") or (name not in IF_NEEDED and len({PARTS[name](one) for one in records}) > 1)]
    for name in IF_NEEDED:
        if len({_label(one, shown) for one in records}) < len({_label(one, [*shown, name]) for one in records}):
            shown.append(name)
    most = LONGEST if is_wide(width) else LONGEST_NARROW
    return {id(one): _shortened(_label(one, shown), most) for one in records}


def _label(record: Record, shown: Sequence[str]) -> str:
    return plain(" ".join(PARTS[name](record) for name in shown))


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most // 2 - 1]}…{text[-most // 2 :]}"


def colours(records: Sequence[Record]) -> dict[str, str]:
    """A colour for each engine; taken of all records that are shown together, so that an engine has one colour in all their plots."""
    return {name: SERIES[place % len(SERIES)] for place, name in enumerate(sorted({one.spec.backend for one in records}))}


def shapes(records: Sequence[Record]) -> dict[str, str]:
    """A marker for each precision."""
    return {name: MARKERS[place % len(MARKERS)] for place, name in enumerate(sorted({one.spec.precision for one in records}))}


def scaled(values: Sequence[float], units: tuple[tuple[str, float], ...]) -> tuple[str, float]:
    """The unit of an axis over these values."""
    return fitting(max(values), units)


def logarithmic(axis: Any, low: float, high: float) -> None:
    """Ticks that are read as numbers, also where the axis spans less than a decade. `axis` is an x or a y axis."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, NullLocator

    steps = next(steps for reach, steps in STEPS if high / low <= reach)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    fixed = [step * 10**decade for decade in decades for step in steps]
    axis.set_major_locator(FixedLocator(fixed) if fixed else MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def spread(numbers: Sequence[int], noun: str) -> str:
    """"3 processes", or "3 to 6 processes"."""
    low, high = min(numbers), max(numbers)
    return f"{low}{f' to {high}' if high > low else ''} {noun if high == 1 else NOUNS.get(noun, f'{noun}s')}"


def slug(text: str) -> str:
    """A part of a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60]


@contextmanager
def _look() -> Iterator[None]:
    import matplotlib

    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # a name in another script: a browser has the font, SVG holds the text
        yield


def _saved(plot: Plot, width: float, **options: Any) -> bytes:
    check()
    out = BytesIO()
    with _look():
        plot.draw(width).savefig(out, **options)
    return out.getvalue()
