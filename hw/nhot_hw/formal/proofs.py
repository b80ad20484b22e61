"""All proofs of the project."""

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache

from nhot.errors import NhotError
from nhot.formats import NHot, parse
from nhot.printable import shortened
from nhot_hw.bench.sweep import KINDS
from nhot_hw.formal.buses import AxiAnswers, PackerPacks, WishboneAnswers
from nhot_hw.formal.drain import DrainEmpties
from nhot_hw.formal.engine_parts import LoaderReads, LoaderWrites, ReadoutKeeps
from nhot_hw.formal.framing import DecoderUnstuffs, EncoderCodes, EncoderKeeps
from nhot_hw.formal.lanes import LaneAdds, LaneMultiplies
from nhot_hw.formal.loaded_weights import WeightsRead, WeightsWrite
from nhot_hw.formal.pacer import PacerPaces
from nhot_hw.formal.proof import Proof
from nhot_hw.formal.register import RegisterKeeps
from nhot_hw.formal.replay import ReplayKeeps
from nhot_hw.formal.requests import ServerObeys
from nhot_hw.formal.sequencer import SequencerKeeps
from nhot_hw.formal.uart import ReceiverTakes, TransmitterSends
from nhot_hw.formal.write_back import WriteBackKeeps
from nhot_hw.lanes import LaneSpec

__all__ = ["all_proofs", "chosen_proofs", "lane_proofs"]

#: Inputs of the lanes whose sums are proved by default.
INPUTS = (4, 8)


_STREAMS = (
    Proof(
        name="stream-register", create=RegisterKeeps, depth=2, reach=6,
        claim="every item comes out once, in order and unchanged",
    ),
    Proof(
        name="replay-queue", create=ReplayKeeps, depth=3, reach=14,
        claim="every byte comes out in order and unchanged, and again after each rewind",
    ),
    Proof(
        name="cobs-decoder", create=DecoderUnstuffs, depth=2, reach=8,
        claim="every byte gives the item that it stands for, none is lost or invented",
    ),
    Proof(
        name="cobs-encoder-bytes", create=EncoderKeeps, depth=2, reach=9, arrays=True, slow=True,
        claim="every byte leaves unchanged, at the place in which it was taken, once",
    ),
    Proof(
        name="cobs-encoder-codes", create=EncoderCodes, depth=2, reach=9, arrays=True, slow=True,
        claim="every code is the distance to the next one, and 0 behind each frame",
    ),
    Proof(
        name="loader-write", create=LoaderWrites, depth=2, reach=14,
        claim="every byte written lands in its place of its word, exactly length are taken",
    ),
    Proof(
        name="loader-read", create=LoaderReads, depth=2, reach=20,
        claim="every byte read is that of its place of its word, exactly length are given",
    ),
    Proof(
        name="loader-write-weights", create=WeightsWrite, depth=2, reach=23,
        claim="every weight word is written once, with the field of each code, whole words alone",
    ),
    Proof(
        name="loader-read-weights", create=WeightsRead, depth=2, reach=15,
        claim="every byte read is that of its field of its word, exactly length are given",
    ),
    Proof(
        name="sequencer", create=SequencerKeeps, depth=2, reach=24,
        claim="each layer starts with its descriptor, which stays until it ends, and is timed",
    ),
    Proof(
        name="readout", create=ReadoutKeeps, depth=2, reach=8,
        claim="every sum captured comes to the head after as many shifts as its place, unchanged",
    ),
    Proof(
        name="pacer", create=PacerPaces, depth=2, reach=20,
        claim="every pixel group has its slots, each of its cycles, without a gap",
    ),
    Proof(
        name="drain", create=DrainEmpties, depth=10, reach=32, slow=True,
        claim="sums are captured when they are there, when all before them were taken, each once",
    ),
    Proof(
        name="write-back", create=WriteBackKeeps, depth=2, reach=8,
        claim="bytes, indices and the host's words are written where they belong, nothing else is",
    ),
    Proof(
        name="request-server", create=ServerObeys, depth=2, reach=19, arrays=True, slow=True,
        claim="a good frame is obeyed and answered once, no byte of a payload is lost or invented",
    ),
    Proof(
        name="uart-transmitter", create=TransmitterSends, depth=2, reach=45,
        claim="every byte is on the line, each bit for its time, and the line idle otherwise",
    ),
    Proof(
        name="uart-receiver", create=ReceiverTakes, depth=4, reach=84,
        claim="every byte on a line of exact bits is offered once, unchanged, and no other",
    ),
    Proof(
        name="axi-lite", create=AxiAnswers, depth=2, reach=6,
        claim="every access is done and answered once, in turns, and offers stay until taken",
    ),
    Proof(
        name="wishbone", create=WishboneAnswers, depth=2, reach=6,
        claim="every access is done and answered once, with ack or err, and nothing else is",
    ),
    Proof(
        name="packer", create=PackerPacks, depth=2, reach=8,
        claim="every four bytes are offered as a word that stays until it is taken, a clear or not",
    ),
)


@cache
def all_proofs() -> tuple[Proof, ...]:
    """Every proof, in the order of the parts of an engine."""
    return (*_default_lanes(), *_STREAMS)


def chosen_proofs(patterns: Sequence[str]) -> list[Proof]:
    """The proofs whose names match any of ``patterns`` (of a shell), or all if there are none."""
    for pattern in patterns:
        if not any(fnmatchcase(proof.name, pattern) for proof in all_proofs()):
            raise NhotError(
                f"Proof must be one that nhot prove --list names, not {shortened(pattern)}"
            )
    return [
        proof for proof in all_proofs()
        if not patterns or any(fnmatchcase(proof.name, pattern) for pattern in patterns)
    ]


def lane_proofs(
    spec: LaneSpec, name: str, *, inputs: Sequence[int] = (), platform: object = None
) -> list[Proof]:
    """What is to be proved of a lane: its products, and their sum for each number of inputs.

    Both together are :meth:`LaneSpec.compute`. The sums of chains, where products and adders are
    one, are left to simulation.

    Parameters
    ----------
    name : str
        How the names of the proofs begin.
    inputs : sequence of int
        Numbers of inputs, if not that of ``spec``.
    platform : object
        What the lane is elaborated for.
    """
    counts = [] if spec.style == "chain" else inputs or [spec.inputs]
    sums = [_sum(spec, name, s, platform) for s in counts]
    return [_product(spec, name, platform), *sums]


def _default_lanes() -> list[Proof]:
    """Those of the lanes that ``nhot bench lanes`` measures, which are the same in LUTs or DSPs."""
    proofs = []
    for format, style in dict.fromkeys((kind.format, kind.style) for kind in KINDS):
        if style == "rows":  # a solver sees that they multiply as long as they are few
            format = "int4"
        spec = LaneSpec(format=parse(format), inputs=1, style=style)
        suffix = "" if style == "parallel" else f"-{style}"
        name = f"lane-{format.replace('/', '-')}{suffix}"
        proofs += lane_proofs(spec, name, inputs=INPUTS)
    return proofs


def _product(spec: LaneSpec, name: str, platform: object) -> Proof:
    one = replace(spec, inputs=1)
    # Induction needs all of the pipeline, and a wrong start of a sum shows with the next one.
    return Proof(
        name=f"{name}-product", create=lambda: LaneMultiplies(one), platform=platform,
        claim="a step adds x * w less the inverted terms, for all x, w, enables and garbage",
        depth=one.latency + 1 + one.ii, reach=one.latency + 3 * one.ii + 2,
        # A solver takes seconds for one adder behind the shifters, a minute for more.
        slow=isinstance(spec.format, NHot) and spec.format.n > 1,
    )


def _sum(spec: LaneSpec, name: str, inputs: int, platform: object) -> Proof:
    many = replace(spec, inputs=inputs)
    return Proof(
        name=f"{name}-sum-{inputs}", create=lambda: LaneAdds(many), platform=platform,
        claim=f"{inputs} products, each of its own x and w, are added up, for all enables",
        depth=many.latency + 2, reach=many.latency + 6, slow=inputs > 4,
    )
