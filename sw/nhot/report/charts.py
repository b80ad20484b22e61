"""Charts as inline SVG that takes its colours and its font from the page around it."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from nhot.report.table import number

__all__ = ["cycles_chart", "levels_chart"]

# Drawn in colours that stand for roles, which become variables of the page's style sheet.
ROLES = {"#010101": "var(--ink)", "#020202": "var(--faint)", "#030303": "var(--accent)",
         "#040404": "var(--second)"}
INK, FAINT, ACCENT, SECOND = ROLES

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none", "font.family": "DejaVu Sans", "font.size": 9.0,
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": FAINT, "axes.titlecolor": INK,
    "xtick.color": FAINT, "ytick.color": FAINT, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.8,
    "axes.titlesize": 10.0, "axes.titlelocation": "left",
}


def levels_chart(
    key: str, title: str, levels: Sequence[float], counts: Sequence[int],
) -> str:
    """Weights of a layer: one bar on each level of its format, all levels marked below."""

    def draw(axes: Any) -> None:
        span = max(levels) - min(levels) or 1
        gaps = [b - a for a, b in pairwise(levels)]
        width = max(min(gaps, default=1) * 0.8, span / 180)
        axes.bar(levels, counts, width=width, color=ACCENT, linewidth=0)
        below = axes.get_xaxis_transform()  # y in parts of the height: just under the axis
        axes.plot(levels, [-0.035] * len(levels), "|", color=SECOND, markersize=5,
                  markeredgewidth=0.7, clip_on=False, transform=below)
        axes.tick_params(axis="x", length=0, pad=9)
        axes.set_title(title)
        axes.set_ylabel("weights")
        axes.set_xlim(min(levels) - span * 0.03, max(levels) + span * 0.03)
        axes.set_ylim(bottom=0)

    return _svg(key, (5.2, 2.2), draw)


def cycles_chart(
    key: str, names: Sequence[str], predicted: Sequence[int | None],
    measured: Sequence[int | None],
) -> str:
    """Cycles of each layer, measured beside predicted."""

    def draw(axes: Any) -> None:
        both = any(v is not None for v in predicted) and any(v is not None for v in measured)
        height = 0.36 if both else 0.6
        series = [("measured", measured, ACCENT), ("predicted", predicted, SECOND)]
        series = [entry for entry in series if any(v is not None for v in entry[1])]
        for index, (label, values, colour) in enumerate(series):
            offset = (index - (len(series) - 1) / 2) * height
            rows = [row + offset for row in range(len(names))]
            axes.barh(rows, [v or 0 for v in values], height=height, color=colour, label=label)
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("cycles")
        axes.xaxis.set_major_formatter(lambda value, _: number(value))
        axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2)

    return _svg(key, (10.8, 0.9 + 0.42 * len(names)), draw)


def _svg(key: str, size: tuple[float, float], draw: Any) -> str:
    """Draw one chart; ``key`` keeps its identifiers apart from those of the page's others."""
    import matplotlib
    from matplotlib.figure import Figure

    buffer = io.StringIO()
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": key}):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.add_subplot())
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return _adapt(buffer.getvalue(), key)


def _adapt(svg: str, key: str) -> str:
    svg = svg[svg.index("<svg"):]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{key}-", svg)
    svg = re.sub(r"'DejaVu Sans'[^;\"]*", "var(--font)", svg)
    for colour, role in ROLES.items():
        svg = svg.replace(colour, role)
    # the page decides the width; the view box keeps the proportions
    svg = re.sub(r'<svg([^>]*?) width="[^"]*"', r"<svg\1", svg, count=1)
    svg = re.sub(r'<svg([^>]*?) height="[^"]*"', r"<svg\1", svg, count=1)
    return svg.replace("<svg", '<svg class="chart" role="img"', 1)
