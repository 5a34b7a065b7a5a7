"""Evidence -> a Report of sections, and that as Markdown or as one HTML page in the look of `edgebench report`.

The same evidence gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from edgebench.reports import html, markdown
from edgebench.reports.plots import base as look
from edgebench.reports.plots.base import Plot
from edgebench.study import ablations, acceleration, adaptive, comparisons, findings, plots, sensitivities, speeds, tables
from edgebench.study.description import Published, Table
from edgebench.study.evidence import Evidence
from edgebench.study.grid import Column, Entry, Grid, Numbered

READING = (
    "± is how far a 95 % interval reaches. p is McNemar's exact test on the same examples, answered by both; above 0.05 a difference is not to be relied on. "
    "Same answers: the share of examples on which model and teacher say the same, right or wrong. In the encoder: parameters without the tables of words and "
    "places. Size is the smallest file's. A number belongs to the machine, inputs and labelled set named with it; a dash is no zero: its note says why there "
    "is nothing."
)
MAKE: dict[str, Callable[[Table, Evidence], Grid]] = {
    "models": tables.lines, "ablation": ablations.variants, "engines": tables.cells, "cures": comparisons.cures, "claims": comparisons.claims,
    "speeds": speeds.points, "adaptive": adaptive.choices, "accelerators": acceleration.lines,
}
NOTHING = "Too little was measured to say anything."
THEIRS = "Published by others: other machines, teachers and settings."


@dataclass(frozen=True)
class Section:
    """One table of the study, as it is told."""

    name: str
    title: str
    about: list[str]
    grids: list[Grid]
    plots: list[Plot]
    published: Sequence[Published]
    findings: list[str]


@dataclass(frozen=True)
class Report:
    """The whole; `facts` say where, when and with what it was measured."""

    title: str
    about: str
    facts: list[str]
    sections: list[Section]

    @property
    def findings(self) -> list[str]:
        """All sentences, in order."""
        return [sentence for section in self.sections for sentence in section.findings]


def report(evidence: Evidence) -> Report:
    """Every table of the evidence's study."""
    study = evidence.study
    return Report(study.title, study.about, _facts(evidence), [_section(table, evidence) for table in study.tables])


def _section(table: Table, evidence: Evidence) -> Section:
    about = [table.about] if table.about else []
    if table.kind == "sensitivity":
        changes = sensitivities.of(table, evidence)
        grids = [grid for grid in (sensitivities.rounding(changes), sensitivities.thinning(changes)) if grid.lines]
        about.append(sensitivities.about(changes) or sensitivities.MISSING)
        said = findings.of(table, grids[0], evidence) if grids else []
    else:
        grids = [MAKE[table.kind](table, evidence)]
        said = findings.of(table, grids[0], evidence)
        about += ablations.drawings(table, evidence)
        if told := _judged(grids[0]):
            about.append(told)
    return Section(table.name, table.title, about, grids, plots.plots(table, grids), table.published, said)


def _judged(grid: Grid) -> str:
    """What accuracy was measured on."""
    scores = [line.score for line in grid.lines if line.score]
    sets = dict.fromkeys(f"{one.dataset}, n = {one.n:,}" for one in scores if one.n)
    return f"Accuracy on {'; '.join(sets)}." if sets else ""


def _facts(evidence: Evidence) -> list[str]:
    """The machine, the days, the versions, the seeds, and what was left out."""
    mine = [one for one in evidence.records if one.outcome == "ok" and one.host]
    days = sorted({one.started_at[:10] for one in mine if one.started_at})
    when = f"{days[0]}{f' to {days[-1]}' if len(days) > 1 else ''}" if days else ""
    said = [f"Times and memory: {evidence.machine}, {when}." if evidence.machine and when else "Nothing was timed."]
    verdicts = [one.verdict for one in mine]
    if verdicts:
        parts = ", ".join(f"{verdicts.count(one)} {one}" for one in ("valid", "noisy", "invalid") if one in verdicts)
        seeds = ", ".join(map(str, sorted({one.spec.seed for one in mine})))
        said.append(f"{len(verdicts)} measured cells: {parts}; seed {seeds}. {'; '.join(html._versions(mine))}.")
    if evidence.others:
        names = "; ".join(f"{name} ({count} records)" for name, count in evidence.others.items())
        said.append(f"Records of other machines give accuracy and sizes, never times: {names}.")
    return said


def to_markdown(found: Report, pictures: dict[str, str] | None = None) -> str:
    """GitHub-flavoured. `pictures` are the figures' files by the plots' names, as links from where the text will lie."""
    safe = markdown.safe
    lines = [f"# {safe(found.title)}", "", safe(found.about), "", *(f"{safe(one)}\n" for one in found.facts), "## Findings", ""]
    told = [f"**{safe(one.title)}.** {' '.join(map(safe, one.findings))}" for one in found.sections if one.findings]
    lines.append(" ".join(told) or NOTHING)
    lines += ["", safe(READING), ""]
    for section in found.sections:
        notes = Numbered()
        lines += [f"## {safe(section.title)}", "", *(f"{safe(one)}\n" for one in section.about)]
        for grid in section.grids:
            lines += [f"**{safe(grid.title)}**\n"] if grid.title else []
            lines += [*_markdown_grid(grid, notes), ""]
        lines += [f"![{safe(section.title)}]({pictures[one.name]})\n\n{safe(one.about)}\n" for one in section.plots if pictures and one.name in pictures]
        lines += [*(f"- {safe(f'[{number}] {why}')}" for number, why in enumerate(notes.notes, start=1)), *([""] if notes.notes else [])]
        if section.published:
            lines += [f"**Theirs.** {THEIRS}", ""]
            lines += [*(f"- {safe(one.model)}: {safe(one.says)} ({safe(one.source)})" for one in section.published), ""]
    return "\n".join(lines).rstrip() + "\n"


def _markdown_grid(grid: Grid, notes: Numbered) -> list[str]:
    shown = grid.filled()
    lines = [markdown.row([markdown.safe(one.name) for one in shown.columns]), markdown.row(["---:" if one.right else "---" for one in shown.columns])]
    for line in shown.lines:
        texts = [markdown.safe(_said(line.entries[one.name], notes)) for one in shown.columns]
        lines.append(markdown.row([f"**{text}**" for text in texts] if line.wins else texts))
    return [*lines, f"\n{markdown.safe(_left_out(grid))}"] if _left_out(grid) else lines


def _said(entry: Entry, notes: Numbered) -> str:
    return f"{entry.text}{notes.mark(entry.why)}"


def _left_out(grid: Grid) -> str:
    """Which columns have nothing in them, and why."""
    dropped = grid.dropped
    reasons = dict.fromkeys(why for said in dropped.values() for why in said if why)
    why = f" ({'; '.join(reasons)})" if reasons else ""
    return f"Nothing is known here of: {', '.join(dropped)}{why}." if dropped else ""


STYLE = """.pick h2 { margin-top: 4px; }
td.text { white-space: normal; max-width: 34em; }
td.text:first-child { min-width: 17em; }
sup { line-height: 0; }
@media (max-width: 860px) { td.text { max-width: 14em; } td.text:first-child { min-width: 9em; } }
"""


def to_html(found: Report) -> str:
    """One self-contained page."""
    look.check()
    pictures = (f"p{one}" for one in count(1))
    body = "".join(f"<p>{safe(one)}</p>\n" for one in found.facts)
    told = [f"<strong>{safe(one.title)}.</strong> {safe(' '.join(one.findings))}" for one in found.sections if one.findings]
    said = " ".join(told) or NOTHING
    body += f'<div class="pick">\n<h2>Findings</h2>\n<p>{said}</p>\n</div>\n<p class="muted">{safe(READING)}</p>\n'
    links = " · ".join(f'<a href="#{one.name}">{safe(one.title)}</a>' for one in found.sections)
    parts = []
    for section in found.sections:
        notes = Numbered()
        part = f'<section id="{section.name}">\n<h2>{safe(section.title)}</h2>\n' + "".join(f"<p>{safe(one)}</p>\n" for one in section.about)
        for grid in section.grids:
            part += f"<h3>{safe(grid.title)}</h3>\n" if grid.title else ""
            part += f'<div class="scroll">{_html_grid(grid, notes)}</div>\n'
            part += f'<p class="muted">{safe(_left_out(grid))}</p>\n' if _left_out(grid) else ""
        for plot in section.plots:
            part += f'{html._figure(plot, pictures)}<p class="muted">{safe(plot.about)}</p>\n'
        if notes.notes:
            part += html._folded(len(notes.notes), "".join(f"<li>[{at}] {safe(why)}</li>\n" for at, why in enumerate(notes.notes, start=1)))
        if section.published:
            items = "".join(f"<li>{safe(one.model)}: {safe(one.says)} ({safe(one.source)})</li>\n" for one in section.published)
            part += f'<h3>Theirs</h3>\n<p class="muted">{THEIRS}</p>\n<ul>\n{items}</ul>\n'
        parts.append(f"{part}</section>\n")
    style = Path(html.__file__).with_name("page.css").read_text(encoding="utf-8")
    style += STYLE
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{html.POLICY}">\n<link rel="icon" href="data:,">\n'
        f"<title>edgebench study: {safe(found.title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f"<header>\n<h1>{safe(found.title)}</h1>\n<p>{safe(found.about)}</p>\n{body}<nav><p>{links}</p></nav>\n</header>\n<main>\n{''.join(parts)}</main>\n"
        "<footer>\n<p>Written by edgebench study.</p>\n</footer>\n</body>\n</html>\n"
    )


def _html_grid(grid: Grid, notes: Numbered) -> str:
    shown = grid.filled()
    head = "".join(f'<th scope="col"{_side(one)}>{safe(one.name)}</th>' for one in shown.columns)
    rows = []
    for line in shown.lines:
        cells = []
        for one in shown.columns:
            entry = line.entries[one.name]
            mark = notes.mark(entry.why).strip()
            noted = f'<sup class="muted">{safe(mark)}</sup>' if mark else ""
            cells.append(f"<td{_side(one)}>{safe(entry.text)}{noted}</td>")
        rows.append(f'<tr{" class=fastest" if line.wins else ""}>{"".join(cells)}</tr>\n')
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{''.join(rows)}</tbody>\n</table>"


def safe(text: str) -> str:
    """No markup but what stands between backticks, which is a command."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.safe(text))


def _side(column: Column) -> str:
    return ' class="number"' if column.right else ' class="text"'
