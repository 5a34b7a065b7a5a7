"""Records -> a Markdown section: title, table with every column, footnotes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgebench.record import Record
from edgebench.reports.base import columns, fastest, footnotes, title
from edgebench.units import plain


def render(records: Sequence[Record]) -> str:
    """GitHub-flavoured Markdown; the fastest valid cell is bold and says so."""
    if not records:
        return "nothing was measured\n"
    shown, winners = columns(records), {id(one) for one in fastest(records)}
    lines = [f"{safe(line)}\n" for line in title(records)]
    lines.append(row([one.name for one in shown]))
    lines.append(row(["---:" if one.right else "---" for one in shown]))
    for record in records:
        texts = [safe(one.text(record)) for one in shown]
        lines.append(row([f"**{text}**" for text in texts] if id(record) in winners else texts))
    return "\n".join(lines) + "\n\n" + "".join(f"- {safe(line)}\n" for line in footnotes(records))


def row(texts: list[str]) -> str:
    """Of a table, header and rule included."""
    return f"| {' | '.join(texts)} |"


def safe(text: str) -> str:
    """No character of a name or reason is taken for Markdown or HTML."""
    text = " ".join(plain(text).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_~|\[\]]|^[#+=-])", r"\\\1", text)
