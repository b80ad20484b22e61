"""Damaged files of other types: configurations, manifests, records, reports, arrays, weights."""

from __future__ import annotations

import io
import json
import random
import zipfile
from argparse import Namespace
from dataclasses import asdict
from functools import cached_property
from typing import Any

import numpy as np

from nhot.compiler import EngineConfig
from nhot_sim.fuzz.kind import Kind, refused_or_done
from nhot_sim.fuzz.mutate import damage, damage_json
from nhot_sim.fuzz.sample_files import MANIFEST
from nhot_sim.fuzz.scratch import scratch_file

__all__ = ["Arrays", "Checkpoints", "Configs", "Manifests", "Reports", "Results", "Trials"]


class Configs(Kind):
    """Read as ``--config`` is."""

    def case(self, source: random.Random) -> bytes:
        """Fields of a configuration changed."""
        fmt = source.choice(["2hot", "3hot", "signed-binary", "int8"])
        return damage_json(EngineConfig(format=fmt).to_json().encode(), source)

    def check(self, data: bytes) -> bool:
        """An engine whose sizes say themselves again."""
        from nhot.cli.target import read_config

        def act() -> None:
            config = read_config(path)
            assert EngineConfig(**json.loads(config.to_json())) == config

        with scratch_file(data, ".json") as path:
            return refused_or_done(act)


class Manifests(Kind):
    """Manifests of bitstreams, read as ``nhot info`` reads them."""

    def case(self, source: random.Random) -> bytes:
        """Fields of a manifest changed."""
        return damage_json(json.dumps(MANIFEST).encode(), source)

    def check(self, data: bytes) -> bool:
        """``nhot info``."""
        from nhot.cli import info

        with scratch_file(data, ".json") as path:
            return refused_or_done(lambda: info.run(Namespace(file=path, json=False)))


class Results(Kind):
    """Results of the jobs of a sweep, as the sweep reads those that it finds."""

    def case(self, source: random.Random) -> bytes:
        """Values of an outcome changed."""
        from nhot.explore import Outcome

        made = source.choice([
            {"config": asdict(EngineConfig()), "cycles": 1000},
            {"luts": 5000, "block_memories": 20, "fmax_mhz": 31.5, "clock_hz": 30_000_000},
        ])
        outcome = source.choice([Outcome(result=made), Outcome(result=made), Outcome(refused="no")])
        return damage_json(outcome.to_json().encode(), source)

    def check(self, data: bytes) -> bool:
        """What can be told of a point, or that there is none."""
        from nhot.explore.job import Outcome
        from nhot.explore.results import Held, Placed
        from nhot.schema import check_values, read_json

        def act() -> None:
            outcome = read_json(Outcome, path, "Result")
            if outcome.result is None:
                assert outcome.refused or outcome.failed
            elif "cycles" in outcome.result:
                held = check_values(Held, outcome.result, "Result")
                assert 1e9 / held.cycles > 0
            else:
                assert check_values(Placed, outcome.result, "Result").fmax_mhz > 0

        with scratch_file(data, ".json") as path:
            return refused_or_done(act)


class Trials(Kind):
    """Records of a study of one's own, as the study reads those that it finds."""

    def case(self, source: random.Random) -> bytes:
        """Values of a record changed."""
        metric, value = source.choice([("accuracy", 0.5), ("mean squares", 3.5), ("mAP", 0.25)])
        counts = dict.fromkeys(("effectual", "bits", "terms", "shift_adds", "mean_shift_adds"), 9)
        rounded = {"network": "net", "format": "2hot", "sha256": "0" * 64, "untrained": False,
                   "counts": {"weights": 3, "macs": 30, **counts}}
        record = {
            "digest": "0" * 64, "rounded": rounded,
            "scored": {"metric": metric, "value": value, "samples": 7, "stage": "network",
                       "figures": {"top 5": 0.75}, "held_out": True},
            "made": {"command": "study", "date": "2030-12-31T23:59:59+00:00",
                     "versions": {"nhot": "1"}},
        }
        return damage_json(json.dumps(record).encode(), source)

    def check(self, data: bytes) -> bool:
        """The line that a study has of it, as text and on a page."""
        from nhot.experiments.studies.own import Place, original_line, trial_line
        from nhot.experiments.studies.own.figures import with_fronts
        from nhot.experiments.studies.own.folder import Trial
        from nhot.experiments.studies.own.page import page
        from nhot.experiments.studies.own.text import cells
        from nhot.report import Entry
        from nhot.trials import read_result

        def act() -> None:
            trial = read_result(Trial, path)
            lines = [original_line(trial)]
            if trial.rounded is not None:
                lines = with_fronts([*lines, trial_line(trial, Place())])
                assert page("study", lines, [Entry()], {})
            assert all(cells(line) for line in lines)

        with scratch_file(data, ".json") as path:
            return refused_or_done(act)


class Reports(Kind):
    """Reports, made into a page as ``nhot report`` does."""

    @cached_property
    def _originals(self) -> list[bytes]:
        from nhot.report import Report
        from nhot.testing.reports import entry

        ternary = entry("other", "ternary", seed=1)
        reports = [Report(entries=(entry(),)), Report(entries=(entry(), ternary))]
        return [json.dumps(asdict(report)).encode() for report in reports]

    def case(self, source: random.Random) -> bytes:
        """Values of a report changed."""
        return damage_json(source.choice(self._originals), source)

    def check(self, data: bytes) -> bool:
        """``nhot report``, and a page that a browser can read."""
        from nhot.cli import report

        def act() -> None:
            page = path.with_suffix(".html")
            report.run(Namespace(report=[path], output=page, title=""))
            page.read_text(encoding="utf-8")

        with scratch_file(data, ".json") as path:
            return refused_or_done(act)


class Arrays(Kind):
    """Inputs of a network, read as ``--input`` is."""

    SHAPE = (5, 4, 3)

    def case(self, source: random.Random) -> bytes:
        """Damage to the header, or to all."""
        buffer = io.BytesIO()
        dtype = source.choice([np.int8, np.uint8, np.int64, np.float32])
        shape = source.choice([self.SHAPE, (2, *self.SHAPE)])
        np.save(buffer, np.zeros(shape, dtype))
        data = buffer.getvalue()
        if source.random() < 0.3:
            return damage(data, source)
        header = data[10:128].decode()
        old, new = source.choice(_HEADERS)
        changed = header.replace(old, new).rstrip().encode()
        size = source.choice([len(changed), len(changed) + 7, 0, 0xFFFF])
        return data[:8] + size.to_bytes(2, "little") + changed + data[128:]

    def check(self, data: bytes) -> bool:
        """An array of one sample or many."""
        from nhot.cli.run import read_inputs

        with scratch_file(data, ".npy") as path:
            return refused_or_done(lambda: read_inputs(path, self.SHAPE))


class Checkpoints(Kind):
    """Weights, read as ``--weights`` is; nothing in them may run."""

    @cached_property
    def _model(self) -> Any:
        from torch import nn

        return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(3, 2))

    @cached_property
    def _original(self) -> bytes:
        import torch

        torch.manual_seed(1)
        buffer = io.BytesIO()
        torch.save(self._model.state_dict(), buffer)
        return buffer.getvalue()

    def case(self, source: random.Random) -> bytes:
        """Damage to a member of the archive, or to all."""
        if source.random() < 0.3:
            return damage(self._original, source)
        with zipfile.ZipFile(io.BytesIO(self._original)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        pickles = [name for name in members if name.endswith(".pkl")]
        chosen = source.choice([*members, *pickles * len(members)])
        members[chosen] = damage(members[chosen], source)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, content in members.items():
                # By name alone, an entry would have the time of the run.
                archive.writestr(zipfile.ZipInfo(name), content)
        return buffer.getvalue()

    def check(self, data: bytes) -> bool:
        """The state of a module."""
        from nhot.quant.weights_file import load_weights

        with scratch_file(data, ".pt") as path:
            return refused_or_done(lambda: load_weights(self._model, path))


_HEADERS = (
    ("(", "(-1, "), ("(", "(0, "), ("(", "(99999999999, "), ("(", "[" * 200 + "("),
    ("<i8", "|O"), ("|i1", "|O"), ("<f4", "<c16"), ("|u1", "<M8[s]"), ("|i1", "<U99999999"),
    ("False", "True"), ("False", "None"), ("{", "{'x': 1, "), ("}", ""), ("'descr'", "'descry'"),
    ("5", "5" * 400), ("(", "((lambda: 1)(), "), ("|i1", "[('a', '<i4')]"), (",", ""),
)
