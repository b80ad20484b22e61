"""The loops of a layer: which words to read, and where sums begin and end."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nhot.contract.config import EngineConfig
from nhot_hw.engine.descriptor import DescriptorLayout, is_depthwise, on_lanes

__all__ = ["PixelLayout", "Walker", "step_layout"]

PixelLayout = data.StructLayout({
    "last_column": 1,  # the column of a row that may have fewer than T pixels
    "row_end": 1,
    "last_tile": 1,
    "tile_end": 1,
})
"""Where in its layer a finished pixel group stands."""


def step_layout(config: EngineConfig) -> data.StructLayout:
    """One step: an activation word a pixel, a weight word, and the place in the sum."""
    return data.StructLayout({
        "first": 1,
        "last": 1,
        "phase": range(max(2, config.step_cycles)),
        "address": data.ArrayLayout(unsigned(config.activation_address_bits), config.pixels),
        "inside": data.ArrayLayout(unsigned(1), config.pixels),
        "weight": config.weight_address_bits,
    })


class Walker(wiring.Component):
    """Walk the six loops of a descriptor, a step every ``config.step_cycles`` cycles.

    No address is multiplied: the running address moves by the jump of the outermost loop that
    advances. The last step of a pixel group waits for ``i_ready``, so that its sums find room.
    Where activations have a single port, each group begins with cycles without a step, as many as
    there are words to write for a group.

    Members
    -------
    i_descriptor : the layer, stable from ``i_start`` until ``o_busy`` falls
    i_start : pulse
    i_ready : the sums of another pixel group may be finished
    o_busy : a walk is under way
    o_valid, o_step : a step in this cycle (all phases of it count)
    o_pixel : where a pixel group that ends with this step stands
    o_stalled : the walk waits for ``i_ready``
    o_beyond : two cycles after a step that uses an address beyond its memory
    o_reads : where activations have a single port, this cycle is not one for writes. Nor is one in
        which the walk is stalled: what it waits for is known too late in the cycle
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__({
            "i_descriptor": In(DescriptorLayout),
            "i_start": In(1),
            "i_ready": In(1),
            "o_busy": Out(1),
            "o_valid": Out(1),
            "o_step": Out(step_layout(config)),
            "o_pixel": Out(PixelLayout),
            "o_stalled": Out(1),
            "o_beyond": Out(1),
            **({"o_reads": Out(1)} if config.single_port else {}),
        })

    def elaborate(self, platform):
        m = Module()
        layer = self.i_descriptor
        interval = self.config.step_cycles
        phase = Signal(range(max(2, interval)))
        advance = Signal()

        word, tap_x, tap_y, column, _, tile = loops = [
            _Loop(name, limit[: self.config.loop_bits])
            for name, limit in (
                ("word", layer.last_word), ("tap_x", layer.last_tap_x), ("tap_y", layer.last_tap_y),
                ("column", layer.last_column), ("row", layer.last_row), ("tile", layer.last_tile),
            )
        ]
        # ends[i]: all loops inside loop i are at their last turn.
        ends = [Signal(name=f"end_{loop.name}") for loop in loops]
        for i, loop in enumerate(loops):
            inner = ends[i - 1] if i else 1
            m.d.comb += ends[i].eq(inner & loop.at_end)
        window_end, column_end, row_end, layer_end = ends[2], ends[3], ends[4], ends[5]

        finishes = window_end & ~self._reads_alone(m, column, advance & window_end)
        walks = self.o_busy
        if self.config.single_port:
            walks = walks & ~self._gives_way(m, self.i_start | (advance & window_end))
            m.d.comb += self.o_reads.eq(walks)
        m.d.comb += [
            self.o_stalled.eq(walks & finishes & (phase == 0) & ~self.i_ready),
            self.o_valid.eq(walks & ~self.o_stalled),
            advance.eq(self.o_valid & (phase == interval - 1)),
        ]
        with m.If(self.o_valid):
            m.d.sync += phase.eq(Mux(phase == interval - 1, 0, phase + 1))
        with m.If(self.i_start):
            m.d.sync += [self.o_busy.eq(1), phase.eq(0)]
            for loop in loops:
                loop.restart(m)
        with m.Elif(advance):
            for i, loop in enumerate(loops):
                with m.If(ends[i - 1] if i else 1):
                    loop.advance(m)
            with m.If(layer_end):
                m.d.sync += self.o_busy.eq(0)

        address = self._address(m, advance, ends)
        inside = self._inside(m, advance, ends)
        weight = self._weight(m, advance, window_end, row_end)
        m.d.comb += [
            self.o_step.first.eq((word.count == 0) & (tap_x.count == 0) & (tap_y.count == 0)),
            self.o_step.last.eq(finishes & (phase == interval - 1)),
            self.o_step.phase.eq(phase),
            self.o_step.weight.eq(weight),
            *(step.eq(word) for step, word in zip(self.o_step.address, address, strict=True)),
            Cat(*self.o_step.inside).eq(Cat(*inside)),
            self.o_pixel.last_column.eq(column.at_end),
            self.o_pixel.row_end.eq(column_end),
            self.o_pixel.last_tile.eq(tile.at_end),
            self.o_pixel.tile_end.eq(row_end),
        ]
        self._watch(m, address, inside, weight)
        return m

    def _reads_alone(self, m, column, advance):
        """Whether a column is read for later outputs alone, so that no sums end with its window."""
        if not self.config.depthwise:
            return Const(0)
        preloads = self.config.preloads
        depthwise = Signal()
        strided = Signal()
        leading = Signal()
        m.d.sync += [
            depthwise.eq(is_depthwise(self.i_descriptor)),
            strided.eq(self.i_descriptor.step_x == 2),
        ]
        with m.If(self.i_start):
            m.d.sync += leading.eq(1)
        with m.Elif(advance):
            m.d.sync += leading.eq(column.at_end | (column.count < preloads - 1))
        if self.config.pixels > 1:  # a group of pixels has an output at stride 2, too
            return depthwise & leading
        return depthwise & (leading | strided & (column.count[0] != preloads % 2))

    def _gives_way(self, m, begins):
        """Whether a pixel group has begun just now, and leaves the activations to writes."""
        left = Signal(range(self.config.write_cycles + 1))
        with m.If(begins):
            m.d.sync += left.eq(self.config.write_cycles)
        with m.Elif(left.any()):
            m.d.sync += left.eq(left - 1)
        return left.any()

    def _address(self, m, advance, ends):
        """The running address, and its copies moved by a pixel each."""
        layer = self.i_descriptor
        bits = self.config.distance_bits  # more than an address, to see what is beyond the memory
        base = Signal(bits)
        jump = Signal(bits)
        m.d.comb += jump.eq(1)
        for end, step in zip(
            ends[:5],
            (layer.jump_x, layer.jump_y, layer.jump_column, layer.jump_row, layer.jump_tile),
            strict=True,
        ):
            with m.If(end):
                m.d.comb += jump.eq(step)
        with m.If(self.i_start):
            m.d.sync += base.eq(layer.input_address)
        with m.Elif(advance):
            m.d.sync += base.eq(base + jump)
        return [(base + offset)[:bits] for offset in self._multiples(m, layer.lane_step, bits)]

    def _inside(self, m, advance, ends):
        """Whether each pixel's tap lies in the input rather than in its padding."""
        layer = self.i_descriptor
        # Positions reach from the padding before the input (8 bits) to the padding behind it.
        bits = self.config.loop_bits + 2
        x, y, first_x, first_y, next_x, next_y = (
            Signal(signed(bits), name=name)
            for name in ("x", "y", "first_x", "first_y", "next_x", "next_y")
        )
        m.d.comb += [next_x.eq(first_x + layer.column_step), next_y.eq(first_y + layer.stride_y)]
        new_row = ends[3]
        new_tile = ends[4]
        with m.If(self.i_start | (advance & new_tile)):
            m.d.sync += [
                value.eq(-padding)
                for value, padding in (
                    (x, layer.pad_x), (first_x, layer.pad_x),
                    (y, layer.pad_y), (first_y, layer.pad_y),
                )
            ]
        with m.Elif(advance & new_row):
            m.d.sync += [x.eq(-layer.pad_x), first_x.eq(-layer.pad_x)]
            m.d.sync += [y.eq(next_y), first_y.eq(next_y)]
        with m.Elif(advance & ends[2]):
            m.d.sync += [x.eq(next_x), first_x.eq(next_x), y.eq(first_y)]
        with m.Elif(advance & ends[1]):
            m.d.sync += [x.eq(first_x), y.eq(y + layer.step_y)]
        with m.Elif(advance & ends[0]):
            m.d.sync += x.eq(x + layer.step_x)
        width, height = layer.width[: bits - 1], layer.height[: bits - 1]
        inside_y = (y >= 0) & (y < height)
        first, *others = [x + offset for offset in self._multiples(m, layer.stride_x, bits)]
        return [
            inside_y & (first >= 0) & (first < width),
            *(inside_y & ~layer.one_pixel & (pixel >= 0) & (pixel < width) for pixel in others),
        ]

    def _weight(self, m, advance, window_end, tile_end):
        """Weight words run on through a window, start anew for each pixel, move on with a tile."""
        weight = Signal(range(self.config.weight_words + 1))
        first = Signal.like(weight)
        with m.If(self.i_start):
            m.d.sync += [
                weight.eq(self.i_descriptor.weight_address),
                first.eq(self.i_descriptor.weight_address),
            ]
        if self.config.depthwise:  # the nine taps are in one word, for a whole tile
            advance = advance & (tile_end | ~is_depthwise(self.i_descriptor))
        with m.Elif(advance):
            m.d.sync += weight.eq(weight + 1)
            with m.If(tile_end):
                m.d.sync += first.eq(weight + 1)
            with m.Elif(window_end):
                m.d.sync += weight.eq(first)
        return weight

    def _watch(self, m, address, inside, weight):
        """See addresses beyond the memories, with a register on the way: they are a long path."""
        config = self.config
        beyond = [Signal(name=f"beyond_{i}") for i in range(config.pixels + 1)]
        used = [Signal(name=f"used_{i}") for i in range(config.pixels + 1)]
        array = on_lanes(self.i_descriptor, config)
        m.d.sync += [
            *(late.eq(word >= config.activation_words)
              for late, word in zip(beyond[1:], address, strict=True)),
            used[1].eq(self.o_valid & inside[0]),
            *(late.eq(self.o_valid & array & tap)  # all else works on the first pixel
              for late, tap in zip(used[2:], inside[1:], strict=True)),
            beyond[0].eq(weight >= config.weight_words),
            used[0].eq(self.o_valid & array),
            self.o_beyond.eq((Cat(*beyond) & Cat(*used)).any()),
        ]

    def _multiples(self, m, step, width):
        """0, step, 2 * step ... for the T pixels.

        Each register follows its neighbour, so they settle T cycles after the descriptor does,
        which the sequencer waits for.
        """
        multiples = [0]
        for i in range(1, self.config.pixels):
            multiple = Signal(width, name=f"multiple_{i}")
            m.d.sync += multiple.eq(multiples[-1] + step)
            multiples.append(multiple)
        return multiples


class _Loop:
    """A counter from zero to a limit. Whether it is there is known a cycle before it is asked."""

    def __init__(self, name, limit):
        self.name = name
        self.limit = limit
        self.count = Signal(len(limit), name=f"count_{name}")
        self.at_end = Signal(name=f"{name}_at_end")

    def restart(self, m):
        m.d.sync += [self.count.eq(0), self.at_end.eq(self.limit == 0)]

    def advance(self, m):
        m.d.sync += [self.count.eq(self.count + 1), self.at_end.eq(self.count + 1 == self.limit)]
        with m.If(self.at_end):
            self.restart(m)
