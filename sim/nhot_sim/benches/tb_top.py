"""Bench of the whole top through its two wires: load, read back, run, read the answer."""

from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import Timer

from nhot.compiler import Image
from nhot.contract.cycles import run_limit
from nhot.contract.program import Region, unpack_program
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


@cocotb.test(timeout_time=1, timeout_unit="sec")
async def network_runs_over_the_wire(dut: Any) -> None:
    """What a host does, bit by bit, and the answer is the reference's."""
    parameters = bench_parameters()
    image = Image.from_bytes(Path(parameters["image"]).read_bytes())
    config = image.config
    bench = Bench(dut)
    await bench.start()
    await bench.send(SOUND)
    await bench.write(Region.PROGRAM, 0, 4, image.program)
    await bench.write(Region.REQUANT, 0, 4 * config.requantisers, image.requant)
    await bench.write(Region.WEIGHTS, 0, config.code_bytes, image.weights)
    assert await bench.read(Region.PROGRAM, 0, CHUNK) == image.program[:CHUNK]
    with np.load(parameters["wanted"]) as wanted:
        source = image.meta.input
        data = source.pack(wanted[source.name][0])
        limit = run_limit(unpack_program(image.program), config)
        for runs in (1, 2):  # the second is one only if it has a number of its own
            await bench.write(Region.ACTIVATIONS, source.address, config.inputs, data)
            await bench.request(opcode=Opcode.RUN, address=limit)
            for _ in range(100):
                state = State.from_bytes((await bench.request(opcode=Opcode.STATUS)).payload)
                if not state.busy:
                    break
            assert state.runs == runs
            assert state.cycles > 0
        place = image.meta.output
        raw = await bench.read(Region.ACTIVATIONS, place.address, place.words * place.word_bytes)
        np.testing.assert_array_equal(place.unpack(raw), wanted[place.name][0])
