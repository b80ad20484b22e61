"""Lines as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nhot.experiments.studies.own.figures import Line

__all__ = ["HEADS", "NUMERIC", "about", "amount", "cells", "dsp_text", "notes"]

HEADS = ("format", "score", "bits/weight", "terms/weight", "weights", "engine", "MACs/step",
         "weight memory", "cycles", "inferences/s", "logic cells", "Fmax", "best by")
"""Of columns; the second is called as the metric is."""

NUMERIC = (1, 2, 3, 4, *range(6, 12))
"""Columns of numbers."""


def amount(count: int | None) -> str:
    """Bytes as people read them."""
    if count is None:
        return ""
    for power, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if count >= 1 << power:
            return f"{count / (1 << power):,.1f} {unit}"
    return f"{count} B"


def cells(line: Line) -> tuple[str, ...]:
    """What :data:`HEADS` names."""
    engine = line.place.engine
    where = engine.name if engine else line.place.why_not and f"none: {line.place.why_not}"
    return (
        line.name + ("*" if line.untrained else ""),
        line.scored.text, _fixed(line.bits), _fixed(line.terms),
        amount(line.weight_bytes), where, _whole(line.macs_per_step),
        amount(line.memory_bytes), _whole(line.cycles),
        *(text and f"{about(line)}{text}" for text in (
            _whole(line.rate), _whole(line.luts) + dsp_text(line),
            "" if line.fmax_mhz is None else f"{line.fmax_mhz:.1f} MHz")),
        ", ".join(line.fronts),
    )


def about(line: Line) -> str:
    """What stands before a figure of the engine that is an estimate."""
    return "~" if line.estimated else ""


def dsp_text(line: Line) -> str:
    """What stands behind the cells of an engine that has multipliers."""
    return f" + {line.dsps:,} DSP" if line.dsps else ""


def notes(lines: Sequence[Line]) -> Iterator[str]:
    """What has to be said of a table, a sentence each."""
    if not lines[0].scored.held_out:
        yield ("The data have one split: ranges of activations are taken from samples that are "
               "measured with, too.")
    if any(line.untrained for line in lines):
        yield ("* rounded, as all here, without training, which these weights need: nhot quantize "
               "--finetune --recipe from-scratch.")
    if any(line.estimated for line in lines):
        yield ("~ estimated, at the highest clock, of an engine with the memories that the network "
               "wants, which nobody has built: nhot compile --fit and nhot build make it.")
    for line in lines:
        if line.place.nearest is not None:
            name, fitted = line.place.nearest
            first, *others = fitted.reason.split("; ")
            more = f"; and {len(others)} more" if others else ""
            yield f"No engine holds {line.name}. Nearest is {name}: {first}{more}."


def _fixed(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _whole(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"
