"""The pieces of HTML that sections are made of; text arrives escaped."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from html import escape

__all__ = ["meter", "number", "section", "table", "tile"]


def number(value: float) -> str:
    """Digits in groups of three, at most two of them after the point."""
    if isinstance(value, int) or value == round(value):
        return f"{round(value):,}".replace(",", "\u202f")
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 2
    return f"{value:,.{digits}f}".replace(",", "\u202f")


def tile(value: str, caption: str, kind: str = "") -> str:
    """One large figure with its meaning below."""
    name = f"tile {kind}".strip()
    return f'<div class="{name}"><b>{escape(value)}</b><span>{escape(caption)}</span></div>'


def meter(share: float) -> str:
    """A bar, filled to ``share`` of its length."""
    return f'<div class="meter"><i style="width:{share:.2%}"></i></div>'


def table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], numeric: Collection[int] = (),
) -> str:
    """A table of HTML cells; a column in which every cell is empty is left out."""
    shown = [column for column in range(len(heads)) if any(row[column] for row in rows)]
    if not shown:
        return ""

    def cells(tag: str, row: Sequence[str]) -> str:
        return "".join(
            f'<{tag}{" class=number" if column in numeric else ""}>{row[column]}</{tag}>'
            for column in shown
        )

    head = f"<tr>{cells('th', heads)}</tr>" if any(heads) else ""
    body = "\n".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f'<div class="scroll"><table>{head}\n{body}\n</table></div>'


def section(title: str, content: str, note: str = "") -> str:
    """A titled part of the page; nothing if it has no content."""
    if not content:
        return ""
    remark = f"<p>{escape(note)}</p>" if note else ""
    return f"<section><h2>{escape(title)}</h2>{remark}{content}</section>"
