"""Which entries are about the same, and what becomes of them when more is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace

from nhot.report.schema import Entry

__all__ = ["merge"]


def merge(entries: Iterable[Entry], new: Entry) -> tuple[Entry, ...]:
    """``entries`` with what ``new`` knows.

    Parts of ``new`` go to the entry of the same image, else of the same network if that has no
    image yet, else of the training whose weights the network began with, or that were evaluated;
    they replace parts of the same name, runs those at the same place, and evaluations those of the
    same stage on the same data, and comparisons likewise. Another image of a known network is an
    entry of its own, with what is known of the network. A bitstream goes to all entries of its
    engine. What joins nothing comes last.
    """
    known = list(entries)
    if _names(new) == {"build"}:
        return _with_build(known, new)
    for joins in (_same_image, _same_network, _same_weights, _same_float):
        for index, entry in enumerate(known):
            if joins(entry, new):
                known[index] = _together(entry, new)
                return tuple(known)
    return (*known, _inheriting(new, known))


_LISTS = {"runs", "evaluated", "compared"}
"""Parts of which there may be many."""


def _names(entry: Entry) -> set[str]:
    return {one.name for one in fields(entry) if getattr(entry, one.name)}


def _with_build(known: list[Entry], new: Entry) -> tuple[Entry, ...]:
    assert new.build is not None
    engine = new.build.target_id

    def fits(entry: Entry) -> bool:
        there = entry.image or entry.build
        return there is not None and there.target_id == engine

    if not any(map(fits, known)):
        return (*known, new)
    return tuple(replace(one, build=new.build) if fits(one) else one for one in known)


def _same_image(entry: Entry, new: Entry) -> bool:
    return (entry.image is not None and new.image is not None
            and entry.image.sha256 == new.image.sha256)


def _same_network(entry: Entry, new: Entry) -> bool:
    """Whether both are of one network and not of two images."""
    if entry.network is None or new.network is None:
        return False
    return entry.network.sha256 == new.network.sha256 and not (entry.image and new.image)


def _same_weights(entry: Entry, new: Entry) -> bool:
    """Whether ``entry`` is the training, and no more, that ``new`` began with or did again."""
    if entry.training is None or not _names(entry) <= {"training", "evaluated"}:
        return False
    if new.training is not None:
        return new.training.sha256 == entry.training.sha256
    return new.quantized is not None and new.quantized.weights == entry.training.sha256


def _same_float(entry: Entry, new: Entry) -> bool:
    """Whether ``new`` is an evaluation, and no more, of the float weights of ``entry``."""
    if entry.training is None or _names(new) != {"evaluated"}:
        return False
    return all(one.sha256 == entry.training.sha256 for one in new.evaluated)


def _together(entry: Entry, new: Entry) -> Entry:
    parts = {name: getattr(new, name) for name in _names(new) - _LISTS}
    places = {run.place for run in new.runs}
    runs = (*(run for run in entry.runs if run.place not in places), *new.runs)
    done = {(one.stage, one.data) for one in new.evaluated}
    before = (one for one in entry.evaluated if (one.stage, one.data) not in done)
    pairs = {(one.a, one.b, one.data) for one in new.compared}
    others = (one for one in entry.compared if (one.a, one.b, one.data) not in pairs)
    return replace(entry, **parts, runs=runs, evaluated=(*before, *new.evaluated),
                   compared=(*others, *new.compared))


def _inheriting(new: Entry, known: list[Entry]) -> Entry:
    """``new``, with what other entries know of its network and of its float weights."""
    for entry in known:
        if (new.network is not None and entry.network is not None
                and entry.network.sha256 == new.network.sha256):
            new = replace(new, quantized=new.quantized or entry.quantized,
                          training=new.training or entry.training)
        if (new.training is None and new.quantized is not None and entry.training is not None
                and new.quantized.weights == entry.training.sha256):
            new = replace(new, training=entry.training)
    return new
