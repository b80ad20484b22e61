"""The activation memory: one word of S channels for each of T pixels, in every cycle."""

from itertools import product

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory, MemoryData
from amaranth.lib.wiring import In, Out

from nhot.contract.config import EngineConfig
from nhot_hw.delay import delayed
from nhot_hw.engine.host import WordAddress

__all__ = ["ActivationMemory", "BankAddress", "residue"]


class ActivationMemory(wiring.Component):
    """Banks, which T pixels read side by side if no bank is asked for two words.

    With one pixel it is one memory. With more, words are dealt out as :mod:`nhot.contract.banks`
    says: reads and writes have a register for their address, one for its bank and its place there,
    and only then reach the memories.

    Members
    -------
    i_write, i_write_address, i_write_data : In, S bytes with a write enable each; beyond the depth
        a write does nothing
    i_address, i_used : In(T addresses), and which of them are meant
    o_words : Out(T words of S bytes), ``config.memory_latency - 1`` cycles later; any word for an
        address that is not meant

    Attributes
    ----------
    contents : list of MemoryData, the banks, for simulations that look inside
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        self.contents = [
            MemoryData(shape=unsigned(8 * config.inputs), depth=config.bank_words, init=[])
            for _ in range(config.banks)
        ]
        super().__init__({
            "i_write": In(config.inputs),
            "i_write_address": In(WordAddress),
            "i_write_data": In(8 * config.inputs),
            "i_address": In(data.ArrayLayout(WordAddress, config.pixels)),
            "i_used": In(config.pixels),
            "o_words": Out(data.ArrayLayout(unsigned(8 * config.inputs), config.pixels)),
        })

    def row(self, address: int):
        """The word at ``address``, for simulations that look inside."""
        return self.contents[address % self.config.banks][address % self.config.bank_words]

    def elaborate(self, platform):
        m = Module()
        ports = []
        for i, contents in enumerate(self.contents):
            memory = m.submodules[f"bank_{i}"] = Memory(contents)
            ports.append((memory.write_port(granularity=8), memory.read_port()))
        in_range = self.i_write_address < self.config.activation_words
        write = Mux(in_range, self.i_write, 0)
        if self.config.banks > 1:
            self._deal(m, ports, write)
            return m
        (to, read), = ports
        m.d.comb += [
            to.en.eq(write),
            to.addr.eq(self.i_write_address),
            to.data.eq(self.i_write_data),
            read.en.eq(1),
            read.addr.eq(self.i_address[0]),
            self.o_words[0].eq(read.data),
        ]
        return m

    def _deal(self, m, ports, write):
        """Each write to its bank, and each bank's word to the pixel that asked for it."""
        target = m.submodules.write_address = BankAddress(self.config)
        m.d.comb += target.i_address.eq(self.i_write_address)
        late_enable = delayed(m, write, 2, reset=True)
        late_word = delayed(m, self.i_write_data, 2)

        asked = []
        used = Signal.like(self.i_used)
        m.d.sync += used.eq(self.i_used)
        for t in range(self.config.pixels):
            address = m.submodules[f"address_{t}"] = BankAddress(self.config)
            m.d.comb += address.i_address.eq(self.i_address[t])
            asked.append(address)

        for bank, (to, read) in enumerate(ports):
            # An address that is not meant asks no bank, and where two are the same, so are places.
            place = Signal.like(read.addr, name=f"place_{bank}")
            m.d.sync += place.eq(_any(
                Mux(used[t] & (address.o_bank == bank), address.o_place, 0)
                for t, address in enumerate(asked)
            ))
            here = Signal(name=f"here_{bank}")
            target_place = Signal.like(to.addr)
            m.d.sync += [here.eq(target.o_bank == bank), target_place.eq(target.o_place)]
            m.d.comb += [
                to.en.eq(Mux(here, late_enable, 0)),
                to.addr.eq(target_place),
                to.data.eq(late_word),
                read.en.eq(1),
                read.addr.eq(place),
            ]
        words = Array(read.data for _, read in ports)
        for t, address in enumerate(asked):
            bank = delayed(m, address.o_bank, 2)  # to the memory, and through it
            m.d.comb += self.o_words[t].eq(words[bank])


class BankAddress(wiring.Component):
    """Where a word lies: its address a in a register, then a mod B and a mod D.

    Members
    -------
    i_address : In(WordAddress), of which as many bits count as an activation address has
    o_bank, o_place : Out, of the address of the cycle before
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__({
            "i_address": In(WordAddress),
            "o_bank": Out(range(config.banks)),
            "o_place": Out(range(config.bank_words)),
        })

    def elaborate(self, platform):
        m = Module()
        banks, words = self.config.banks, self.config.bank_words
        address = Signal(self.config.activation_address_bits)
        m.d.sync += address.eq(self.i_address)
        m.d.comb += [self.o_bank.eq(residue(address, banks)), self.o_place.eq(address)]
        for times in range(1, banks):
            rest = Signal(len(address) + 1, name=f"rest_{times}")
            m.d.comb += rest.eq(address - times * words)
            with m.If(~rest[-1]):
                m.d.comb += self.o_place.eq(rest)
        return m


_DIGIT = 4  # bits: a table of so many is a LUT for each bit of what it holds


def residue(value, modulus):
    """``value`` modulo a small number: digits by table, then added up in a tree of tables."""
    parts = [
        _table(lambda digit, weight=1 << i: digit * weight % modulus, value[i : i + _DIGIT])
        for i in range(0, len(value), _DIGIT)
    ]
    while len(parts) > 1:
        pairs = [
            _table(lambda low, high: (low + high) % modulus, low, high)
            for low, high in zip(parts[::2], parts[1::2], strict=False)
        ]
        parts = pairs + parts[2 * len(pairs) :]
    return parts[0]


def _table(function, *operands):
    """``function`` of the operands, the first of which is the low bits of the table's index."""
    ranges = [range(1 << len(operand)) for operand in reversed(operands)]
    values = [function(*reversed(at)) for at in product(*ranges)]
    return Value.cast(Array(values)[Cat(*operands)])


def _any(values):
    total = 0
    for value in values:
        total |= value
    return total
