"""The registers of an engine on a bus, whichever bus that is, and what they make it do."""

from amaranth.hdl import Cat, Const, Module, Mux, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out, connect, flipped

from nhot.contract.config import EngineConfig
from nhot.contract.program import Fault
from nhot.errors import NhotError
from nhot_hw.buses.job import JobSequencer
from nhot_hw.buses.mover import Mover, OutputLayout, depths, word_sizes
from nhot_hw.buses.packer import Packer
from nhot_hw.buses.registers import FIELDS, READABLE, WRITABLE, Phase, Register
from nhot_hw.buses.words import RegisterBus, part, word_of
from nhot_hw.engine.host import HostSignature

__all__ = ["MOST_WORDS", "BusAdapter", "check_buffer"]

MOST_WORDS = 1 << 16
"""The largest input buffer."""

_JOB = (Register.INPUT, Register.INPUT_WORDS, Register.OUTPUT, Register.OUTPUT_WORDS,
        Register.LIMIT)


def check_buffer(words: int) -> None:
    """Refuse what is no size of an input buffer."""
    if type(words) is not int or not 1 <= words <= MOST_WORDS:
        raise NhotError(f"Input buffer must be 1 to {MOST_WORDS} words, not {words!r}")


class BusAdapter(wiring.Component):
    """A host of the engine that is driven through registers and, if wanted, streams of 32 bits.

    A job takes input, runs the program, and gives output; each part may be left out. Input waits in
    a buffer, so that the next job's may come while one runs. An access to the registers waits for
    the engine only where that is sure to go on by itself.

    Parameters
    ----------
    config : EngineConfig
    streams : bool
        Whether input and output may pass the streams.
    buffer : int
        Words of 32 bits that wait for the engine, 1 to :data:`MOST_WORDS`.

    Members
    -------
    bus : In(RegisterBus)
    i : In(stream of 32 bits), input, in place of writes of DATA
    o : Out(stream of OutputLayout), output, in place of reads of DATA
    irq : Out(1)
    engine : Out(HostSignature)
    """

    bus: In(RegisterBus)
    i: In(stream.Signature(32))
    o: Out(stream.Signature(OutputLayout))
    irq: Out(1)
    engine: Out(HostSignature)

    def __init__(self, config: EngineConfig, *, streams: bool, buffer: int = 1):
        check_buffer(buffer)
        self.config, self.streams, self.buffer = config, streams, buffer
        self._queue = SyncFIFOBuffered(width=32, depth=buffer)
        self._mover = Mover(config)
        self._job = JobSequencer(streams=streams)
        self._packer = Packer()
        self._file = {one: Signal(32, name=one.name.lower()) for one in _JOB}
        self._irq_status, self._irq_enable = (
            Signal(len(FIELDS[Register.IRQ_STATUS]), name=name) for name in ("status", "enable")
        )
        self._seen = Signal()
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        # A cycle to see what an access is of, and one to answer it, where it does not wait.
        m.d.sync += self._seen.eq(self.bus.valid & ~self.bus.ready)
        reads, writes = (self._selects(m, kind) for kind in (READABLE, WRITABLE))
        clear = Signal()
        for name in ("queue", "mover", "job"):
            m.submodules[name] = ResetInserter(clear)(getattr(self, f"_{name}"))
        m.submodules.packer = self._packer

        self._answer(m, reads, writes)
        m.d.sync += clear.eq(self._acts(writes, Register.CLEAR))
        m.d.comb += [
            self._packer.i_clear.eq(clear),
            self.engine.reset.eq(clear),
            self._job.i_acquire.eq(self._acts(reads, Register.ACQUIRE)),
            self._job.i_commit.eq(self._asks(writes, Register.COMMIT) & self.bus.whole),
        ]
        self._take_input(m, writes)
        self._give_output(m, reads)
        self._drive(m)
        self._read(m)
        self._keep(m, writes)
        return m

    def _selects(self, m, registers):
        """For each of them, whether the access is to it, in that direction."""
        bus, write = self.bus, registers is WRITABLE
        names = {one: Signal(name=f"{'write' if write else 'read'}_{one.name.lower()}")
                 for one in sorted(registers)}
        for one, named in names.items():
            m.d.sync += named.eq((bus.write == write) & (bus.address[2:] == one >> 2))
        return names

    def _asks(self, selects, register):
        """An access to a register, in each cycle but its first."""
        return self.bus.valid & self._seen & selects[register]

    def _acts(self, selects, register):
        """An access to a register that takes effect in this cycle."""
        return self._asks(selects, register) & self.bus.ready & ~self.bus.error

    def _answer(self, m, reads, writes):
        """Which accesses are errors, and which must wait."""
        bus, job = self.bus, self._job
        known = Cat(reads.values()).any() | (Cat(writes.values()).any() & bus.whole)
        locked = Cat(writes[one] for one in _JOB).any() & (~job.o_acquired | job.o_running)
        full = writes[Register.DATA] & ~self._queue.w_rdy
        empty = reads[Register.DATA] & ~self._packer.o_valid
        taking = job.o_phase == Phase.INPUT
        giving = (job.o_phase == Phase.OUTPUT) & ~job.i_job.stream
        m.d.comb += [
            bus.error.eq(~known | locked | (full & ~taking) | (empty & ~giving)),
            bus.ready.eq(self._seen & (bus.error | ~(
                (full & taking) | (empty & giving) | (writes[Register.COMMIT] & ~job.o_answered)
            ))),
        ]

    def _take_input(self, m, writes):
        """From DATA or the stream to the queue; from there the mover takes it."""
        queue, mover = self._queue, self._mover
        mine = self._asks(writes, Register.DATA)
        m.d.comb += [
            self.i.ready.eq(queue.w_rdy & ~mine),
            queue.w_data.eq(Mux(mine, self.bus.data, self.i.payload)),
            queue.w_en.eq(Mux(mine, self._acts(writes, Register.DATA), self.i.valid)),
            mover.i_word.eq(queue.r_data),
            mover.i_word_valid.eq(queue.r_rdy),
            queue.r_en.eq(mover.o_word_taken),
        ]

    def _give_output(self, m, reads):
        mover, packer = self._mover, self._packer
        connect(m, mover.o_byte, packer.i)
        connect(m, packer.o, flipped(self.o))
        m.d.comb += [
            packer.i_last.eq(mover.o_byte_last),
            packer.i_stream.eq(self._job.i_job.stream),
            packer.i_take.eq(self._acts(reads, Register.DATA)),
        ]

    def _drive(self, m):
        """Mover and engine do what the job wants."""
        job, mover, engine, file = self._job, self._mover, self.engine, self._file
        for name in ("access", "write"):
            connect(m, getattr(mover, name), flipped(getattr(engine, name)))
        connect(m, flipped(engine.read), mover.read)
        for place, (where, words) in (
            (job.i_job.input, (Register.INPUT, Register.INPUT_WORDS)),
            (job.i_job.output, (Register.OUTPUT, Register.OUTPUT_WORDS)),
        ):
            m.d.comb += [
                place.region.eq(part(where, "region", file[where])),
                place.address.eq(part(where, "address", file[where])),
                place.words.eq(part(words, "words", file[words])),
            ]
        m.d.comb += [
            job.i_job.stream.eq(part(Register.OUTPUT, "stream", file[Register.OUTPUT])),
            job.i_job.limit.eq(part(Register.LIMIT, "limit", file[Register.LIMIT])),
            mover.i_load.eq(job.o_load),
            mover.i_move.eq(job.o_move),
            mover.i_go.eq(job.o_go),
            job.i_fits.eq(mover.o_fits),
            job.i_idle.eq(mover.o_idle & self._packer.o_empty),
            job.i_busy.eq(engine.busy),
            job.i_fault.eq(engine.fault != Fault.NONE),
            engine.start.eq(job.o_start),
            engine.limit.eq(job.i_job.limit),
        ]

    def _read(self, m):
        """The word of every register that can be read."""
        jobs = Signal(31)
        m.d.sync += jobs.eq(jobs + self._job.o_done)
        words = self._constants() | self._file | {
            Register.STATUS: word_of(
                Register.STATUS, running=self._job.o_running, acquired=self._job.o_acquired,
                phase=self._job.o_phase, refusal=self._job.o_refusal, fault=self.engine.fault,
                output=self._packer.o_valid,
            ),
            Register.ACQUIRE: Mux(self._job.o_acquired, Const(-1, 32), jobs),
            Register.IRQ_STATUS: self._irq_status,
            Register.IRQ_ENABLE: self._irq_enable,
            Register.DATA: self._packer.o_word,
            Register.ROOM: word_of(Register.ROOM, words=self.buffer - self._queue.level),
            Register.JOBS: word_of(Register.JOBS, count=jobs),
            Register.CYCLES: self.engine.cycles,
            Register.STALLS: self.engine.stalls,
            Register.LAYERS: word_of(Register.LAYERS, count=self.engine.layers),
        }
        place = Signal(len(self.bus.address) - 2)
        m.d.sync += place.eq(self.bus.address[2:])
        with m.Switch(place):
            for register in sorted(READABLE):
                with m.Case(register >> 2):
                    m.d.comb += self.bus.word.eq(words[register])

    def _constants(self):
        """What the registers hold that say what was built."""
        sizes = word_sizes(self.config, write=True)
        return {
            Register.ID: word_of(Register.ID),
            Register.VERSION: word_of(Register.VERSION),
            Register.TARGET: word_of(Register.TARGET, target=Const(self.config.target_id, 32)),
            Register.FEATURES: word_of(
                Register.FEATURES, stream=Const(self.streams, 1), buffer=Const(self.buffer, 17)
            ),
        } | {
            Register[f"MEMORY_{region.name}"]: word_of(
                Register[f"MEMORY_{region.name}"], depth=Const(depth, 17),
                word_bytes=Const(sizes[region], 9),
            )
            for region, depth in depths(self.config).items()
        }

    def _keep(self, m, writes):
        """What is written stays, and interrupts until they are cleared."""
        bus, job = self.bus, self._job
        for register, kept in self._file.items():
            with m.If(self._acts(writes, register)):
                m.d.sync += kept.eq(_named(register, bus.data))
        with m.If(self._acts(writes, Register.IRQ_ENABLE)):
            m.d.sync += self._irq_enable.eq(bus.data)
        events = Cat(
            {"done": job.o_done, "fault": job.o_faulty, "refused": job.o_refused,
             "output": job.o_output}[name] for name in FIELDS[Register.IRQ_STATUS]
        )
        cleared = Mux(self._acts(writes, Register.IRQ_STATUS), bus.data[: len(events)], 0)
        m.d.sync += self._irq_status.eq((self._irq_status & ~cleared) | events)
        m.d.comb += self.irq.eq((self._irq_status & self._irq_enable).any())


def _named(register, word):
    """A word with zeros in the bits that have no name."""
    return Cat(word[low : low + width] for low, width in FIELDS[register].values())
