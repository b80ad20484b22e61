"""The chain of equalities: from the network to the Verilog, link by link, each one exact."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from nhot.compiler import Image, Machine
from nhot.compiler.differences import check_contents
from nhot.errors import MismatchError, MissingToolError
from nhot.formats.format import Ints
from nhot.network import Network
from nhot.network.reference import run
from nhot.progress import track
from nhot_sim.benches.progress import watch
from nhot_sim.effort import amaranth_seconds, faster_simulator, run_cycles
from nhot_sim.engine_simulation import EngineSimulation

__all__ = ["Link", "check_amaranth", "check_layers", "check_verilog", "verify"]

PATIENCE = 300.0
"""Seconds that Amaranth's simulator may take unasked."""


@dataclass(frozen=True, kw_only=True)
class Link:
    """One link: what was compared with what, on how much; or why it was left out."""

    name: str
    compared: str
    left_out: bool = False


def verify(
    network: Network, image: Image, inputs: Ints, *,
    simulated: int = 1, simulator: Literal["icarus", "verilator"] | None = None, full: bool = False,
) -> Iterator[Link]:
    """Walk the chain on ``inputs`` (batch, height, width, channels), a link at a time.

    The image's contents against the network, the image run in numpy on every input, then the
    gateware on the first ``simulated`` inputs: in Amaranth's simulator and, as generated Verilog
    under cocotb, in ``simulator`` or the one that is faster. A run must take the cycles that were
    predicted. Raises :class:`MismatchError` at the first difference.

    Amaranth's simulator runs what the Verilog is made from, a thousand cycles a second: where it
    would take more than :data:`PATIENCE` its link is left out unless ``full`` asks for it.
    """
    weights = check_contents(network, image)
    yield Link(name="network == image", compared=f"{weights:,} weights, all records and steps")

    wanted = run(network, inputs, trace=True)
    machine = Machine(image)
    for i, x in enumerate(track(inputs, "image in numpy", unit="inputs")):
        check_layers("image", machine.run(x), wanted, i)
    layers = len(image.meta.layers)
    yield Link(name="reference == image", compared=f"{len(inputs)} inputs, {layers} layers")

    some = inputs[:simulated]
    seconds = amaranth_seconds(image, len(some))
    if full or seconds <= PATIENCE:
        check_amaranth(image, some, wanted)
        compared = f"{len(some)} inputs, {run_cycles(image):,} cycles each"
    else:
        compared = f"it would take about {round(seconds / 60)} min"
    yield Link(name="reference == Amaranth", compared=compared,
               left_out=not full and seconds > PATIENCE)

    simulator = simulator or faster_simulator(image, len(some))
    check_verilog(network, image, some, simulator=simulator)
    yield Link(name="reference == Verilog", compared=f"{len(some)} inputs, cocotb on {simulator}")


def check_amaranth(image: Image, inputs: Ints, wanted: dict[str, Ints]) -> None:
    """Run ``inputs`` on the engine in Amaranth's simulator; every layer and the cycles must be so.
    """
    simulation = EngineSimulation(image, direct=True)
    for i, outputs in enumerate(simulation.run(list(inputs))):
        check_layers("Amaranth simulation", outputs, wanted, i)
    if simulation.cycles != simulation.predicted:
        raise MismatchError(
            f"Run must take {simulation.predicted} cycles, not {simulation.cycles}, in the "
            f"Amaranth simulation"
        )


def check_layers(where: str, got: dict[str, Ints], wanted: dict[str, Ints], index: int) -> None:
    """Refuse the first layer, in order, whose integers differ from those of input ``index``."""
    for name, values in got.items():
        bad = np.argwhere(values != wanted[name][index])
        if len(bad):
            place = tuple(int(i) for i in bad[0])
            raise MismatchError(
                f"Layer {name!r} of input {index} at (y, x, channel) {place} must be "
                f"{wanted[name][index][place]}, not {values[place]}, in the {where} "
                f"({len(bad)} of {values.size} differ)"
            )


def check_verilog(
    network: Network, image: Image, inputs: Ints, *,
    simulator: Literal["icarus", "verilator"] = "icarus", pause: float = 0.1, seed: int = 1,
    testcase: str | None = "layers_equal_reference", build_dir: Path | None = None,
) -> None:
    """Run ``inputs`` through the engine's generated Verilog under cocotb, with random stalls."""
    from nhot_hw.engine import Engine
    from nhot_sim.runner import missing_tool, run_bench

    if reason := missing_tool(simulator):
        raise MissingToolError(reason)
    with _folder(build_dir) as folder:
        (folder / "image.img").write_bytes(image.to_bytes())
        np.savez(folder / "wanted.npz", **run(network, inputs, trace=True))
        progress = folder / "progress.json"
        try:
            with watch(progress):
                run_bench(
                    Engine(image.config), "nhot_sim.benches.tb_engine", build_dir=folder / "bench",
                    name="engine", simulator=simulator, testcase=testcase, seed=seed,
                    parameters={
                        "image": str(folder / "image.img"), "wanted": str(folder / "wanted.npz"),
                        "progress": str(progress), "pause": pause, "seed": seed,
                    },
                )
        except AssertionError as error:
            raise MismatchError(_reason(str(error))) from None


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="nhot-") as made:
        yield Path(made)


def _reason(log: str) -> str:
    """The line of a bench's log that says what differed."""
    lines = [line.strip() for line in log.splitlines()]
    return next((line for line in lines if "Error: " in line), log[-2000:])
