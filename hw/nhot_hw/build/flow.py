"""Build a bitstream, or take it from the cache."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from nhot.bitstream import Manifest, Sweep
from nhot.compiler.targets import Target
from nhot.errors import BuildError
from nhot.files import write_atomically
from nhot_hw.build.entries import MANIFEST
from nhot_hw.build.plan import BuildPlan, plan_build
from nhot_hw.build.seeds import place_seeds

__all__ = ["Built", "build", "build_plan"]

_log = logging.getLogger("nhot.build")

_FULL = 0.85  # part of what there is, from which on place and route has a hard time
_USED_WHOLE = {"pll"}  # there are one or two


@dataclass(frozen=True, kw_only=True)
class Built:
    """A bitstream on disk.

    Parameters
    ----------
    bitstream, manifest_path : Path
    manifest : Manifest
    logs : Path
        Folder with what the tools said.
    plan : BuildPlan
        That it was made by.
    """

    bitstream: Path
    manifest_path: Path
    manifest: Manifest
    logs: Path
    plan: BuildPlan


def build(
    target: Target, folder: Path, *, seed: int = 1, seeds: int = 1, jobs: int | None = None,
    allow_timing_failure: bool = False,
) -> Built:
    """Make ``folder/<board>/<configuration>/top.bit`` (iCE40: ``top.bin``) and its manifest.

    Minutes of work, all of it kept in the cache folder under a hash of its inputs; a build that
    was interrupted goes on after its last finished step.

    Parameters
    ----------
    seed : int
        Start of the placer's random numbers.
    seeds : int
        How many to try, from ``seed`` on; the one whose engine is fastest is kept, the first of
        equals. With more than one the manifest has what each reached.
    jobs : int, optional
        Seeds at a time: one a processor unless given.

    Raises
    ------
    MissingToolError
        A tool is not installed.
    BuildError
        A tool failed, the design does not fit, or it misses its clock, unless
        ``allow_timing_failure``.
    """
    plan = plan_build(target, seed=seed)
    return build_plan(
        plan, folder, seeds=seeds, jobs=jobs, allow_timing_failure=allow_timing_failure
    )


def build_plan(
    plan: BuildPlan, folder: Path, *, seeds: int = 1, jobs: int | None = None,
    allow_timing_failure: bool = False,
) -> Built:
    """As :func:`build`, from a plan."""
    entries = place_seeds(plan, range(plan.seed, plan.seed + seeds), jobs=jobs)
    entry, manifest = _best(entries)
    # What is in the cache may have been built by another name.
    target = plan.target
    manifest = replace(manifest, board=target.board, configuration=target.configuration)
    _check_timing(manifest, entry, allow=allow_timing_failure)
    place = folder / target.board / target.configuration
    place.mkdir(parents=True, exist_ok=True)
    write_atomically(place / plan.product, (entry / plan.product).read_bytes())
    write_atomically(place / MANIFEST, manifest.to_json().encode())
    return Built(
        bitstream=place / plan.product, manifest_path=place / MANIFEST, manifest=manifest,
        logs=entry, plan=plan,
    )


def _best(entries: dict[int, Path | None]) -> tuple[Path, Manifest]:
    """The entry of the fastest seed, and its manifest with what the others reached."""
    manifests = {
        seed: Manifest.read(entry / MANIFEST) for seed, entry in entries.items() if entry
    }
    best = max(manifests.values(), key=_speed)
    entry = entries[best.seed]
    assert entry is not None
    if len(entries) > 1:
        reached = {seed: one.engine_clock.fmax_mhz for seed, one in manifests.items()}
        best = replace(best, sweep=Sweep(
            first=min(entries), fmax_mhz=tuple(reached.get(seed) for seed in entries)
        ))
        _say_spread(best.seed, best.sweep)
    return entry, best


def _speed(manifest: Manifest) -> tuple[bool, float]:
    """Whether every clock is met, then how fast the engine is."""
    met = all(clock.margin >= 0 for clock in manifest.clocks.values())
    return met, manifest.engine_clock.fmax_mhz


def _say_spread(seed: int, sweep: Sweep) -> None:
    least, middle, most = sweep.spread.values()
    _log.info(
        "%d seeds: %.4g MHz at least, %.4g in the median, %.4g at most; kept seed %d",
        len(sweep.routed), least, middle, most, seed,
    )


def _warn_if_full(manifest: Manifest) -> None:
    """Few seeds reach their clock on a part that is nearly full, and routing may not end."""
    full = [
        f"{name} {resource.used / resource.available:.0%}"
        for name, resource in manifest.resources.items()
        if name not in _USED_WHOLE and resource.used > _FULL * resource.available
    ]
    if full:
        _log.warning(
            "%s is more than %.0f %% full (%s): what reaches its clock depends on the seed, and a "
            "larger engine may not", manifest.part, 100 * _FULL, ", ".join(full),
        )


def _check_timing(manifest: Manifest, logs: Path, *, allow: bool) -> None:
    slow = [
        f"{name}: {clock.fmax_mhz:g} of {clock.target_mhz:g} MHz"
        for name, clock in manifest.clocks.items() if clock.margin < 0
    ]
    # A clock that the tools do not know of would pass every check.
    engine = manifest.engine_clock
    used = [f"{r.used} of {r.available} {name}" for name, r in manifest.resources.items()]
    _log.info("%s: %s", manifest.part, ", ".join(used))
    _warn_if_full(manifest)
    if not slow:
        _log.info("engine clock %.4g MHz, good for %.4g", engine.target_mhz, engine.fmax_mhz)
    elif allow:
        _log.warning("misses its clock, and is written all the same: %s", "; ".join(slow))
    else:
        raise BuildError(
            f"Design for {manifest.board} misses its clock ({'; '.join(slow)}); try "
            f"{'more' if manifest.sweep else 'several'} seeds or a smaller engine (logs: {logs})"
        )
