"""Damaged frames on the host link: the host's side in Python, the board's in gateware."""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path
from typing import Any

from nhot.contract.program import Region
from nhot.device import Link
from nhot.device.protocol import Opcode, Request
from nhot_sim.board_model import BoardModel, FaultyLine, PlainMemory, loopback
from nhot_sim.fuzz.kind import Kind

__all__ = ["Frames", "Gateware"]

_MEMORY = 64
_TRIES = 5000  # one in forty comes through where seven of ten are cut on both ways


class Frames(Kind):
    """The host's link over a line that damages most frames: all is as if the line were good."""

    unit = "damaged frames"
    size = 20

    def case(self, source: random.Random) -> bytes:
        """A seed, a rate of faults and which faults there are."""
        kinds = source.choice(["dtfscg", "d", "t", "f", "s", "c", "g", "fg", "ds"])
        rate = source.choice([0.3, 0.5, 0.7])
        return json.dumps({"seed": source.getrandbits(32), "rate": rate, "kinds": kinds}).encode()

    def check(self, data: bytes) -> bool:
        """Writes, reads and runs until so many frames have been damaged."""
        settings = json.loads(data)
        source = random.Random(settings["seed"])
        there, back = (
            FaultyLine(rate=settings["rate"], seed=source.getrandbits(32), kinds=settings["kinds"])
            for _ in range(2)
        )
        memory = PlainMemory(_MEMORY, word_bytes={Region.ACTIVATIONS: 1})
        board = BoardModel(target_id=1, memory=memory)
        link = Link(loopback(board, there, back), timeout=0.0, tries=_TRIES)
        known, runs = bytearray(_MEMORY), 0
        while there.faults + back.faults < self.size:
            runs += _exchange(link, known, source)
        assert board.runs == runs, f"{runs} runs must be started, not {board.runs}"
        return True


def _exchange(link: Link, known: bytearray, source: random.Random) -> int:
    """One request whose answer is known beforehand; returns how many runs it starts."""
    address = source.randrange(_MEMORY)
    length = source.randint(0, _MEMORY - address)
    place = slice(address, address + length)
    what = source.choice([Opcode.WRITE, Opcode.READ, Opcode.READ, Opcode.RUN])
    where = {"region": Region.ACTIVATIONS, "address": address, "length": length}
    if what is Opcode.RUN:
        link.request(Request(opcode=what))
        return 1
    if what is Opcode.WRITE:
        payload = source.randbytes(length)
        link.request(Request(opcode=what, payload=payload, **where))
        known[place] = payload
    else:
        got = link.request(Request(opcode=what, **where)).payload
        assert got == bytes(known[place]), f"{length} bytes at {address} must be as written"
    return 0


class Gateware(Kind):
    """The board's link in Verilog against the board in Python, answer by answer."""

    unit = "damaged frames"
    size = 1000

    def prepare(self) -> None:
        """The Verilog, which the cache folder keeps: Yosys reserves much address space."""
        from nhot_hw.verilog import to_verilog

        to_verilog(self._component(), "top")

    def case(self, source: random.Random) -> bytes:
        """A seed, and how many requests to send at each rate of faults (0, a half, nine tenths)."""
        count = -(-self.size * 10 // 14)
        return json.dumps({"seed": source.getrandbits(31), "count": count}).encode()

    def check(self, data: bytes) -> bool:
        """The bench of the link in Verilator."""
        from nhot_sim.runner import run_bench

        settings = json.loads(data)
        with tempfile.TemporaryDirectory(prefix="nhot-fuzz-") as folder:
            run_bench(
                self._component(), "nhot_sim.benches.tb_link", build_dir=Path(folder),
                simulator="verilator", testcase="answers_and_memory_are_the_models",
                parameters={"divisor": 4, **settings}, seed=settings["seed"] or 1,
            )
        return True

    def _component(self) -> Any:
        from nhot_sim.benches.linked_memory import LinkedMemory

        return LinkedMemory(divisor=4)
