"""Whatever a line does to the board's link in gateware: the next good command is obeyed.

Each try sends requests over a line with one kind of fault to the Verilated link, behind them a
delimiter and good commands. Every answer must be that of the board in Python, and in the end so
must every byte of memory: what was acknowledged is there, and nothing else.
"""

from __future__ import annotations

import json
import random
from typing import Any

from nhot.contract.program import Region
from nhot.device.protocol import BUFFER_BYTES, MAX_PAYLOAD, Opcode, Request, Status
from nhot_sim.board_model import BoardModel, FaultyLine
from nhot_sim.fuzz.kind import Kind

__all__ = ["Baud", "Cut", "Flipped", "Killed", "Lost", "Noise", "Reordered", "Repeated", "Resets"]

_SOUND = b"\0"
_SECONDS = 60.0  # of the board's own time, in which it comes to rest
_FREQUENT = [Opcode.WRITE] * 6 + [Opcode.READ] * 3 + list(Opcode)
_ALPHABETS = (bytes(range(256)), b"\0\1\2\xff", bytes(range(1, 256)))


class EndlessRuns(BoardModel):
    """A board whose runs only a RESET ends; so none of them counts."""

    def _run(self, sequence: int, limit: int) -> Status:
        before = self.runs
        status = super()._run(sequence, limit)
        if status is Status.OK and sequence == self._last_run:
            self.busy, self.runs = True, before
        return status


class Line(Kind):
    """A line with a fault, for which a subclass stands.

    Attributes
    ----------
    divisor, host_divisors : int
        Cycles of a bit, as the board takes it and as hosts send it.
    endless : bool
        Whether runs end by RESET alone.
    """

    unit = "tries"
    size = 25
    seconds = 600.0
    divisor = 4
    host_divisors: tuple[int, ...] = (4,)
    endless = False

    def prepare(self) -> None:
        """The board, which the cache folder keeps."""
        from nhot_sim.virtual_board import build_board

        build_board(self._component())

    def case(self, source: random.Random) -> bytes:
        """A seed, and the cycles of the host's bits."""
        settings = {"seed": source.getrandbits(32), "divisor": source.choice(self.host_divisors)}
        return json.dumps(settings).encode()

    def check(self, data: bytes) -> bool:
        """So many tries on one board, each behind the other."""
        from nhot_sim.virtual_board import VirtualBoard

        settings = json.loads(data)
        source = random.Random(settings["seed"])
        component = self._component()
        model = component.model(EndlessRuns if self.endless else BoardModel)
        with VirtualBoard.of(component, divisor=settings["divisor"]) as board:
            line = board.transport()
            try:
                for _ in range(self.size):
                    wire = self.damaged(_requests(source), source)
                    _compare(line, model, wire + _SOUND + _good_commands(source), wire)
                for region in Region:
                    read = Request(opcode=Opcode.READ, region=region, length=MAX_PAYLOAD)
                    _compare(line, model, read.to_bytes(), b"")
            finally:
                line.close()
        return True

    def _component(self) -> Any:
        from nhot_sim.benches.linked_memory import LinkedMemory

        return LinkedMemory(divisor=self.divisor, endless=self.endless)

    def damaged(self, wire: bytes, source: random.Random) -> bytes:
        """What the line makes of ``wire``."""
        return wire


class _Damaged(Line):
    """One of the faults of :class:`FaultyLine`, in most frames."""

    fault = ""

    def damaged(self, wire: bytes, source: random.Random) -> bytes:
        line = FaultyLine(rate=0.6, seed=source.getrandbits(32), kinds=self.fault)
        return line.carry(wire)


class Cut(_Damaged):
    """Frames without their ends."""

    fault = "c"


class Flipped(_Damaged):
    """A bit of a frame is another."""

    fault = "f"


class Lost(_Damaged):
    """Frames that never arrive."""

    fault = "d"


class Reordered(_Damaged):
    """Frames behind their successors."""

    fault = "s"


class Repeated(_Damaged):
    """Frames that arrive twice."""

    fault = "t"


class Noise(Line):
    """Random bytes before the frames, with ends of frames and without."""

    def damaged(self, wire: bytes, source: random.Random) -> bytes:
        count = source.choice([1, 5, 40, BUFFER_BYTES + 90])
        return bytes(source.choices(source.choice(_ALPHABETS), k=count)) + wire


class Killed(Line):
    """A host that dies: the frames end anywhere."""

    def damaged(self, wire: bytes, source: random.Random) -> bytes:
        return wire[: source.randrange(len(wire))]


class Baud(Line):
    """A host whose bits are up to 3 % longer or shorter."""

    divisor = 100
    host_divisors = (97, 98, 102, 103)


class Resets(Line):
    """Resets in runs that have no other end, among all that is refused meanwhile."""

    endless = True

    def damaged(self, wire: bytes, source: random.Random) -> bytes:
        run, reset = (
            Request(opcode=opcode, sequence=source.randrange(256)).to_bytes()
            for opcode in (Opcode.RUN, Opcode.RESET)
        )
        return run + wire + source.choice([reset, b""])


def _compare(line: Any, model: BoardModel, sent: bytes, wire: bytes) -> None:
    line.write(sent)
    expected, got = model.answer(sent), b""
    while piece := line.read(_SECONDS):
        got += piece
    assert got == expected, (
        f"answers must be {expected.hex(' ')}, not {got.hex(' ')}, after {wire.hex(' ')}"
    )


def _requests(source: random.Random) -> bytes:
    """A few frames with answers no longer than they are, so that the queue never fills."""
    return b"".join(_request(source) for _ in range(source.randint(1, 8)))


def _request(source: random.Random) -> bytes:
    opcode = source.choice(_FREQUENT)
    length = source.choice([0, 1, 4, source.randrange(10)])
    if opcode == Opcode.WRITE:
        length = source.choice([length, source.randrange(60)])
    payload = bytes(source.choices(b"\0\xff\1abc", k=length)) if opcode == Opcode.WRITE else b""
    return Request(
        opcode=opcode, sequence=source.randrange(4), region=source.choice(list(Region)),
        address=source.randrange(300), length=length, payload=payload,
    ).to_bytes()


def _good_commands(source: random.Random) -> bytes:
    """A write, and what must then be read; and the state, which counts what was dropped."""
    where = {"region": source.choice(list(Region)), "address": source.randrange(200)}
    return b"".join(request.to_bytes() for request in (
        Request(opcode=Opcode.RESET, sequence=201),
        Request(opcode=Opcode.WRITE, sequence=202, length=8, payload=source.randbytes(8), **where),
        Request(opcode=Opcode.READ, sequence=203, length=8, **where),
        Request(opcode=Opcode.STATUS, sequence=204),
    ))
