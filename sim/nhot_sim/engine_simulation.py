"""An engine in Amaranth's simulator, driven through its host ports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import numpy as np
from amaranth.sim import Simulator

from nhot.compiler.contents import image_contents
from nhot.compiler.image import Image
from nhot.compiler.meta import LayerMeta
from nhot.contract.config import EngineConfig
from nhot.contract.cycles import program_cycles
from nhot.contract.program import Fault, Region, unpack_program
from nhot.device.board import LayerTime
from nhot.errors import MismatchError
from nhot.formats.format import Ints
from nhot.progress import Progress
from nhot_hw.engine import Engine

__all__ = ["EngineSimulation", "accesses", "surviving_layers"]

_PERIOD = 1e-8
_MOST_BYTES = (1 << 16) - 1  # of an access
_LOOK = 1000  # cycles between two reports of progress


class EngineSimulation:
    """Load an image into an :class:`Engine` and run inputs through it, one after another.

    Parameters
    ----------
    image : Image
    limit : int, optional
        Cycles after which a run that does not end is an error; those of its program unless given.
    direct : bool
        Put weights and inputs into their memories at once instead of sending them through the
        loader, which takes a cycle a bit or a byte.
    """

    def __init__(
        self, image: Image, *, limit: int | None = None, direct: bool = False
    ) -> None:
        self.image = image
        self.direct = direct
        self.predicted = sum(program_cycles(unpack_program(image.program), image.config))
        self.limit = self.predicted if limit is None else limit
        self.cycles = 0
        self.stalls = 0
        self.layer_ends: list[int] = []
        self.layer_stalls: list[int] = []

    def run(self, inputs: list[Ints], *, trace: str | None = None) -> list[dict[str, Ints]]:
        """All layers' outputs of each input, by name; ``trace`` names a VCD file to write.

        A layer whose memory is written again before the end of the run has been overwritten by
        then, and is left out.
        """
        engine = Engine(self.image.config)
        simulator = Simulator(engine)
        simulator.add_clock(_PERIOD)
        results: list[dict[str, Ints]] = []

        async def bench(ctx):  # type: ignore[no-untyped-def]
            for region, data in (
                (Region.PROGRAM, self.image.program),
                (Region.REQUANT, self.image.requant),
            ):
                await self._write(ctx, engine, region, 0, data)
            if self.direct:
                for address, word in enumerate(image_contents(self.image).weights):
                    ctx.set(engine.weights.row(address), word)
            else:
                await self._write(ctx, engine, Region.WEIGHTS, 0, self.image.weights)
            place = self.image.meta.input
            for values in inputs:
                packed = place.pack(values)
                if self.direct:
                    self._place(ctx, engine, place, packed)
                else:
                    await self._write(ctx, engine, Region.ACTIVATIONS, place.address, packed)
                await self._start(ctx, engine, progress)
                results.append(await self._outputs(ctx, engine))
            layers = len(self.image.meta.layers)
            timing = await self._read(ctx, engine, Region.TIMING, 0, 8 * layers)
            numbers = np.frombuffer(timing, "<u4").reshape(-1, 2)
            self.layer_ends, self.layer_stalls = numbers.T.tolist()

        simulator.add_testbench(bench)
        waves = nullcontext() if trace is None else simulator.write_vcd(trace)
        total = len(inputs) * self.predicted
        with waves, Progress("Amaranth, running", total, unit="cycles") as progress:
            simulator.run()
        return results

    def layer_times(self) -> list[LayerTime]:
        """When each layer of the last run ended, and the stalls until then."""
        return [
            LayerTime(name=layer.name, end=end, stalls=stalls)
            for layer, end, stalls in zip(
                self.image.meta.layers, self.layer_ends, self.layer_stalls, strict=True)
        ]

    def _place(self, ctx, engine, place, packed):  # type: ignore[no-untyped-def]
        size = place.word_bytes
        for word in range(place.words):
            value = int.from_bytes(packed[word * size : (word + 1) * size], "little")
            ctx.set(engine.activations.row(place.address + word), value)

    async def _start(self, ctx, engine, progress):  # type: ignore[no-untyped-def]
        ctx.set(engine.host.limit, 0xFFFF)
        ctx.set(engine.host.start, 1)
        await ctx.tick()
        ctx.set(engine.host.start, 0)
        for cycle in range(self.limit + 1):
            if not ctx.get(engine.host.busy):
                break
            if cycle % _LOOK == _LOOK - 1:
                progress.step(_LOOK)
            self._check_collision(ctx, engine)
            await ctx.tick()
        else:
            raise MismatchError(f"Run must end within {self.limit} cycles")
        self.cycles, self.stalls = ctx.get(engine.host.cycles), ctx.get(engine.host.stalls)
        if fault := ctx.get(engine.host.fault):
            raise MismatchError(
                f"Run must reach its END, but stopped after {self.cycles} cycles in layer "
                f"{ctx.get(engine.host.layers)}: {Fault(fault).name}"
            )

    def _check_collision(self, ctx, engine):  # type: ignore[no-untyped-def]
        """Builds rely on it that no word is read, and used, in the cycle in which it is written."""
        memory, step = engine.activations, engine.walker.o_step
        if not ctx.get(memory.i_write) or not ctx.get(engine.walker.o_valid):
            return
        written = ctx.get(memory.i_write_address)
        for pixel in range(self.image.config.pixels):
            read = ctx.get(step.address[pixel])
            if read == written and ctx.get(step.inside[pixel]):
                raise MismatchError(f"Word {written} must not be read while it is written")

    async def _outputs(self, ctx, engine):  # type: ignore[no-untyped-def]
        outputs = {}
        for layer in surviving_layers(self.image):
            place = layer.output
            size = place.words * place.word_bytes
            data = await self._read(ctx, engine, Region.ACTIVATIONS, place.address, size)
            outputs[layer.name] = place.unpack(data)
        return outputs

    async def _access(self, ctx, engine, write, region, address, length):  # type: ignore[no-untyped-def]
        ctx.set(engine.host.access.payload, {
            "write": write, "region": region, "address": address, "length": length,
        })
        ctx.set(engine.host.access.valid, 1)
        await ctx.tick().until(engine.host.access.ready)
        ctx.set(engine.host.access.valid, 0)

    async def _write(self, ctx, engine, region, address, data):  # type: ignore[no-untyped-def]
        for start, first, length in accesses(self.image.config, region, address, len(data)):
            await self._access(ctx, engine, 1, region, start, length)
            for byte in data[first : first + length]:
                ctx.set(engine.host.write.payload, byte)
                ctx.set(engine.host.write.valid, 1)
                await ctx.tick().until(engine.host.write.ready)
            ctx.set(engine.host.write.valid, 0)
        for _ in range(16):  # the last word is still being stored
            await ctx.tick()

    async def _read(self, ctx, engine, region, address, length):  # type: ignore[no-untyped-def]
        data = bytearray()
        for start, first, count in accesses(self.image.config, region, address, length):
            await self._access(ctx, engine, 0, region, start, count)
            ctx.set(engine.host.read.ready, 1)
            while len(data) < first + count:
                _, _, valid, byte = await ctx.tick().sample(
                    engine.host.read.valid, engine.host.read.payload
                )
                if valid:
                    data.append(byte)
            ctx.set(engine.host.read.ready, 0)
        return bytes(data)


def accesses(
    config: EngineConfig, region: Region, address: int, length: int
) -> Iterator[tuple[int, int, int]]:
    """Split an access of whole words at what the 16 bits of a length can say.

    Yields word address, index of the first byte, and number of bytes. Weights are written words.
    """
    word = {
        Region.REQUANT: 4 * config.requantisers, Region.WEIGHTS: config.code_bytes,
        Region.ACTIVATIONS: config.inputs,
    }.get(region, 4)
    most = _MOST_BYTES // word * word
    for first in range(0, length, most):
        yield address + first // word, first, min(most, length - first)


def surviving_layers(image: Image, part: slice = slice(None)) -> list[LayerMeta]:
    """The tensors that a part of the program makes whole, and that are there at its end.

    Each is told by the last of the descriptors that write it.
    """
    layers = image.meta.layers
    last = {layer.name: index for index, layer in enumerate(layers)}
    kept: list[LayerMeta] = []
    written: set[int] = set()
    for index in reversed(range(len(layers))[part]):
        layer, place = layers[index], layers[index].output
        words = set(range(place.address, place.address + place.words))
        if last[layer.name] == index and not words & written:
            kept.append(layer)
        written |= words
    return kept[::-1]
