"""Bench of the engine: whole small networks through the host's ports, with stalls and garbage."""

from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from nhot.compiler import Image
from nhot.compiler.program import Region
from nhot.formats.format import Ints
from nhot_sim.chain import check_layers
from nhot_sim.engine import surviving_layers
from nhot_sim.runner import bench_parameters
from nhot_sim.streams import StreamMonitor, StreamSink, StreamSource, start

PATIENCE = 200_000


class Bench:
    """Streams into and out of the engine, and the accesses made of them."""

    def __init__(self, dut: Any, pause: float, seed: int):
        self.dut = dut
        self.access = StreamSource(dut, "i_access", pause=pause, seed=seed)
        self.data = StreamSource(dut, "i_data", pause=pause, seed=seed)
        self.answers = StreamSink(dut, "o_data", pause=pause, seed=seed)

    async def start(self) -> None:
        """Reset, then watch the stream that the engine drives."""
        self.dut.i_start.value = 0
        self.dut.i_limit.value = 0xFFFF
        self.dut.i_reset.value = 0
        await start(self.dut)
        StreamMonitor(self.dut, "o_data")

    async def write(self, region: Region, address: int, data: bytes) -> None:
        """Write ``data`` from word ``address`` on."""
        await self._command(1, region, address, len(data))
        await self.data.put_all(data)

    async def read(self, region: Region, address: int, length: int) -> bytes:
        """Read ``length`` bytes from word ``address``."""
        await self._command(0, region, address, length)
        return bytes(await self.answers.get_all(length))

    async def run(self) -> int:
        """Start the program and wait for its end; the cycles that the engine counted."""
        for _ in range(16):  # the last word may still be on its way into its memory
            await RisingEdge(self.dut.clk)
        self.dut.i_start.value = 1
        await RisingEdge(self.dut.clk)
        self.dut.i_start.value = 0
        for _ in range(PATIENCE):
            await RisingEdge(self.dut.clk)
            if self.dut.o_busy.value == 0:
                return int(self.dut.o_cycles.value)
        raise AssertionError(f"Run must end within {PATIENCE} cycles")

    async def _command(self, write: int, region: int, address: int, length: int) -> None:
        await self.access.put(write | region << 1 | address << 5 | length << 21)


def _setup(dut: Any) -> tuple[Bench, Image, dict[str, Ints]]:
    parameters = bench_parameters()
    with np.load(parameters["wanted"]) as archive:
        wanted = {name: archive[name] for name in archive.files}
    image = Image.from_bytes(Path(parameters["image"]).read_bytes())
    return Bench(dut, parameters["pause"], parameters["seed"]), image, wanted


async def _load(bench: Bench, image: Image) -> None:
    for region, data in (
        (Region.PROGRAM, image.program), (Region.REQUANT, image.requant),
        (Region.WEIGHTS, image.weights),
    ):
        await bench.write(region, 0, data)


async def _check_run(bench: Bench, image: Image, wanted: dict[str, Ints], index: int) -> None:
    place = image.meta.input
    await bench.write(Region.ACTIVATIONS, place.address, place.pack(wanted[place.name][index]))
    await bench.run()
    outputs = {}
    for layer in surviving_layers(image):
        place = layer.output
        raw = await bench.read(Region.ACTIVATIONS, place.address, place.words * place.word_bytes)
        outputs[layer.name] = place.unpack(raw)
    check_layers("Verilog", outputs, wanted, index)


@cocotb.test()
async def layers_equal_reference(dut: Any) -> None:
    """Every surviving layer of every input equals the reference."""
    bench, image, wanted = _setup(dut)
    await bench.start()
    await _load(bench, image)
    for index in range(len(wanted[image.meta.input.name])):
        await _check_run(bench, image, wanted, index)


@cocotb.test()
async def reset_keeps_the_weights(dut: Any) -> None:
    """Dense codes go in, the lanes' fields come out, and a reset in a run changes neither."""
    bench, image, wanted = _setup(dut)
    config = image.config
    await bench.start()
    await _load(bench, image)
    dut.i_start.value = 1
    await RisingEdge(dut.clk)
    dut.i_start.value = 0
    for _ in range(100):
        await RisingEdge(dut.clk)
    assert dut.o_busy.value == 1
    dut.i_reset.value = 1
    await RisingEdge(dut.clk)
    dut.i_reset.value = 0
    for _ in range(2):
        await RisingEdge(dut.clk)
    assert dut.o_busy.value == 0

    fields = image.weight_fields()
    size = (config.weight_format.field_bits + 7) // 8
    count = min(len(fields), 5)
    raw = await bench.read(Region.WEIGHTS, 0, count * fields.shape[1] * size)
    got = np.frombuffer(raw, np.uint8).reshape(-1, size).astype(np.int64) @ (
        256 ** np.arange(size)
    )
    np.testing.assert_array_equal(got, fields[:count].reshape(-1))
    await _check_run(bench, image, wanted, 0)
