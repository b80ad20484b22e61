"""The engine: memories, array, pooling, requantisation, and the order in which they work.

::

              +--------+  addresses   +-------------+  T words   +-------------+
   program -> | walker | -----------> | activations | --+------> |  lane array | --+
              +--------+              +-------------+   |        +-------------+   |  sums
                  |  weight address   +---------+       |               ^          v
                  +-----------------> | weights | ------|---------------+     +---------+
                                      +---------+       |   +-------------+   | readout |
                                                        +-> | window unit |-> +---------+
                                                            +-------------+        | R at a time
                              activations <-- argmax <-- requantisers <------------+
"""

from itertools import pairwise

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from nhot.contract.config import EngineConfig
from nhot.contract.memories import timing_words
from nhot.contract.program import Fault, Operation, Region
from nhot_hw.delay import delayed
from nhot_hw.engine.access import AccessLayout
from nhot_hw.engine.activations import ActivationMemory
from nhot_hw.engine.argmax import ArgMax
from nhot_hw.engine.array import array_for
from nhot_hw.engine.descriptor import is_depthwise, on_lanes
from nhot_hw.engine.drain import Drain
from nhot_hw.engine.guard import Guard
from nhot_hw.engine.loader import Loader
from nhot_hw.engine.memories import WordMemory
from nhot_hw.engine.operands import Operands
from nhot_hw.engine.readout import Readout
from nhot_hw.engine.records import RecordMemory
from nhot_hw.engine.requantiser import Requantiser
from nhot_hw.engine.sequencer import Sequencer
from nhot_hw.engine.walker import Walker
from nhot_hw.engine.window import WindowUnit
from nhot_hw.engine.write_back import WriteBack
from nhot_hw.stream_register import StreamRegister

__all__ = ["Engine"]

#: What decides is reset, for one cycle: a new run may start in the next. Sums and words on their
#: way need not be, and are many.
_DECIDING = ("loader", "incoming", "outgoing", "sequencer", "walker", "drain", "argmax")

_RoleLayout = data.StructLayout({"lanes": 1, "depthwise": 1, "addition": 1, "search": 1})
"""What a layer asks of the data path, in registers, as much hangs on each. The descriptor is
there for some cycles before its layer starts."""


class Engine(wiring.Component):
    """A dense output-stationary engine that runs the program in its memories.

    The reference is :func:`nhot.network.reference.run` on the network that was compiled. Steps that
    wait for room in the readout are counted as stalls.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    i_access, i_data, o_data : host accesses, see :class:`Loader`; only while not busy
    i_start, i_limit : pulse: run the program, for at most so many times 65,536 cycles
    i_reset : pulse: abort, two cycles later back to idle; memories keep their contents
    o_busy : a program runs
    o_cycles, o_stalls : Out(32), of the last run
    o_fault : Out(Fault), why the last run ended before its END
    o_layer : Out(16), descriptors that the last run has finished
    """

    def __init__(self, config: EngineConfig):
        if not isinstance(config, EngineConfig):
            raise TypeError(f"Config must be an EngineConfig, not {config!r}")
        self.config = config
        super().__init__({
            "i_access": In(stream.Signature(AccessLayout)),
            "i_data": In(stream.Signature(8)),
            "o_data": Out(stream.Signature(8)),
            "i_start": In(1),
            "i_limit": In(16),
            "i_reset": In(1),
            "o_busy": Out(1),
            "o_cycles": Out(32),
            "o_stalls": Out(32),
            "o_fault": Out(Fault),
            "o_layer": Out(16),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        self.loader = Loader(config)
        self.sequencer = Sequencer(config)
        self.walker = Walker(config)
        self.array = array_for(config)
        self.drain = Drain(config)
        self.program = WordMemory(width=32, depth=config.program_words)
        self.records = RecordMemory(config)
        self.weights = WordMemory(width=config.weight_word_bits, depth=config.weight_words)
        self.timing = WordMemory(width=32, depth=timing_words(config))
        self.activations = ActivationMemory(config)
        self.guard = Guard()
        self.argmax = ArgMax(config)
        self.write_back = WriteBack(config)
        m.submodules.program = self.program
        m.submodules.records = self.records
        m.submodules.weights = self.weights
        m.submodules.timing = self.timing
        m.submodules.activations = self.activations
        m.submodules.guard = self.guard
        m.submodules.write_back = self.write_back
        # Between the host's side and the loader, whose logic in one cycle would set the clock.
        self.incoming, self.outgoing = StreamRegister(8), StreamRegister(8)

        stop = Signal()
        m.d.sync += stop.eq((self.i_reset | self.guard.o_stop) & ~stop)
        control = m.submodules.control = Module()
        for name in _DECIDING:
            control.submodules[name] = ResetInserter(stop)(getattr(self, name))

        self._control(m)
        self._sum(m)
        self._finish(m)
        self._host(m)
        return m

    def _control(self, m):
        """The sequencer starts walker and drain, and waits for both; the guard may stop all."""
        sequencer, walker, drain, guard = self.sequencer, self.walker, self.drain, self.guard
        layer = self.layer = sequencer.o_descriptor
        self.role = Signal(_RoleLayout)
        m.d.sync += [
            self.role.lanes.eq(on_lanes(layer, self.config)),
            self.role.depthwise.eq(is_depthwise(layer)),
            self.role.addition.eq(layer.operation == Operation.ADD),
            self.role.search.eq(layer.operation == Operation.ARGMAX),
        ]
        m.d.comb += [
            sequencer.i_start.eq(self.i_start),
            sequencer.i_word.eq(self.program.o_word),
            sequencer.i_stalled.eq(walker.o_stalled),
            sequencer.i_layer_busy.eq(drain.o_busy),
            walker.i_descriptor.eq(self.layer),
            walker.i_start.eq(sequencer.o_start),
            walker.i_ready.eq(drain.o_ready),
            drain.i_descriptor.eq(self.layer),
            drain.i_start.eq(sequencer.o_start),
            drain.i_finish.eq(walker.o_valid & walker.o_step.last),
            drain.i_pixel.eq(walker.o_pixel),
            self.timing.i_write.eq(sequencer.o_timing_write),
            self.timing.i_write_address.eq(sequencer.o_timing_address),
            self.timing.i_write_data.eq(sequencer.o_timing_data),
            self.o_busy.eq(sequencer.o_busy),
            self.o_cycles.eq(sequencer.o_cycles),
            self.o_stalls.eq(sequencer.o_stalls),
            self.o_layer.eq(sequencer.o_timing_address >> 1),
            guard.i_start.eq(self.i_start),
            guard.i_limit.eq(self.i_limit),
            guard.i_busy.eq(sequencer.o_busy),
            guard.i_cycles.eq(sequencer.o_cycles),
            guard.i_illegal.eq(sequencer.o_illegal),
            guard.i_beyond.eq(walker.o_beyond | drain.o_beyond | self.write_back.o_beyond),
            self.o_fault.eq(guard.o_fault),
        ]

    def _sum(self, m):
        """Memory words, padded and registered, into the lanes and the window unit."""
        config, walker = self.config, self.walker
        m.submodules.array = array = self.array
        m.submodules.window = window = WindowUnit(config)
        # A step, as late as its words: on their way from the memories, and at the lanes.
        line = [
            Signal(data.StructLayout({
                "valid": 1, "first": 1, "phase": walker.o_step.phase.shape(),
                "inside": walker.o_step.inside.shape(),
            }), name=f"step_{i}")
            for i in range(config.memory_latency)
        ]
        m.d.sync += [
            line[0].valid.eq(walker.o_valid),
            line[0].first.eq(walker.o_step.first),
            line[0].phase.eq(walker.o_step.phase),
            line[0].inside.eq(walker.o_step.inside),
            *(late.eq(early) for early, late in pairwise(line)),
            array.i_w.eq(self.weights.o_word),
        ]
        arriving, arrived = line[-2:]
        pad = Cat(*[self.layer.pad_value for _ in range(config.inputs)])
        words = [
            Mux(arriving.inside[t], self.activations.o_words[t], pad) for t in range(config.pixels)
        ]
        if config.depthwise:
            self._depthwise(m, arriving, words)
        else:
            for t, word in enumerate(words):
                m.d.sync += array.i_x[t].as_value().eq(word)
        m.d.comb += [
            array.i_en.eq(arrived.valid & self.role.lanes),
            array.i_first.eq(arrived.first),
            array.i_phase.eq(arrived.phase),
            window.i_operation.eq(self.layer.operation),
            window.i_x.eq(self.operands.o_word if config.depthwise else array.i_x[0]),
            window.i_en.eq(arrived.valid & (arrived.phase == 0)),
            window.i_first.eq(arrived.first),
        ]
        if config.depthwise:
            with m.If(self.role.depthwise):  # whose lanes work once, when all taps are there
                m.d.comb += [array.i_en.eq(self.finishes), array.i_first.eq(1)]
        self.sums, self.results = array.o_sum, window.o_result

    def _depthwise(self, m, arriving, words):
        """Words by way of the place where lanes find the taps of their own channels."""
        self.operands = m.submodules.operands = operands = Operands(self.config)
        self.finishes = delayed(
            m, self.walker.o_valid & self.walker.o_step.last, self.config.memory_latency
        )
        m.d.comb += [
            operands.i_valid.eq(arriving.valid),
            *(port.as_value().eq(word) for port, word in zip(operands.i_words, words, strict=True)),
            operands.i_depthwise.eq(self.role.depthwise),
            self.array.i_x.eq(operands.o_x),
        ]

    def _finish(self, m):
        """Readout, requantisers, argmax, and the write back."""
        config, drain, layer = self.config, self.drain, self.layer
        lanes = config.requantisers
        m.submodules.readout = readout = Readout(config)
        argmax = self.argmax
        m.d.comb += [
            readout.i_sums.eq(self.sums),
            readout.i_results.eq(self.results),
            readout.i_window.eq(~self.role.lanes),
            readout.i_capture.eq(drain.o_capture),
            readout.i_pixel.eq(drain.o_pixel),
            readout.i_shift.eq(drain.o_shift),
        ]
        outputs = []
        for i in range(lanes):
            unit = m.submodules[f"requantiser_{i}"] = Requantiser(config)
            head = readout.o_head[i]
            # The operands of an addition lie side by side in one place.
            operand = Mux(drain.o_second, head[8:16].as_signed(), head[:8].as_signed())
            m.d.comb += [
                unit.i_value.eq(Mux(self.role.addition, operand, head)),
                unit.i_bias.eq(self.records.o_biases.word_select(i, 32)),
                unit.i_terms.eq(self.records.o_terms.word_select(i, 32)),
                unit.i_take.eq(drain.o_take),
                unit.i_fresh.eq(drain.o_fresh),
                unit.i_zero_point.eq(layer.zero_point),
                unit.i_low.eq(layer.low),
                unit.i_high.eq(layer.high),
                argmax.i_y[i].eq(unit.o_y),
            ]
            outputs.append(unit.o_y)
        m.d.comb += [
            argmax.i_valid.eq(drain.o_valid & self.role.search),
            argmax.i_row_end.eq(drain.o_row_end),
            argmax.i_channels.eq(layer.channels),
        ]
        back = self.write_back
        m.d.comb += [
            back.i_descriptor.eq(layer),
            back.i_start.eq(self.sequencer.o_start),
            back.i_valid.eq(drain.o_valid & ~self.role.search),
            back.i_destination.eq(drain.o_destination),
            back.i_bytes.as_value().eq(Cat(*outputs)),
            back.i_index_valid.eq(argmax.o_valid),
            back.i_index.eq(argmax.o_index),
            self.activations.i_write.eq(back.o_write),
            self.activations.i_write_address.eq(back.o_address),
            self.activations.i_write_data.eq(back.o_word),
        ]

    def _host(self, m):
        """While idle, the host's address is every memory's read address."""
        config, loader, step = self.config, self.loader, self.walker.o_step
        wiring.connect(m, wiring.flipped(self.i_access), loader.i_access)
        wiring.connect(m, wiring.flipped(self.i_data), self.incoming.i)
        wiring.connect(m, self.incoming.o, loader.i_data)
        wiring.connect(m, loader.o_data, self.outgoing.i)
        wiring.connect(m, self.outgoing.o, wiring.flipped(self.o_data))
        busy, host = self.o_busy, loader.o_address
        for memory, region, word in (
            (self.program, Region.PROGRAM, loader.o_word[-32:]),
            (self.records, Region.REQUANT, loader.o_word[-32 * config.requantisers :]),
            (self.weights, Region.WEIGHTS, loader.o_weights),
        ):
            m.d.comb += [
                memory.i_write.eq(loader.o_write[region]),
                memory.i_write_address.eq(host),
                memory.i_write_data.eq(word),
            ]
        m.d.comb += [
            self.program.i_address.eq(Mux(busy, self.sequencer.o_address, host)),
            self.records.i_address.eq(Mux(busy, self.drain.o_record << 1, host)),
            self.weights.i_address.eq(
                delayed(m, Mux(busy, step.weight, host), config.memory_latency - 2)
            ),
            self.write_back.i_host.eq(loader.o_write[Region.ACTIVATIONS]),
            self.write_back.i_host_address.eq(host),
            self.write_back.i_host_word.eq(loader.o_word[-8 * config.inputs :]),
            self.timing.i_address.eq(host),
            loader.i_weights.eq(self.weights.o_word),
            loader.i_words[Region.PROGRAM].eq(self.program.o_word),
            loader.i_words[Region.REQUANT].eq(self.records.o_word),
            loader.i_words[Region.ACTIVATIONS].eq(self.activations.o_words[0]),
            loader.i_words[Region.TIMING].eq(self.timing.o_word),
        ]
        for t in range(config.pixels):
            m.d.comb += [
                self.activations.i_address[t].eq(Mux(busy, step.address[t], host)),
                self.activations.i_used[t].eq(Mux(busy, step.inside[t], 1)),
            ]
