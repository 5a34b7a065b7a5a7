"""Records -> one self-contained HTML page: what to take, every cell, the plots, the reasons, the machine; light and dark; wide and narrow.

The page asks nothing of any other place and runs no program; its content security policy holds a browser to that. Plots
are drawn twice, for a wide page and for a phone, with the colours of the page's style.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape
from itertools import count
from pathlib import Path
from typing import Any

from edgebench.record import Record
from edgebench.reports import pairs
from edgebench.reports.base import Column, columns, device, fastest, footnotes, model, title
from edgebench.reports.plots import base as look
from edgebench.reports.plots import sections
from edgebench.reports.recommend import apart, numbers, question, recommend
from edgebench.units import bytes_text, celsius_text, duration_text, hertz_text, plain

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
VARIABLES = {  # a colour of the plots -> the page's
    look.INK: "--ink", look.MUTED: "--muted", look.GRID: "--grid", look.PAPER: "--paper",
    **{colour: f"--s{place}" for place, colour in enumerate(look.SERIES, start=1)},
}
SUFFIXES = (("_bytes", bytes_text), ("_hz", hertz_text), ("_ns", duration_text), ("_c", celsius_text))  # of facts about the machine
MANY = 500  # cells: more are not drawn, nor is each weighed against each other one
FEW = 10  # notes that a reader has open before him
HIDDEN = {"before", "after"}  # of the host: the state around each process, which the records hold in full
READING = (
    "Every number was measured in fresh processes by the call that an app makes; each record holds every sample. A cell is valid only if its answers agree "
    "with the reference and its accuracy keeps the card's tolerance; only a valid cell can be the fastest or be on the front. A noisy cell may differ by more "
    "than 3 % when measured again. ± and bars are 95 % intervals. A dash stands for what was not measured: it is never zero. A number belongs to the machine, "
    "the inputs and the labelled set that are named with it."
)


def render(records: Sequence[Record]) -> str:
    """The whole page. Records of several machines or labelled sets stand apart, and nothing ranks one against another."""
    look.check()
    parts = apart(records)
    name = ", ".join(dict.fromkeys(model(one).partition("@")[0] for one in records)) or "nothing was measured"
    pictures = (f"p{number}" for number in count(1))
    body = "".join(_part(part, pictures, heading=_heading(part) if len(parts) > 1 else "") for part in parts)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n<link rel="icon" href="data:,">\n'
        f"<title>edgebench: {safe(name)}</title>\n<style>\n{Path(__file__).with_name('page.css').read_text(encoding='utf-8')}</style>\n</head>\n<body>\n"
        f"<header>\n<h1>{safe(name)}</h1>\n{_head(records, parts)}</header>\n<main>\n{body}</main>\n"
        f"<footer>\n<h2>How to read this page</h2>\n<p>{READING}</p>\n</footer>\n</body>\n</html>\n"
    )


def safe(text: str) -> str:
    """No character of a name or a reason is taken for markup or a line break."""
    return escape(plain(text))


def _head(records: Sequence[Record], parts: Sequence[Sequence[Record]]) -> str:
    """What was measured, where and when, and how many cells of each verdict."""
    verdicts = Counter(one.verdict for one in records)
    lines = [*(title(records) if len(parts) == 1 else []), f"{_many(len(records), 'cell')}: {', '.join(f'{n} {verdict}' for verdict, n in verdicts.items())}"]
    found = "".join(f"<p>{safe(line)}</p>\n" for line in [*lines, *_versions(records)])
    if len(parts) > 1:
        found += (
            f'<p class="warning">These are records of {len(parts)} machines or labelled sets. They stand apart below, and nothing here ranks a cell of one '
            "against a cell of another.</p>\n"
        )
    return found


def _versions(records: Sequence[Record]) -> list[str]:
    """Of edgebench, of each engine, of Python and the system, as far as they are known; each once."""
    own = [(f"edgebench {version}" if (version := one.host.get("packages", {}).get("edgebench")) else "") for one in records]
    engines = [f"{one.engine['library']} {one.engine.get('version', '')}".strip() for one in records if one.engine.get("library")]
    systems = [text for one in records for text in (f"Python {one.host['python']}" if one.host.get("python") else "", str(one.host.get("os") or ""))]
    known = [text for text in dict.fromkeys([*own, *sorted(set(engines)), *systems]) if text]
    return [", ".join(known)] if known else []


def _heading(part: Sequence[Record]) -> str:
    return " · ".join(title(part)[::-1]) or device(part[0])


def _part(records: Sequence[Record], pictures: Iterator[str], *, heading: str) -> str:
    """Records of one machine and one labelled set."""
    found = f"<section>\n<h2>{safe(heading)}</h2>\n" if heading else "<section>\n"
    if len(records) > MANY:
        said = f"{len(records)} cells are too many to draw, or to choose among on a page; give `edgebench report` and `recommend` fewer at a time."
        return f'{found}{_table(records)}<p class="muted">{safe(said)}</p>\n{_machine(records)}</section>\n'
    found += "".join(_pick(one) for one in recommend(records, []) if any(record.outcome == "ok" for record in one.records))
    found += _table(records)
    older = len(records) - len(pairs.latest(records))
    if older:
        found += f'<p class="muted">{_many(older, "record")} of cells that were measured again: the plots and the choice take the latest of each.</p>\n'
    for section in sections(records):
        found += f"<h2>{safe(section.title)}</h2>\n{''.join(_figure(plot, pictures) for plot in section.plots)}"
        found += "".join(f'<p class="muted">{safe(about)}</p>\n' for about in dict.fromkeys(plot.about for plot in section.plots))
    return f"{found}{_machine(records)}</section>\n"


def _pick(found: Any) -> str:
    """Which cell of a question to take where nothing is limited, and why not each other one."""
    what = f"{question(found.records[0])}: "
    if found.pick:
        said = f'<div class="pick">\n<p>{safe(what)}take <strong>{safe(found.pick.spec.name)}</strong>: {safe(numbers(found.pick))}</p>\n'
    else:
        said = f'<div class="pick none">\n<p>{safe(what)}take none: {safe("; ".join(found.nearest) or "no valid cell has a time")}</p>\n'
    others = "".join(f"<li>{safe(record.spec.name)}: {safe(why)}</li>\n" for record, why in found.rejected)
    return f"{said}{f'<details><summary>Why not the others</summary>{chr(10)}<ul>{chr(10)}{others}</ul></details>{chr(10)}' if others else ''}</div>\n"


def _table(records: Sequence[Record]) -> str:
    """Every cell and every column, with the footnotes below."""
    winners = {id(one) for one in fastest(records)}
    shown = _verdict_first(columns(records))
    head = "".join(f'<th scope="col"{_side(one.right)}>{safe(one.name)}</th>' for one in shown)
    lines = []
    for record in records:
        cells = "".join(
            f'<td class="{record.verdict}">{safe(one.text(record))}</td>' if one.name == "verdict" else f"<td{_side(one.right)}>{safe(one.text(record))}</td>"
            for one in shown
        )
        lines.append(f'<tr{" class=fastest" if id(record) in winners else ""}>{cells}</tr>\n')
    said = footnotes(records)
    notes = "".join(f"<li>{safe(line)}</li>\n" for line in said)
    table = f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{''.join(lines)}</tbody>\n</table>"
    return f'<h2>Every cell</h2>\n<div class="scroll">{table}</div>\n{_folded(len(said), notes)}'


def _verdict_first(shown: list[Column]) -> list[Column]:
    """The verdict before the numbers, so that a phone shows it without scrolling."""
    place = next(place for place, one in enumerate(shown) if one.name == "median")
    return [*shown[:place], *(one for one in shown if one.name == "verdict"), *(one for one in shown[place:] if one.name != "verdict")]


def _folded(number: int, items: str) -> str:
    """Reasons and notes, open where they are few."""
    return f"<details{' open' if number <= FEW else ''}>\n<summary>Reasons and notes ({number})</summary>\n<ul>\n{items}</ul>\n</details>\n"


def _side(right: bool) -> str:
    return ' class="number"' if right else ""


def _figure(plot: look.Plot, pictures: Iterator[str]) -> str:
    """Both widths of a plot, one of which the style shows."""
    name = next(pictures)
    heading = f"<h4>{safe(plot.title)}</h4>\n" if plot.title else ""
    drawn = "".join(
        f'<div class="{which}">{inline(look.svg(plot, width), f"{name}{which[0]}", f"{plot.name} {plot.title}")}</div>\n'
        for which, width in (("wide", look.WIDE), ("narrow", look.NARROW))
    )
    return f"{heading}<figure>\n{drawn}</figure>\n"


def inline(svg: str, name: str, label: str) -> str:
    """matplotlib's SVG as an element of a page: no prologue and no style that reaches beyond it, ids of its own, the page's colours and font."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"\s*<style.*?</style>|\s*<metadata.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<svg[^>]*?(viewBox="[^"]*")[^>]*>', rf'<svg \1 role="img" aria-label="{safe(label.strip())}">', svg, count=1, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(?:xlink:)?href="#', f'href="#{name}-', svg).replace("url(#", f"url(#{name}-")
    svg = re.sub(r"(font-family: |font: [^;\"]*?px )[^;\"]*", r"\1var(--sans)", svg)
    return re.sub(r"#[0-9a-f]{6}\b", lambda found: f"var({VARIABLES[found[0]]})" if found[0] in VARIABLES else found[0], svg).strip()


def _machine(records: Sequence[Record]) -> str:
    """Every fact about the machine that is known, with each value that some record has, and the names of those that are not."""
    facts: dict[str, list[str]] = {}
    for record in records:
        for key, value in record.host.items():
            said = facts.setdefault(key, [])
            if key not in HIDDEN and value not in (None, [], {}) and (text := _said(key, value)) not in said:
                said.append(text)
    known = "".join(f"<dt>{safe(key.replace('_', ' '))}</dt><dd>{safe(' | '.join(texts))}</dd>\n" for key, texts in facts.items() if texts)
    unknown = [key.replace("_", " ") for key, texts in facts.items() if not texts and key not in HIDDEN]
    rest = f'<p class="muted">Not known here: {safe(", ".join(unknown))}.</p>\n' if unknown else ""
    return f"<h2>The machine</h2>\n<details><summary>{safe(device(records[0]))}</summary>\n<dl>\n{known}</dl>\n{rest}</details>\n" if known else ""


def _said(key: str, value: Any) -> str:
    """A fact in words: the end of its name says its unit."""
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {_said(name, one)}" for name, one in value.items() if one is not None)
    if isinstance(value, list):
        return " ".join(map(str, value)) if not any(isinstance(one, dict) for one in value) else "; ".join(_said(key, one) for one in value)
    text = next((text for suffix, text in SUFFIXES if key.endswith(suffix)), None) if isinstance(value, (int, float)) else None
    return text(value) if text else ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"
