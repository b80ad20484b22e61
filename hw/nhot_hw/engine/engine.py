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

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from nhot.contract.config import EngineConfig
from nhot.contract.program import Fault, Operation, Region
from nhot_hw.engine.access import AccessLayout
from nhot_hw.engine.argmax import ArgMax
from nhot_hw.engine.array import array_for
from nhot_hw.engine.descriptor import is_depthwise, on_lanes
from nhot_hw.engine.drain import Drain
from nhot_hw.engine.guard import Guard
from nhot_hw.engine.loader import Loader
from nhot_hw.engine.memories import ActivationMemory, WordMemory, timing_words
from nhot_hw.engine.operands import Operands
from nhot_hw.engine.readout import Readout
from nhot_hw.engine.records import RecordMemory
from nhot_hw.engine.requantiser import Requantiser
from nhot_hw.engine.sequencer import Sequencer
from nhot_hw.engine.walker import Walker
from nhot_hw.engine.window import WindowUnit

__all__ = ["Engine"]


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
        m.submodules.program = self.program
        m.submodules.records = self.records
        m.submodules.weights = self.weights
        m.submodules.timing = self.timing
        m.submodules.activations = self.activations
        m.submodules.guard = self.guard

        # What decides is reset, for one cycle: a new run may start in the next. Sums and words on
        # their way need not be, and are many.
        stop = Signal()
        m.d.sync += stop.eq((self.i_reset | self.guard.o_stop) & ~stop)
        control = m.submodules.control = Module()
        for name in ("loader", "sequencer", "walker", "drain", "argmax"):
            control.submodules[name] = ResetInserter(stop)(getattr(self, name))

        self._control(m)
        self._sum(m)
        self._finish(m)
        self._host(m)
        return m

    def _control(self, m):
        """The sequencer starts walker and drain, and waits for both; the guard may stop all."""
        sequencer, walker, drain, guard = self.sequencer, self.walker, self.drain, self.guard
        self.layer = sequencer.o_descriptor
        self.index_beyond = Signal()  # an argmax result lies beyond the activations
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
            guard.i_beyond.eq(walker.o_beyond | drain.o_beyond | self.index_beyond),
            self.o_fault.eq(guard.o_fault),
        ]

    def _sum(self, m):
        """Memory words, padded and registered, into the lanes and the window unit."""
        config, walker = self.config, self.walker
        m.submodules.array = array = self.array
        m.submodules.window = window = WindowUnit(config)
        # Two cycles from a step to the lanes: the memories' own, and a register behind them.
        stage = [
            Signal(data.StructLayout({
                "valid": 1, "first": 1, "phase": walker.o_step.phase.shape(),
                "inside": walker.o_step.inside.shape(),
            }), name=f"stage_{i}")
            for i in range(2)
        ]
        m.d.sync += [
            stage[0].valid.eq(walker.o_valid),
            stage[0].first.eq(walker.o_step.first),
            stage[0].phase.eq(walker.o_step.phase),
            stage[0].inside.eq(walker.o_step.inside),
            stage[1].eq(stage[0]),
            array.i_w.eq(self.weights.o_word),
        ]
        pad = Cat(*[self.layer.pad_value for _ in range(config.inputs)])
        words = [
            Mux(stage[0].inside[t], self.activations.o_words[t], pad) for t in range(config.pixels)
        ]
        if config.depthwise:
            self._depthwise(m, stage, words)
        else:
            for t, word in enumerate(words):
                m.d.sync += array.i_x[t].as_value().eq(word)
        self.is_array = Signal()
        m.d.comb += [
            self.is_array.eq(on_lanes(self.layer, config)),
            array.i_en.eq(stage[1].valid & self.is_array),
            array.i_first.eq(stage[1].first),
            array.i_phase.eq(stage[1].phase),
            window.i_operation.eq(self.layer.operation),
            window.i_x.eq(self.operands.o_word if config.depthwise else array.i_x[0]),
            window.i_en.eq(stage[1].valid & (stage[1].phase == 0)),
            window.i_first.eq(stage[1].first),
        ]
        if config.depthwise:
            with m.If(is_depthwise(self.layer)):  # whose lanes work once, when all taps are there
                m.d.comb += [array.i_en.eq(self.finishes), array.i_first.eq(1)]
        self.sums, self.results = array.o_sum, window.o_result

    def _depthwise(self, m, stage, words):
        """Words by way of the place where lanes find the taps of their own channels."""
        self.operands = m.submodules.operands = operands = Operands(self.config)
        late = Signal()
        self.finishes = Signal()
        m.d.sync += [
            late.eq(self.walker.o_valid & self.walker.o_step.last),
            self.finishes.eq(late),
        ]
        m.d.comb += [
            operands.i_valid.eq(stage[0].valid),
            *(port.as_value().eq(word) for port, word in zip(operands.i_words, words, strict=True)),
            operands.i_depthwise.eq(is_depthwise(self.layer)),
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
            readout.i_window.eq(~self.is_array),
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
                unit.i_value.eq(Mux(layer.operation == Operation.ADD, operand, head)),
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
        searching = layer.operation == Operation.ARGMAX
        m.d.comb += [
            argmax.i_valid.eq(drain.o_valid & searching),
            argmax.i_row_end.eq(drain.o_row_end),
            argmax.i_channels.eq(layer.channels),
        ]
        self._write_back(m, outputs, searching, argmax)

    def _write_back(self, m, outputs, searching, argmax):
        """A register in front of the memory: R bytes of a word, or an index, or the host's word."""
        config, drain, loader, memory = self.config, self.drain, self.loader, self.activations
        groups = config.inputs // config.requantisers
        enable = Signal(config.inputs)
        address = Signal(16)
        word = Signal(8 * config.inputs)
        mask = (1 << config.requantisers) - 1
        m.d.sync += [
            enable.eq(0),
            address.eq(drain.o_destination.address),
            word.eq(Cat(*outputs).replicate(groups)),
        ]
        with m.If(drain.o_valid & ~searching):
            m.d.sync += enable.eq(mask << (drain.o_destination.lanes * config.requantisers))
        if config.inputs >= 2:
            # Positions follow each other; their indices are written one word after the other.
            result_address = Signal(config.activation_address_bits + 1)
            with m.If(self.sequencer.o_start):
                m.d.sync += result_address.eq(self.layer.output_address)
            with m.If(argmax.o_valid):
                m.d.sync += [
                    enable.eq(0b11), address.eq(result_address), word.eq(argmax.o_index),
                    result_address.eq(result_address + 1),
                ]
            m.d.comb += self.index_beyond.eq(
                argmax.o_valid & (result_address >= config.activation_words)
            )
        with m.If(loader.o_write[Region.ACTIVATIONS]):
            m.d.sync += [
                enable.eq(-1), address.eq(loader.o_address),
                word.eq(loader.o_word[-8 * config.inputs :]),
            ]
        m.d.comb += [
            memory.i_write.eq(enable),
            memory.i_write_address.eq(address),
            memory.i_write_data.eq(word),
        ]

    def _host(self, m):
        """While idle, the host's address is every memory's read address."""
        config, loader, step = self.config, self.loader, self.walker.o_step
        wiring.connect(m, wiring.flipped(self.i_access), loader.i_access)
        wiring.connect(m, wiring.flipped(self.i_data), loader.i_data)
        wiring.connect(m, loader.o_data, wiring.flipped(self.o_data))
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
            self.weights.i_address.eq(Mux(busy, step.weight, host)),
            self.timing.i_address.eq(host),
            loader.i_weights.eq(self.weights.o_word),
            loader.i_words[Region.PROGRAM].eq(self.program.o_word),
            loader.i_words[Region.REQUANT].eq(self.records.o_word),
            loader.i_words[Region.ACTIVATIONS].eq(self.activations.o_words[0]),
            loader.i_words[Region.TIMING].eq(self.timing.o_word),
        ]
        for t in range(config.pixels):
            m.d.comb += self.activations.i_address[t].eq(Mux(busy, step.address[t], host))
