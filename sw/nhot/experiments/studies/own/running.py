"""The trials of a study, one after the other; what is done already is not done again."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from nhot.experiments.studies.own.candidates import Engine, place
from nhot.experiments.studies.own.estimated import made_to_measure
from nhot.experiments.studies.own.figures import Line, original_line, trial_line, with_fronts
from nhot.experiments.studies.own.folder import OwnFolder, Trial
from nhot.progress import duration, track
from nhot.report.collect import made
from nhot.trials import TrialData, open_data, round_model, score_network, score_original

__all__ = ["run_study"]

_log = logging.getLogger("nhot")


def run_study(
    folder: OwnFolder, formats: Sequence[str], engines: Sequence[Engine], *,
    estimated: bool = False,
) -> list[Line]:
    """The original and then all ``formats``, each on the first of ``engines`` that holds it.

    Says of each trial what came of it, and how long the rest will take. With ``estimated`` what
    none holds is on an engine made to measure.

    Raises
    ------
    NhotError
        The model, the data or a format cannot be used; trials that are done stay done.
    """
    runner, names = _Runner(folder), ["", *formats]
    known = {name: folder.trial(name) for name in names}
    left = [name for name in names if known[name] is None]
    if len(left) < len(names):
        _log.info("%d of %d trials are done already", len(names) - len(left), len(names))
    start = time.monotonic()
    for done, name in enumerate(left, 1):
        known[name] = trial = runner.run(name)
        took = time.monotonic() - start
        rest = f", about {duration(took / done * (len(left) - done))} left"
        _log.info("%s: %s %.4g; %d of %d trials, %s%s", name or trial.scored.stage,
                  trial.scored.metric, trial.scored.value, len(names) - len(left) + done,
                  len(names), duration(took), rest if done < len(left) else "")
    lines = []
    for name, found in track(known.items(), "placing", total=len(known), unit="networks"):
        assert found is not None
        if not name:
            lines.append(original_line(found))
            continue
        network = folder.network(name)
        where = place(network, engines)
        if estimated and where.engine is None:
            where = made_to_measure(network, engines, where)
        lines.append(trial_line(found, where))
    return with_fronts(lines)


class _Runner:
    """Model and data, which are opened when the first trial needs them."""

    def __init__(self, folder: OwnFolder):
        self.folder, self.study = folder, folder.study

    @cached_property
    def module(self) -> Any:
        return self.study.original.module()

    @cached_property
    def data(self) -> TrialData:
        return open_data(self.study.data, self.study.original.size or _size(self.module))

    def run(self, format: str) -> Trial:
        """Do a trial; of the original without a format."""
        folder, study = self.folder, self.study
        now = made("study", ["torch"])
        if not format:
            return folder.keep("", score_original(study.original, self.data), now, None)
        rounded = round_model(study.original, study.rounding(format), self.data,
                              folder.network_path(format), module=self.module)
        scored = score_network(folder.network(format), self.data)
        return folder.keep(format, scored, now, rounded)


def _size(module: Any) -> tuple[int, int] | None:
    """Height and width of the input that a model of another tool says."""
    graph = getattr(module, "graph", None)
    shape = getattr(graph, "input", None)
    return (shape[0], shape[1]) if isinstance(shape, tuple) and len(shape) == 3 else None
