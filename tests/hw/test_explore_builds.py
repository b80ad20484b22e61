# amaranth: UnusedElaboratable=no
"""The jobs of a sweep that build: clocks, and what becomes of what the tools say."""

from dataclasses import asdict, replace

import pytest

from nhot.bitstream import Manifest, Resource
from nhot.compiler.targets import BOARDS, target
from nhot.errors import BuildError, NhotError
from nhot_hw.build import jobs
from nhot_hw.build.entries import MANIFEST
from nhot_hw.build.jobs import clock, placement, reachable_clock, synthesis
from nhot_hw.build.plan import plan_build
from nhot_hw.build.tools import MisfitError
from nhot_hw.build.wire import Wire
from nhot_hw.families import FAMILIES

SMALL = replace(target("icebreaker").config, filters=1, inputs=1, weight_words=64,
                activation_words=64)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(jobs, "plan_build", lambda target, *, seed: plan_build(
        target, seed=seed, engine=Wire()))


@pytest.mark.parametrize("name", BOARDS)
def test_clocks_can_be_made_and_no_faster_one_can(name):
    known = BOARDS[name]
    find = FAMILIES[known.family].find_dividers
    for fmax in (known.input_hz / 1e6, 24.0, 29.9, 55.5, 71.1):
        found = reachable_clock(name, fmax)
        assert found <= fmax * 1e6
        if found != known.input_hz:
            find(known.input_hz, found)
        for faster in range(found + 10**6, int(fmax * 1e6) + 1, 10**6):
            with pytest.raises(NhotError, match="which it cannot for"):
                find(known.input_hz, faster)
    assert clock({"board": name, "fmax_mhz": 24.5}, {}, None) == {
        "clock_hz": reachable_clock(name, 24.5)}


def test_clocks_that_there_are_none_of():
    with pytest.raises(NhotError, match=r"there is none up to 0\.9 MHz"):
        reachable_clock("icebreaker", 0.9)


def parameters(fmax_mhz):
    return {"board": "icebreaker", "config": asdict(SMALL), "fmax_mhz": fmax_mhz}


def test_synthesis(monkeypatch, tmp_path, quick):
    plans = []

    def pack(plan):
        plans.append(plan)
        return {"lut4": Resource(used=100, available=5280), "bram": Resource(used=4, available=30)}

    monkeypatch.setattr(jobs, "pack", pack)
    assert synthesis(parameters(29.0), {}, tmp_path) == {"luts": 100, "block_memories": 4}
    (plan,) = plans
    assert (plan.target.config, plan.target.clock_hz) == (SMALL, 27_000_000)


def test_synthesis_of_too_much(monkeypatch, tmp_path, quick):
    monkeypatch.setattr(jobs, "pack", lambda _: {
        "lut4": Resource(used=9, available=8), "bram": Resource(used=4, available=30)})
    with pytest.raises(NhotError, match=r"icebreaker has too few lut4 \(8\)"):
        synthesis(parameters(29.0), {}, tmp_path)


class Placer:
    """In place of nextpnr: an engine that is so fast, whatever it is asked for."""

    def __init__(self, folder, fmax_mhz):
        self.folder, self.fmax_mhz, self.clocks = folder, fmax_mhz, []

    def __call__(self, plan, seeds, *, jobs):
        known = Manifest.read("bitstreams/icebreaker/2hot/manifest.json")
        target_mhz = plan.target.clock_hz / 1e6
        self.clocks.append(target_mhz)
        clocks = {name: replace(one, fmax_mhz=self.fmax_mhz, target_mhz=target_mhz)
                  for name, one in known.clocks.items()}
        made = replace(known, clocks=clocks, clock_hz=plan.target.clock_hz,
                       config=plan.target.config)
        (self.folder / MANIFEST).write_text(made.to_json(), encoding="utf-8")
        return {seeds[0]: self.folder}


def test_placement_at_the_clock_of_the_estimate_or_else_at_one_that_is_met(
    monkeypatch, tmp_path, request, quick
):
    monkeypatch.chdir(request.config.rootpath)
    (tmp_path / "entry").mkdir()
    placer = Placer(tmp_path / "entry", 26.0)
    monkeypatch.setattr(jobs, "place_seeds", placer)
    found = placement(parameters(24.9), {}, tmp_path)
    assert placer.clocks == [24.0]
    assert (found["clock_hz"], found["fmax_mhz"]) == (24_000_000, 26.0)
    assert Manifest.read(tmp_path / MANIFEST).clock_hz == 24_000_000
    found = placement(parameters(31.0), {}, tmp_path)
    assert placer.clocks[1:] == [30.0, 24.0]
    assert found["clock_hz"] == 24_000_000
    assert found["luts"] > 0
    assert found["block_memories"] > 0


def test_placement_that_never_meets_its_clock(monkeypatch, tmp_path, request, quick):
    monkeypatch.chdir(request.config.rootpath)
    (tmp_path / "entry").mkdir()
    placer = Placer(tmp_path / "entry", 26.0)

    def slower(plan, seeds, *, jobs):
        placer.fmax_mhz = plan.target.clock_hz / 1e6 - 0.5
        return placer(plan, seeds, jobs=jobs)

    monkeypatch.setattr(jobs, "place_seeds", slower)
    with pytest.raises(NhotError, match="No clock was met on icebreaker"):
        placement(parameters(40.0), {}, tmp_path)
    assert len(placer.clocks) == 3


@pytest.mark.parametrize(("error", "kind"), [(MisfitError, NhotError), (BuildError, BuildError)])
def test_placement_that_fails(monkeypatch, tmp_path, quick, error, kind):
    """That a design does not fit is for ever, other failures are not."""
    def place(*_, **__):
        raise error("it did not")

    monkeypatch.setattr(jobs, "place_seeds", place)
    with pytest.raises(kind) as found:
        placement(parameters(24.9), {}, tmp_path)
    assert found.value.exit_code == kind.exit_code


@pytest.mark.slow
def test_jobs_with_the_tools(tmp_path):
    """The smallest engine, synthesised and placed; nhot build then finds it in its cache."""
    packed = synthesis(parameters(24.0), {}, tmp_path)
    placed = placement(parameters(24.0), {}, tmp_path)
    assert packed == {name: placed[name] for name in packed}
    assert placed["fmax_mhz"] >= placed["clock_hz"] / 1e6
