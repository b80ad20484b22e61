"""Bench of the whole top through its two wires: load, read back, run, read the answer."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import Timer

from nhot.compiler import Image
from nhot.contract.cycles import run_limit
from nhot.contract.program import Region, unpack_program
from nhot.device.areas import image_areas
from nhot.device.protocol import Opcode, Request, Response, State, Status
from nhot_sim.benches.tb_link import SOUND
from nhot_sim.benches.tb_link import Bench as SerialBench
from nhot_sim.runner import bench_parameters

CHUNK = 64  # bytes a frame, at most
PATIENCE = 1000  # bytes' time


class Bench(SerialBench):
    """Requests over the serial port, one at a time."""

    sequence = 0

    async def request(self, **fields: Any) -> Response:
        """Send a request and take its answer, which must carry its number."""
        self.sequence = (self.sequence + 1) & 0xFF
        await self.send(Request(sequence=self.sequence, **fields).to_bytes())
        response = Response.from_bytes(await self._answer())
        assert response.sequence == self.sequence
        return response

    async def _answer(self) -> bytes:
        for _ in range(PATIENCE):
            frame, end, rest = bytes(self.received).partition(SOUND)
            if end:
                assert not rest, "a request must have one answer"
                self.received.clear()
                return frame
            await Timer(10 * self.bit, unit="ns")
        raise AssertionError(f"Board must answer within {PATIENCE} bytes' time")

    async def write(self, region: Region, address: int, word: int, data: bytes) -> None:
        """Write whole words of ``word`` bytes."""
        step = CHUNK // word * word
        for start in range(0, len(data), step):
            part = data[start : start + step]
            response = await self.request(
                opcode=Opcode.WRITE, region=region, address=address + start // word,
                length=len(part), payload=part,
            )
            assert response.status == Status.OK

    async def read(self, region: Region, address: int, length: int) -> bytes:
        """Read ``length`` bytes from word ``address``."""
        response = await self.request(
            opcode=Opcode.READ, region=region, address=address, length=length
        )
        assert response.status == Status.OK
        return response.payload

    async def write_image(self, image: Image) -> None:
        """Write all sections."""
        for area in image_areas(image):
            await self.write(area.region, 0, area.word, area.data)

    async def run(self, image: Image, wanted: Mapping[str, Any], index: int = 0) -> State:
        """Run input ``index``, whose outputs must be those that are wanted."""
        source, place = image.meta.input, image.meta.output
        data = source.pack(wanted[source.name][index])
        await self.write(Region.ACTIVATIONS, source.address, image.config.inputs, data)
        limit = run_limit(unpack_program(image.program), image.config)
        await self.request(opcode=Opcode.RUN, address=limit)
        for _ in range(100):
            state = State.from_bytes((await self.request(opcode=Opcode.STATUS)).payload)
            if not state.busy:
                break
        raw = await self.read(Region.ACTIVATIONS, place.address, place.words * place.word_bytes)
        np.testing.assert_array_equal(place.unpack(raw), wanted[place.name][index])
        return state


@cocotb.test(timeout_time=1, timeout_unit="sec")
async def network_runs_over_the_wire(dut: Any) -> None:
    """What a host does, bit by bit, and the answer is the reference's."""
    parameters = bench_parameters()
    image = Image.from_bytes(Path(parameters["image"]).read_bytes())
    bench = Bench(dut)
    await bench.start()
    await bench.send(SOUND)
    await bench.write_image(image)
    assert await bench.read(Region.PROGRAM, 0, CHUNK) == image.program[:CHUNK]
    with np.load(parameters["wanted"]) as wanted:
        for runs in (1, 2):  # the second is one only if it has a number of its own
            state = await bench.run(image, wanted)
            assert state.runs == runs
            assert state.cycles > 0
