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

from amaranth.hdl import Module, Mux, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from nhot.contract.config import EngineConfig
from nhot.contract.contents import Contents
from nhot.contract.memories import timing_words
from nhot.contract.program import Region
from nhot.errors import NhotError
from nhot_hw.engine.activations import ActivationMemory
from nhot_hw.engine.argmax import ArgMax
from nhot_hw.engine.array import array_for
from nhot_hw.engine.collector import Collector
from nhot_hw.engine.descriptor import activation_terms, is_depthwise
from nhot_hw.engine.drain import Drain
from nhot_hw.engine.feed import Feed
from nhot_hw.engine.guard import Guard
from nhot_hw.engine.host import HostSignature
from nhot_hw.engine.loader import Loader
from nhot_hw.engine.memories import WordMemory
from nhot_hw.engine.readout import Readout
from nhot_hw.engine.records import RecordMemory
from nhot_hw.engine.requantiser import Requantiser
from nhot_hw.engine.role import Role
from nhot_hw.engine.rounder import Rounder
from nhot_hw.engine.sequencer import Sequencer
from nhot_hw.engine.single_port import SinglePortActivations, SinglePortWeights
from nhot_hw.engine.walker import Walker
from nhot_hw.engine.window import WindowUnit
from nhot_hw.engine.write_back import WriteBack
from nhot_hw.stream_register import StreamRegister

__all__ = ["Engine"]

#: What decides is reset, for one cycle: a new run may start in the next. Sums and words on their
#: way need not be, and are many.
_DECIDING = ("loader", "incoming", "outgoing", "sequencer", "walker", "drain", "argmax")
_MOVING = (
    "program", "records", "weights", "timing", "activations", "guard", "role", "feed", "array",
    "window", "readout", "write_back",
)

class Engine(wiring.Component):
    """A dense output-stationary engine that runs the program in its memories.

    The reference is :func:`nhot.network.reference.run` on the network that was compiled. Steps that
    wait for room in the readout are counted as stalls.

    Parameters
    ----------
    config : EngineConfig
    contents : Contents, optional
        What its memories hold at power-up. Not for engines with ``single_port``.

    Members
    -------
    host : In(HostSignature)
    """

    def __init__(self, config: EngineConfig, contents: Contents | None = None):
        if not isinstance(config, EngineConfig):
            raise TypeError(f"Config must be an EngineConfig, not {config!r}")
        if config.single_port and contents is not None:
            raise NhotError(
                "Engine with contents at power-up must not have memories with a single port"
            )
        self.config = config
        self.loader = Loader(config)
        # Between the host's side and the loader, whose logic in one cycle would set the clock.
        self.incoming, self.outgoing = StreamRegister(8), StreamRegister(8)
        self.sequencer = Sequencer(config)
        self.guard = Guard()
        self.role = Role(config)
        self.walker = Walker(config)
        self.feed = Feed(config)
        self.array = array_for(config)
        self.window = WindowUnit(config)
        self.drain = Drain(config)
        self.readout = Readout(config)
        self.requantisers = [Requantiser(config) for _ in range(config.requantisers)]
        self.rounders = [Rounder(config) for _ in self.requantisers if config.activation_terms]
        self.argmax = ArgMax(config)
        self.write_back = Collector(config) if config.single_port else WriteBack(config)
        program, weights = (
            (None, None) if contents is None else (contents.program, contents.weights)
        )
        self.program = WordMemory(width=32, depth=config.program_words, init=program)
        self.records = RecordMemory(config, contents)
        self.timing = WordMemory(width=32, depth=timing_words(config))
        if config.single_port:
            self.weights = SinglePortWeights(config)
            self.activations = SinglePortActivations(config)
        else:
            # Activations take longer if they lie in banks; the weights of a step come with them.
            self.weights = WordMemory(
                width=config.weight_word_bits, depth=config.weight_words, init=weights,
                waits=config.memory_latency - 2,
            )
            self.activations = ActivationMemory(config)
        super().__init__({"host": In(HostSignature)})

    def elaborate(self, platform):
        m = Module()
        for name in _MOVING:
            m.submodules[name] = getattr(self, name)
        for i, unit in enumerate(self.requantisers):
            m.submodules[f"requantiser_{i}"] = unit
        for i, unit in enumerate(self.rounders):
            m.submodules[f"rounder_{i}"] = unit
        stop = Signal()
        m.d.sync += stop.eq((self.host.reset | self.guard.o_stop) & ~stop)
        control = m.submodules.control = Module()
        for name in _DECIDING:
            control.submodules[name] = ResetInserter(stop)(getattr(self, name))

        self._control(m)
        self._sum(m)
        self._finish(m)
        self._store(m)
        self._serve(m)
        return m

    def _control(self, m):
        """The sequencer starts walker and drain, and waits for all; the guard may stop them."""
        sequencer, walker, drain, guard = self.sequencer, self.walker, self.drain, self.guard
        host, layer = self.host, self.sequencer.o_layer
        m.d.comb += [
            sequencer.i_start.eq(host.start),
            sequencer.i_word.eq(self.program.o_word),
            sequencer.i_fault.eq(guard.o_stop),
            sequencer.i_stalled.eq(walker.o_stalled),
            sequencer.i_walking.eq(walker.o_busy),
            sequencer.i_layer_busy.eq(drain.o_busy | self.argmax.o_busy | self._queued()),
            self.role.i_descriptor.eq(layer),
            walker.i_descriptor.eq(sequencer.o_descriptor),
            walker.i_start.eq(sequencer.o_start),
            walker.i_ready.eq(drain.o_ready),
            drain.i_descriptor.eq(layer),
            drain.i_start.eq(sequencer.o_start),
            drain.i_finish.eq(walker.o_valid & walker.o_step.last),
            drain.i_pixel.eq(walker.o_pixel),
            self.timing.i_write.eq(sequencer.o_timing_write),
            self.timing.i_write_address.eq(sequencer.o_timing_address),
            self.timing.i_write_data.eq(sequencer.o_timing_data),
            guard.i_start.eq(host.start),
            guard.i_limit.eq(host.limit),
            guard.i_busy.eq(sequencer.o_busy),
            guard.i_cycles.eq(sequencer.o_cycles),
            guard.i_illegal.eq(sequencer.o_illegal),
            guard.i_beyond.eq(walker.o_beyond | drain.o_beyond | self.write_back.o_beyond),
            host.busy.eq(sequencer.o_busy),
            host.cycles.eq(sequencer.o_cycles),
            host.stalls.eq(sequencer.o_stalls),
            host.layers.eq(sequencer.o_timing_address >> 1),
            host.fault.eq(guard.o_fault),
        ]

    def _queued(self):
        """Whether words wait to be written, which they do in front of a single port."""
        return self.write_back.o_busy if self.config.single_port else 0

    def _sum(self, m):
        """Memory words into the lanes and the window unit."""
        feed, array, window = self.feed, self.array, self.window
        layer = self.sequencer.o_layer
        m.d.comb += [
            feed.i_pad.eq(layer.pad_value),
            feed.i_role.eq(self.role.o_role),
            feed.i_valid.eq(self.walker.o_valid),
            feed.i_step.eq(self.walker.o_step),
            feed.i_words.eq(self.activations.o_words),
            feed.i_weights.eq(self.weights.o_word),
            array.i_x.eq(feed.o_x),
            array.i_w.eq(feed.o_w),
            array.i_en.eq(feed.o_en),
            array.i_first.eq(feed.o_first),
            array.i_phase.eq(feed.o_phase),
            window.i_operation.eq(layer.operation),
            window.i_x.eq(feed.o_window_x),
            window.i_en.eq(feed.o_window_en),
            window.i_first.eq(feed.o_window_first),
        ]
        if self.config.depthwise:
            m.d.comb += feed.i_depthwise.eq(is_depthwise(self.sequencer.o_descriptor))

    def _finish(self, m):
        """Sums through the readout to the requantisers, R at a time."""
        drain, readout = self.drain, self.readout
        layer = self.sequencer.o_layer
        m.d.comb += [
            readout.i_sums.eq(self.array.o_sum),
            readout.i_results.eq(self.window.o_result),
            readout.i_window.eq(~self.role.o_role.lanes),
            readout.i_capture.eq(drain.o_capture),
            readout.i_pixel.eq(drain.o_pixel),
            readout.i_shift.eq(drain.o_shift),
        ]
        for i, unit in enumerate(self.requantisers):
            head = readout.o_head[i]
            # The operands of an addition lie side by side in one place.
            first, second = head[:8].as_signed(), head[8:16].as_signed()
            m.d.comb += [
                unit.i_value.eq(
                    Mux(drain.o_operand[1], second, Mux(drain.o_operand[0], first, head))
                ),
                unit.i_bias.eq(self.records.o_biases[i]),
                unit.i_terms.eq(self.records.o_terms[i]),
                unit.i_take.eq(drain.o_take),
                unit.i_fresh.eq(drain.o_fresh[i * len(drain.o_fresh) // len(self.requantisers)]),
                unit.i_zero_point.eq(layer.zero_point),
                unit.i_low.eq(layer.low),
                unit.i_high.eq(layer.high),
            ]

    def _store(self, m):
        """Requantised bytes, the index of the largest, or the host's words, to the activations."""
        drain, argmax, back, loader = self.drain, self.argmax, self.write_back, self.loader
        layer, search = self.sequencer.o_layer, self.role.o_role.search
        for unit, requantiser in zip(self.rounders, self.requantisers, strict=False):
            m.d.comb += [
                unit.i_y.eq(requantiser.o_y), unit.i_zero_point.eq(layer.zero_point),
                unit.i_terms.eq(activation_terms(layer, self.config)),
            ]
        for i, unit in enumerate(self.rounders or self.requantisers):
            m.d.comb += [argmax.i_y[i].eq(unit.o_y), back.i_bytes[i].eq(unit.o_y)]
        m.d.comb += [
            argmax.i_valid.eq(drain.o_valid & search),
            argmax.i_row_end.eq(drain.o_row_end),
            argmax.i_channels.eq(layer.channels),
            back.i_descriptor.eq(layer),
            back.i_start.eq(self.sequencer.o_start),
            back.i_valid.eq(drain.o_valid & ~search),
            back.i_destination.eq(drain.o_destination),
            back.i_index_valid.eq(argmax.o_valid),
            back.i_index.eq(argmax.o_index),
            back.i_host.eq(loader.o_write[Region.ACTIVATIONS]),
            back.i_host_address.eq(loader.o_address),
            back.i_host_word.eq(loader.o_word[-8 * self.config.inputs :]),
            self.activations.i_write.eq(back.o_write),
            self.activations.i_write_address.eq(back.o_address),
            self.activations.i_write_data.eq(back.o_word),
        ]

    def _serve(self, m):
        """While idle, the host's address is every memory's read address."""
        config, loader, step, host = self.config, self.loader, self.walker.o_step, self.host
        wiring.connect(m, wiring.flipped(host.access), loader.i_access)
        wiring.connect(m, wiring.flipped(host.write), self.incoming.i)
        wiring.connect(m, self.incoming.o, loader.i_data)
        wiring.connect(m, loader.o_data, self.outgoing.i)
        wiring.connect(m, self.outgoing.o, wiring.flipped(host.read))
        busy, address = self.sequencer.o_busy, loader.o_address
        for memory, region, word in (
            (self.program, Region.PROGRAM, loader.o_word[-32:]),
            (self.records, Region.REQUANT, loader.o_word[-32 * config.requantisers :]),
            (self.weights, Region.WEIGHTS, loader.o_weights),
        ):
            m.d.comb += [
                memory.i_write.eq(loader.o_write[region]),
                memory.i_write_address.eq(address),
                memory.i_write_data.eq(word),
            ]
        m.d.comb += [
            self.program.i_address.eq(Mux(busy, self.sequencer.o_address, address)),
            self.records.i_address.eq(Mux(busy, self.drain.o_record << 1, address)),
            self.weights.i_address.eq(Mux(busy, step.weight, address)),
            self.timing.i_address.eq(address),
            loader.i_weights.eq(self.weights.o_word),
            loader.i_words[Region.PROGRAM].eq(self.program.o_word),
            loader.i_words[Region.REQUANT].eq(self.records.o_word),
            loader.i_words[Region.ACTIVATIONS].eq(self.activations.o_words[0]),
            loader.i_words[Region.TIMING].eq(self.timing.o_word),
        ]
        if config.single_port:  # while idle, only writes of the host are waited for
            m.d.comb += [
                self.activations.i_read.eq(self.walker.o_reads),
                self.write_back.i_taken.eq(self.activations.o_taken),
                self.write_back.i_end.eq(self.drain.o_word_end),
            ]
        for t in range(config.pixels):
            m.d.comb += [
                self.activations.i_address[t].eq(Mux(busy, step.address[t], address)),
                self.activations.i_used[t].eq(Mux(busy, step.inside[t], 1)),
            ]
