"""A timing picture: a line for each signal, a column for each cycle."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any
from xml.sax.saxutils import escape

from nhot_hw.core.timing import Rows, draw

__all__ = ["render"]

_ROW, _HIGH = 26, 16  # pixels from line to line, and of a level
_LETTER = 6.7  # pixels, at most, of the monospaced font
_SLANT = 3
_LEAST = 6  # pixels a cycle
_WIDE = 700  # of all cycles
_STYLE = """\
    .paper { fill: #ffffff; }
    .grid { stroke: #e3e7ec; stroke-width: 1; }
    .level { fill: none; stroke-width: 1.5; }
    .in { stroke: #5b86b8; } .in.value { fill: #d6e4f5; }
    .out { stroke: #5f9c76; } .out.value { fill: #d9ecdf; }
    .inside { stroke: #b8924a; } .inside.value { fill: #f3e6cb; }
    text { fill: #1c2530; }
    .name { text-anchor: end; }
    .cell { text-anchor: middle; }
    .cycle { text-anchor: middle; fill: #7d8590; }"""


def render(rows: Rows, title: str) -> str:
    """An SVG of ``rows``, the first of which numbers the cycles; the same bytes for the same rows.

    Blue is what comes in, green what goes out, sand what is inside, as names begin with ``i`` or
    ``o``. The same in characters is its description.
    """
    (_, numbers), *signals = rows
    margin = _whole(max(len(name) for name, _ in signals)) + 12
    column = _column(signals)
    width, height = margin + column * len(numbers) + 12, 22 + _ROW * len(signals) + 6
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"',
        f'    width="{width}" height="{height}" font-size="11"',
        '    font-family="DejaVu Sans Mono, Menlo, Consolas, monospace"',
        '    role="img" aria-labelledby="title desc">',
        f'  <title id="title">{escape(title)}</title>',
        f'  <desc id="desc">\n{escape(_characters(rows))}\n  </desc>',
        f"  <style>\n{_STYLE}\n  </style>",
        f'  <rect class="paper" width="{width}" height="{height}"/>',
        *_axis(numbers, margin, column, height),
    ]
    for index, (name, values) in enumerate(signals):
        top = 22 + _ROW * index + (_ROW - _HIGH) // 2
        parts.append(f'  <text class="name" x="{margin - 8}" y="{top + 12}">{escape(name)}</text>')
        parts += _signal(_kind(name), values, margin, column, top)
    return "\n".join([*parts, "</svg>", ""])


def _whole(letters: int) -> int:
    return int(letters * _LETTER + 0.999)


def _column(signals: Rows) -> int:
    """Pixels a cycle, so that every text has room: in its box, or, if that is too wide, behind."""
    inside, behind = [_LEAST], [_LEAST]
    for _, values in signals:
        runs = _runs(values)
        for (text, count), (following, idle) in zip(runs, [*runs[1:], ("", 0)], strict=True):
            if text and not isinstance(text, bool):
                inside.append(-(-_needed(text) // count))
                behind.append(-(-_needed(text) // max(count, 0 if following else idle)))
    cycles = len(signals[0][1])
    return max(inside) if max(inside) * cycles <= _WIDE else max(behind)


def _needed(text: str) -> int:
    return _whole(len(text)) + 2 * _SLANT + 4


def _runs(values: Sequence[Any]) -> list[tuple[Any, int]]:
    """(value, cycles that it lasts) one after the other."""
    return [(value, len(list(same))) for value, same in groupby(values)]


def _characters(rows: Rows) -> str:
    longest = max(len(v) for _, values in rows for v in values if not isinstance(v, bool))
    return draw(rows, width=longest + 1)


def _axis(numbers: Sequence[str], margin: int, column: int, height: int) -> list[str]:
    """A line for each cycle, or each fifth where they are narrow, and its number."""
    every = next(k for k in (1, 2, 5, 10, 20) if k * column >= _whole(len(numbers[-1])) + 8)
    parts = []
    for t, number in enumerate(numbers):
        if int(number) % every == 0:
            x = margin + column * t
            parts.append(f'  <path class="grid" d="M{x} 20 V{height - 4}"/>')
            parts.append(f'  <text class="cycle" x="{x + column // 2}" y="14">{number}</text>')
    return parts


def _kind(name: str) -> str:
    return {"i": "in", "o": "out"}.get(name[0] if name[1:2] in "_." else "", "inside")


def _signal(kind: str, values: Sequence[Any], left: int, column: int, top: int) -> list[str]:
    draw_row = _level if isinstance(values[0], bool) else _values
    return draw_row(kind, values, left, column, top)


def _level(kind: str, values: Sequence[Any], left: int, column: int, top: int) -> list[str]:
    low = top + _HIGH
    path = f"M{left} {top if values[0] else low}"
    for value, count in _runs(values):
        left += count * column
        path += f" V{top if value else low} H{left}"
    return [f'  <path class="level {kind}" d="{path}"/>']


def _values(kind: str, values: Sequence[Any], left: int, column: int, top: int) -> list[str]:
    """A box for each; one that is too short for its text has it behind it, where nothing is."""
    middle, low = top + _HIGH // 2, top + _HIGH
    parts, taken = [], 0  # pixels behind a box that its text has taken
    for value, count in _runs(values):
        end = left + count * column
        if not value:
            if left + taken < end:
                parts.append(f'  <path class="level {kind}" d="M{left + taken} {middle} H{end}"/>')
            left, taken = end, 0
            continue
        inside = _needed(value) <= end - left
        x, anchor = ((left + end) // 2, "cell") if inside else (end + 2, "behind")
        taken = 0 if inside else _needed(value)
        parts.append(
            f'  <path class="value {kind}" d="M{left} {middle} L{left + _SLANT} {top} '
            f'H{end - _SLANT} L{end} {middle} L{end - _SLANT} {low} H{left + _SLANT} Z"/>'
            f'<text class="{anchor}" x="{x}" y="{top + 12}">{escape(value)}</text>'
        )
        left = end
    return parts
