"""From a model and a space to points and their front: estimates, then synthesis, then placement."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from nhot.compiler.estimates import estimate
from nhot.compiler.targets import board
from nhot.errors import BuildError, NhotError
from nhot.explore.executor import Executor, run_all
from nhot.explore.front import front
from nhot.explore.job import Input, Job, Outcome
from nhot.explore.kinds import NETWORK
from nhot.explore.point import Point, Stage
from nhot.explore.results import Clocked, Held, Measured, Packed, Placed
from nhot.explore.space import Candidate, Space
from nhot.explore.store import Store
from nhot.schema import check_values
from nhot.trials import Scored

if TYPE_CHECKING:
    from nhot.trials import DataSpec, Original

__all__ = ["Found", "Sweep"]

MARGIN = 0.15
"""Part by which an estimate may be wrong, so that what is so near to the front is looked into."""

_log = logging.getLogger("nhot")

Kind = TypeVar("Kind")


@dataclass(kw_only=True)
class Found:
    """What a sweep has found.

    Parameters
    ----------
    original : Scored
        Of the model that was brought.
    points : list of Point
        All that fit their boards.
    left_out : Counter
        How many do not, by the reason.
    """

    original: Scored
    points: list[Point] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def stage(self) -> Stage:
        """How far those got that got farthest, which alone make the front."""
        reached = {point.stage for point in self.points}
        return next((stage for stage in ("placed", "synthesised") if stage in reached), "estimated")

    @property
    def front(self) -> list[Point]:
        """What nothing is better than: by measure, inferences a second and LUTs. The best first."""
        points = [point for point in self.points if point.stage == self.stage]
        best = [points[place] for place in front([point.costs for point in points])]
        return sorted(best, key=lambda point: (point.costs, point.board, point.name))

    def choose(self, least_score: float | None, least_rate: float | None) -> Point | None:
        """The smallest of the front with such a measure and rate, None if there is none.

        A measure of which less is better must be at most ``least_score``. Without either it is the
        one of the best measure, of equals the fastest.
        """
        if least_score is None and least_rate is None:
            return next(iter(self.front), None)
        good = [
            point for point in self.front
            if point.rate >= (least_rate or 0.0)
            and (least_score is None
                 or point.scored.better >= replace(point.scored, value=least_score).better)
        ]
        return min(good, key=lambda point: point.luts, default=None)


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A model, data and a space, and what does the work.

    Parameters
    ----------
    original : Original
        With absolute paths.
    data : DataSpec
        The same.
    space : Space
    store : Store
    executor : Executor
    """

    original: Original
    data: DataSpec
    space: Space
    store: Store
    executor: Executor

    def estimated(self) -> Found:
        """All candidates, each as its estimate has it.

        Raises
        ------
        NhotError
            There is no candidate, or none that holds the network and fits its board.
        """
        candidates, refused = self.space.candidates()
        if not candidates:
            raise NhotError(f"No combination is an engine: {_reasons(refused)}")
        found = Found(original=self._score_original())
        boards = len(self.space.board)
        for reason, count in refused.items():
            found.left_out[reason] += count * boards
        networks = self._networks(candidates, found)
        self._fit([one for one in candidates if _key(one) in networks], networks, found)
        if not found.points:
            raise NhotError(f"No engine holds the network and fits its board: "
                            f"{_reasons(found.left_out)}")
        return found

    def synthesised(self, found: Found) -> None:
        """Have what is near the front synthesised and packed."""
        near = front([one.costs for one in found.points],
                     [one.hoped(MARGIN) for one in found.points])
        points = [found.points[place] for place in near]
        self._build("synthesis", Packed, points, found, "synthesised")

    def placed(self, found: Found) -> None:
        """Have the front placed and routed."""
        near = [one for one in found.points if one.stage == "synthesised"]
        places = front([one.costs for one in near])
        self._build("placement", Placed, [near[place] for place in places], found, "placed")

    def clock_hz(self, point: Point) -> int:
        """The highest clock that its board can make and the engine keeps up with."""
        if point.clock_hz is not None:
            return point.clock_hz
        job = Job(kind="clock", parameters={"board": point.board, "fmax_mhz": point.fmax_mhz})
        return self._one(Clocked, job, "clock").clock_hz

    @cached_property
    def _inputs(self) -> dict[str, Input]:
        """Model and data with their digests, which takes a look at all of both."""
        model, data = self.original.fingerprint(), self.data.fingerprint()
        places = {"model": (self.original.model, model), "weights": (self.original.weights, model),
                  "data": (self.data.data, data), "test": (self.data.test, data)}
        return {name: Input(place=place, sha256=digest)
                for name, (place, digest) in places.items() if place is not None}

    @property
    def _parameters(self) -> dict[str, Any]:
        data = asdict(self.data)
        return {
            "model": {"options": self.original.options, "seed": self.original.seed},
            "data": {name: data[name] for name in data if name not in {"data", "test"}},
        }

    def _score_original(self) -> Scored:
        job = Job(kind="original", parameters=self._parameters, inputs=self._inputs)
        return self._one(Scored, job, "measuring the model")

    def _networks(
        self, candidates: Sequence[Candidate], found: Found
    ) -> dict[str, tuple[Input, Scored]]:
        """File and measure of the network of each rounding; those that cannot be are left out."""
        jobs = {
            _key(one): Job(kind="network", inputs=self._inputs, parameters={
                **self._parameters, "rounding": asdict(one.rounding)})
            for one in candidates
        }
        outcomes = run_all(list(jobs.values()), self.store, self.executor, "rounding")
        made = {}
        for key, job in jobs.items():
            outcome = outcomes[job.digest]
            if outcome.result is None:
                count = sum(_key(one) == key for one in candidates) * len(self.space.board)
                found.left_out[_why(outcome)] += count
                continue
            measured = self._read(Measured, job, outcome)
            path = str(self.store.place(job) / NETWORK)
            made[key] = Input(place=path, sha256=measured.rounded.sha256), measured.scored
        return made

    def _fit(
        self, candidates: Sequence[Candidate], networks: dict[str, tuple[Input, Scored]],
        found: Found,
    ) -> None:
        """Make points of what the engines hold and the boards have room for."""
        jobs = [
            Job(kind="engine", parameters={"config": asdict(one.config)},
                inputs={"network": networks[_key(one)][0]})
            for one in candidates
        ]
        outcomes = run_all(jobs, self.store, self.executor, "fitting engines")
        for one, job in zip(candidates, jobs, strict=True):
            outcome = outcomes[job.digest]
            if outcome.result is None:
                found.left_out[_why(outcome)] += len(self.space.board)
                continue
            held = self._read(Held, job, outcome)
            for name in self.space.board:
                guess = estimate(held.config, name)
                point = Point(
                    board=name, rounding=one.rounding, config=held.config, cycles=held.cycles,
                    network=job.inputs["network"].place, scored=networks[_key(one)][1],
                    luts=guess.luts, block_memories=guess.block_memories, fmax_mhz=guess.fmax_mhz,
                )
                self._take(point, found)

    def _take(self, point: Point, found: Found) -> None:
        """Keep a point unless its board is too small."""
        room = board(point.board).fpga
        for what, needed, there in (
            ("LUTs", point.luts, room.luts),
            ("block memories", point.block_memories, room.block_memories),
            ("DSP blocks", point.dsps, room.dsps),
        ):
            if needed > there:
                found.left_out[f"{point.board} has too few {what} ({there:,})"] += 1
                return
        found.points.append(point)

    def _build(
        self, kind: str, made: type[Packed], points: Sequence[Point], found: Found, stage: Stage
    ) -> None:
        """Have points made by the tools, and put what these say in their place."""
        jobs = [
            Job(kind=kind, parameters={"board": one.board, "config": asdict(one.config),
                                       "fmax_mhz": one.fmax_mhz})
            for one in points
        ]
        outcomes = run_all(jobs, self.store, self.executor, kind)
        failures = [outcomes[job.digest].failed for job in jobs]
        if jobs and all(failures):
            raise BuildError(f"All of {len(jobs)} failed: {failures[0]}")
        for one, job in zip(points, jobs, strict=True):
            outcome = outcomes[job.digest]
            found.points.remove(one)
            if outcome.result is None:
                found.left_out[_why(outcome)] += 1
            else:
                built = asdict(self._read(made, job, outcome))
                self._take(replace(one, stage=stage, **built), found)

    def _one(self, kind: type[Kind], job: Job, what: str) -> Kind:
        """The result of one job, without which nothing goes on."""
        outcome = run_all([job], self.store, self.executor, what)[job.digest]
        if outcome.result is None:
            raise NhotError(outcome.refused or outcome.failed)
        return self._read(kind, job, outcome)

    def _read(self, kind: type[Kind], job: Job, outcome: Outcome) -> Kind:
        """What a job gave, which may have lain in its folder for long."""
        return check_values(kind, outcome.result, f"Result {str(self.store.place(job))!r}")


def _key(candidate: Candidate) -> str:
    """What names its rounding."""
    return repr(candidate.rounding)


def _why(outcome: Outcome) -> str:
    if outcome.failed:
        _log.warning("left out, and tried again the next time: %s", outcome.failed)
    return outcome.failed or outcome.refused


def _reasons(counted: Counter[str]) -> str:
    return "; ".join(f"{count} x {reason}" for reason, count in counted.most_common())
