"""A run in time, in the trace format of Chrome, which Perfetto opens.

Source: "Trace Event Format", https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["timeline"]

_PLACE = {"pid": 1, "tid": 1}


def timeline(network: str, layers: Iterable[Mapping[str, Any]], end: int) -> str:
    """The trace of a run: a complete event for each layer, and one for the end of the program.

    Parameters
    ----------
    network : str
    layers : iterable of mappings
        In their order, each with its ``name`` and ``cycles``; all else is shown beside the event.
    end : int
        Cycles of the run.

    Times in a trace are microseconds. Here a cycle is one, so that they are the engine's counts on
    any clock.
    """
    events = [_named("process_name", network), _named("thread_name", "engine")]
    start = 0
    for layer in layers:
        rest = {name: value for name, value in layer.items() if name != "name"}
        events.append(_event(layer["name"], "layer", start, layer["cycles"], rest))
        start += layer["cycles"]
    events.append(_event("end of the program", "program", start, end - start, {}))
    trace = {
        "traceEvents": events, "displayTimeUnit": "ms",
        "otherData": {"network": network, "cycles": end, "unit": "a microsecond is a cycle"},
    }
    return json.dumps(trace, indent=1) + "\n"


def _event(
    name: str, category: str, start: int, cycles: int, args: Mapping[str, Any]
) -> dict[str, Any]:
    return {"name": name, "cat": category, "ph": "X", "ts": start, "dur": cycles, **_PLACE,
            "args": dict(args)}


def _named(what: str, name: str) -> dict[str, Any]:
    return {"name": what, "ph": "M", **_PLACE, "args": {"name": name}}
