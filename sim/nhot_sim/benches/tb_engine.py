"""Bench of the engine: whole small networks through the host's ports, with stalls and garbage."""

from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge, First, RisingEdge, Timer

from nhot.compiler import Image
from nhot.contract.cycles import program_cycles
from nhot.contract.program import Region, unpack_program
from nhot.formats.format import Ints
from nhot_hw.engine.host import AccessLayout
from nhot_sim.benches.progress import Reporter
from nhot_sim.benches.stream_ports import StreamMonitor, StreamSink, StreamSource, start
from nhot_sim.chain import check_layers
from nhot_sim.engine_simulation import accesses, surviving_layers
from nhot_sim.runner import bench_parameters

PERIOD = 10  # ns
SLICES = 100  # of a run, between two reports of progress


class Bench:
    """Streams into and out of the engine, and the accesses made of them."""

    def __init__(self, dut: Any, image: Image, *, pause: float, seed: int, progress: Reporter):
        self.dut = dut
        self.image = image
        self.progress = progress
        self.predicted = sum(program_cycles(unpack_program(image.program), image.config))
        self.access = StreamSource(dut, "host__access", pause=pause, seed=seed)
        self.data = StreamSource(dut, "host__write", pause=pause, seed=seed)
        self.answers = StreamSink(dut, "host__read", pause=pause, seed=seed)

    async def start(self, *, reset: bool = True) -> None:
        """Reset, unless it starts as configured; then watch the stream that the engine drives."""
        self.dut.host__start.value = 0
        self.dut.host__limit.value = 0xFFFF
        self.dut.host__reset.value = 0
        await start(self.dut, period=PERIOD, reset=reset)
        StreamMonitor(self.dut, "host__read")

    async def write(self, region: Region, address: int, data: bytes) -> None:
        """Write ``data`` from word ``address`` on, in as many accesses as it takes."""
        for word, first, length in accesses(self.image.config, region, address, len(data)):
            await self._command(1, region, word, length)
            for byte in data[first : first + length]:
                await self.data.put(byte)
                self.progress.step()

    async def read(self, region: Region, address: int, length: int) -> bytes:
        """Read ``length`` bytes from word ``address`` on."""
        data = bytearray()
        for word, _, count in accesses(self.image.config, region, address, length):
            await self._command(0, region, word, count)
            for _ in range(count):
                data.append(await self.answers.get())
                self.progress.step()
        return bytes(data)

    async def run(self) -> None:
        """Start the program and wait for its end, which must come when the compiler says."""
        for _ in range(16):  # the last word may still be on its way into its memory
            await RisingEdge(self.dut.clk)
        self.dut.host__start.value = 1
        await RisingEdge(self.dut.clk)
        self.dut.host__start.value = 0
        await RisingEdge(self.dut.clk)
        assert self.dut.host__busy.value == 1, "Engine must be busy once it is started"
        # Without a look at each cycle, the simulator runs at its own speed.
        end, part = FallingEdge(self.dut.host__busy), self.predicted // SLICES + 1
        for _ in range(SLICES + 1):
            if await First(end, Timer(part * PERIOD, unit="ns")) is end:
                break
            self.progress.step(part)
        await FallingEdge(self.dut.clk)
        assert self.dut.host__busy.value == 0, f"Run must end within {self.predicted} cycles"
        cycles = int(self.dut.host__cycles.value)
        assert cycles == self.predicted, f"Run must take {self.predicted} cycles, not {cycles}"
        await RisingEdge(self.dut.clk)

    async def _command(self, write: int, region: int, address: int, length: int) -> None:
        access = {"write": write, "region": region, "address": address, "length": length}
        await self.access.put(AccessLayout.const(access).as_bits())


def _setup(dut: Any) -> tuple[Bench, Image, dict[str, Ints]]:
    parameters = bench_parameters()
    with np.load(parameters["wanted"]) as archive:
        wanted = {name: archive[name] for name in archive.files}
    image = Image.from_bytes(Path(parameters["image"]).read_bytes())
    bench = Bench(
        dut, image, pause=parameters["pause"], seed=parameters["seed"],
        progress=Reporter(parameters.get("progress")),
    )
    return bench, image, wanted


async def _load(bench: Bench, image: Image) -> None:
    sections = (
        (Region.PROGRAM, image.program), (Region.REQUANT, image.requant),
        (Region.WEIGHTS, image.weights),
    )
    bench.progress.begin("Verilog, loading", sum(len(data) for _, data in sections), "bytes")
    for region, data in sections:
        await bench.write(region, 0, data)


async def _check_run(bench: Bench, image: Image, wanted: dict[str, Ints], index: int) -> None:
    source = image.meta.input
    packed = source.pack(wanted[source.name][index])
    layers = [(layer.name, layer.output) for layer in surviving_layers(image)]
    bench.progress.begin(f"Verilog, input {index}, writing", len(packed), "bytes")
    await bench.write(Region.ACTIVATIONS, source.address, packed)
    bench.progress.begin(f"Verilog, input {index}, running", bench.predicted, "cycles")
    await bench.run()
    size = sum(place.words * place.word_bytes for _, place in layers)
    bench.progress.begin(f"Verilog, input {index}, reading", size, "bytes")
    outputs = {}
    for name, place in layers:
        raw = await bench.read(Region.ACTIVATIONS, place.address, place.words * place.word_bytes)
        outputs[name] = place.unpack(raw)
    check_layers("Verilog", outputs, wanted, index)


@cocotb.test()
async def layers_equal_reference(dut: Any) -> None:
    """Every surviving layer of every input equals the reference."""
    bench, image, wanted = _setup(dut)
    await bench.start(reset=bench_parameters().get("reset", True))
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
    dut.host__start.value = 1
    await RisingEdge(dut.clk)
    dut.host__start.value = 0
    for _ in range(100):
        await RisingEdge(dut.clk)
    assert dut.host__busy.value == 1
    dut.host__reset.value = 1
    await RisingEdge(dut.clk)
    dut.host__reset.value = 0
    for _ in range(2):
        await RisingEdge(dut.clk)
    assert dut.host__busy.value == 0

    fields = image.weight_fields()
    size = config.field_bytes // config.word_codes
    count = min(len(fields), 5)
    raw = await bench.read(Region.WEIGHTS, 0, count * config.field_bytes)
    got = np.frombuffer(raw, np.uint8).reshape(-1, size).astype(np.int64) @ (
        256 ** np.arange(size)
    )
    np.testing.assert_array_equal(got, fields[:count].reshape(-1))
    await _check_run(bench, image, wanted, 0)
