"""The committed bitstreams: what their manifests say, and that today's sources still give them."""

import gzip
import hashlib
from pathlib import Path

import pytest

from nhot.bitstream import Manifest
from nhot.compiler import EngineConfig
from nhot.compiler.targets import BOARDS, Target, target
from nhot_hw.build.flow import build
from nhot_hw.build.plan import plan_build

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "bitstreams"
MANIFESTS = sorted(FOLDER.glob("*/*/manifest.json"))


def _target(manifest: Manifest) -> Target:
    return target(manifest.board, manifest.configuration)


def test_every_configuration_of_a_board_has_one_or_none_has():
    names = {(path.parent.parent.name, path.parent.name) for path in MANIFESTS}
    boards = {board for board, _ in names}
    assert names == {(name, c) for name in boards for c in BOARDS[name].configurations}
    assert {"ecp5", "ice40"} <= {BOARDS[name].family for name in boards}


def _engine(path: Path) -> EngineConfig:
    return target(path.parts[-3], path.parts[-2]).config


def _name(path: Path) -> str:
    return f"{path.parts[-3]}-{path.parts[-2]}"


def _data(path: Path) -> bytes:
    """Gowin's are text, a character a bit, and are kept compressed."""
    if path.suffix == ".fs":
        return gzip.decompress(path.with_suffix(".fs.gz").read_bytes())
    return path.read_bytes()


@pytest.mark.parametrize("path", MANIFESTS, ids=_name)
def test_manifest_fits_file_and_target(path):
    manifest = Manifest.read(path)
    assert path.read_text(encoding="utf-8") == manifest.to_json()
    data = _data(path.parent / manifest.file)
    assert len(data) == manifest.bytes
    assert hashlib.sha256(data).hexdigest() == manifest.sha256
    assert manifest.config == _target(manifest).config
    assert manifest.engine_clock.margin > 0


@pytest.mark.parametrize("path", MANIFESTS, ids=_name)
def test_fpga_has_what_the_tools_say(path):
    manifest = Manifest.read(path)
    fpga = BOARDS[manifest.board].fpga
    has = {"lut4": fpga.luts, "bram": fpga.block_memories, "dsp": fpga.dsps}
    found = {name: one.available for name, one in manifest.resources.items() if name in has}
    assert found == {name: has[name] for name in found}
    assert {"lut4", "bram"} <= set(found)


@pytest.mark.parametrize("path", [
    # Amaranth takes most of a minute for hundreds of lanes.
    pytest.param(path, marks=pytest.mark.slow if _engine(path).macs > 200 else ())
    for path in MANIFESTS
], ids=_name)
def test_manifest_fits_sources(path):
    manifest = Manifest.read(path)
    plan = plan_build(_target(manifest), seed=manifest.seed)
    assert plan.tools == manifest.tools, "other tool versions: build the bitstreams again"
    assert plan.digest == manifest.inputs_sha256, "other gateware: build the bitstreams again"


def _row(manifest: Manifest) -> str:
    """What the README's table says of a bitstream."""
    clock, cells, memory = (
        manifest.engine_clock, manifest.resources["lut4"], manifest.resources["bram"]
    )
    return (
        f"| `{manifest.board}` `{manifest.configuration}` | {manifest.config.macs} "
        f"| {cells.used:,} of {cells.available:,} | {memory.used} of {memory.available} "
        f"| {clock.fmax_mhz:.1f} MHz | {clock.target_mhz:.0f} MHz |"
    )


def test_readme_has_the_figures_of_the_manifests():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme.split("<!-- bitstreams:begin -->")[1].split("<!-- bitstreams:end -->")[0]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    assert rows == [_row(Manifest.read(path)) for path in MANIFESTS]
    assert not any(Manifest.read(path).resources["dsp"].used for path in MANIFESTS)


@pytest.mark.parametrize(("board", "configuration", "least"), [
    ("icebreaker", "2hot", 30), ("icebreaker", "signed-binary", 30),
    ("ulx3s-85f", "2hot", 60), ("ulx3s-85f", "signed-binary", 60),
])
def test_clocks_are_met_with_margin(board, configuration, least):
    for path in (FOLDER / board).glob(f"{configuration}/manifest.json"):
        clock = Manifest.read(path).engine_clock
        assert clock.target_mhz >= least
        assert clock.fmax_mhz > 1.1 * clock.target_mhz


@pytest.mark.parametrize(("name", "least"), [
    ("ulx3s-85f/2hot-256", 55), ("ulx3s-85f/2hot-512", 50), ("icebreaker/signed-binary-large", 30),
])
def test_a_full_part_has_some_margin(name, least):
    clock = Manifest.read(FOLDER / name / "manifest.json").engine_clock
    assert clock.target_mhz >= least
    assert clock.fmax_mhz > 1.01 * clock.target_mhz


def test_ulx3s_does_64_macs_a_cycle():
    assert Manifest.read(FOLDER / "ulx3s-85f/2hot/manifest.json").config.macs >= 64


@pytest.mark.slow
def test_icebreaker_rebuilds_to_the_same_hash(tmp_path, monkeypatch):
    monkeypatch.setenv("NHOT_CACHE_DIR", str(tmp_path / "cache"))
    manifest = Manifest.read(FOLDER / "icebreaker/2hot/manifest.json")
    build(_target(manifest), tmp_path / "out", seed=manifest.seed)
    made = next((tmp_path / "out").rglob(manifest.file))
    assert hashlib.sha256(made.read_bytes()).hexdigest() == manifest.sha256
