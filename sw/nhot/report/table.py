"""The pieces of HTML that sections are made of; cells, values and contents arrive as HTML."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from html import escape

from nhot.printable import printable

__all__ = ["facts", "figure", "number", "percent", "plain", "round_percent",
           "section", "short", "table", "tile"]


def plain(text: str) -> str:
    """Text of unknown origin as HTML, with everything invisible written out."""
    return escape(printable(text))


def number(value: float) -> str:
    """Digits in groups of three; three figures in all if there is a point."""
    if abs(value) < 1e12 and value == round(value):
        return f"{round(value):,}".replace(",", "\u202f").replace("-", "\u2212")
    size = abs(value)
    if size >= 1e12 or size < 1e-4:
        return f"{value:.3g}".replace("-", "\u2212")
    digits = 0 if size >= 1000 else 2 - math.floor(math.log10(size)) if size < 100 else 1
    text = f"{value:,.{digits}f}"
    shown = text.rstrip("0").rstrip(".") if digits else text
    return shown.replace(",", "\u202f").replace("-", "\u2212")


def short(value: float) -> str:
    """A large number in millions or more, with three figures; others as :func:`number` has them."""
    for power, prefix in ((12, "T"), (9, "G"), (6, "M")):
        if 10.0**power <= abs(value) < 1000 * 10.0**power:
            return f"{number(value / 10**power)}\u202f{prefix}"
    return number(value)


def percent(share: float, digits: int = 2) -> str:
    """A part of 1 in percent."""
    return f"{100 * share:.{digits}f}\u202f%"


def round_percent(share: float) -> str:
    """The same for round numbers, with no more digits than they need."""
    return f"{100 * share:.6g}\u202f%"


def figure(value: float, text: str = "") -> str:
    """A number as HTML that programs can read, too; ``text`` is how people read it."""
    return f'<data value="{value!r}">{text or number(value)}</data>'


def tile(value: str, caption: str, kind: str = "") -> str:
    """One large figure (HTML) with its meaning below."""
    name = f"tile {kind}".strip()
    return f'<div class="{name}"><b>{value}</b><span>{plain(caption)}</span></div>'


def table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], numeric: Collection[int] = (),
) -> str:
    """A table of HTML cells; a column in which every cell is empty is left out.

    Where the page is narrow each row is a card: its first cell, then head and cell of the others.
    """
    shown = [column for column in range(len(heads)) if any(row[column] for row in rows)]
    if not shown:
        return ""

    def cell(row: Sequence[str], column: int) -> str:
        kind = " class=number" if column in numeric else ""
        return f'<td{kind} data-head="{plain(heads[column])}">{row[column]}</td>'

    head = "".join(
        f"<th{' class=number' if column in numeric else ''}>{plain(heads[column])}</th>"
        for column in shown
    )
    body = "\n".join(f"<tr>{''.join(cell(row, one) for one in shown)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """Names and what they are, as HTML."""
    rows = "".join(f"<div><dt>{plain(name)}</dt><dd>{text}</dd></div>" for name, text in pairs)
    return f"<dl>{rows}</dl>" if rows else ""


def section(title: str, content: str, note: str = "", name: str = "") -> str:
    """A titled part of the page, content and note being HTML; nothing if it has no content."""
    if not content:
        return ""
    remark = f"<p>{note}</p>" if note else ""
    kind = name or "".join(c if c.isalnum() else "-" for c in title.lower())
    return f'<section class="{kind}"><h2>{plain(title)}</h2>{remark}{content}</section>'
