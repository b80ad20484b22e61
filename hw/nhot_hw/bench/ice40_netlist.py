"""A netlist in cells of the iCE40, run on many inputs at once, and the toggles of its nets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nhot.errors import NhotError

__all__ = ["KINDS", "STREAMS", "Netlist"]

Bits = NDArray[np.uint64]

STREAMS = 64
"""Runs of the netlist beside each other: the bits of a word."""

KINDS = ("LUTs", "carries", "flip-flops")

_ONES = np.uint64(2**64 - 1)
_SETS = np.array([value.bit_count() for value in range(256)], np.int64)


@dataclass(frozen=True, kw_only=True)
class _Level:
    """LUTs and carries that wait for no other of them: nets that they read, and that they drive."""

    lut_inputs: NDArray[np.int64]
    lut_tables: Bits
    lut_outputs: NDArray[np.int64]
    carry_inputs: NDArray[np.int64]
    carry_outputs: NDArray[np.int64]


@dataclass(kw_only=True)
class _Flops:
    """Flip-flops: data, enable and reset (nets), what a reset gives, and the net of the output."""

    data: list[int] = field(default_factory=list)
    enable: list[int] = field(default_factory=list)
    reset: list[int] = field(default_factory=list)
    value: list[int] = field(default_factory=list)
    output: list[int] = field(default_factory=list)


class Netlist:
    """A flat module of SB_LUT4, SB_CARRY and SB_DFF cells with one clock.

    It has no delays: a net toggles at most once a cycle, and glitches are not seen.

    Parameters
    ----------
    module : dict
        As Yosys' ``write_json`` has it.

    Attributes
    ----------
    toggles : dict
        Changes of the nets that each of :data:`KINDS` drives, in all streams, since
        :meth:`forget`.
    """

    def __init__(self, module: Mapping[str, Any]):
        self._ports = {name: port["bits"] for name, port in module["ports"].items()}
        self._places: dict[int | str, int] = {"0": 0, "x": 0, "1": 1}
        self._flops = _Flops()
        luts, carries = [], []
        for name, cell in module["cells"].items():
            kind, pins = cell["type"], {pin: bits[0] for pin, bits in cell["connections"].items()}
            if kind == "SB_LUT4":
                table = int(cell["parameters"]["LUT_INIT"], 2)
                luts.append(([self._net(pins[f"I{i}"]) for i in range(4)], table,
                             self._net(pins["O"])))
            elif kind == "SB_CARRY":
                carries.append(([self._net(pins[pin]) for pin in ("I0", "I1", "CI")],
                                self._net(pins["CO"])))
            elif kind.startswith("SB_DFF") and "N" not in kind[6:]:
                self._add_flop(kind[6:], pins)
            elif kind != "$scopeinfo":
                raise NhotError(f"Cell {name} must be of an iCE40's logic, not {kind}")
        for bits in self._ports.values():
            for bit in bits:
                self._net(bit)
        self._values = np.zeros(len(self._places), np.uint64)
        self._values[1] = _ONES
        self._levels = list(self._sorted(luts, carries))
        self.forget()

    def forget(self) -> None:
        """Count toggles from now on."""
        self.toggles = dict.fromkeys(KINDS, 0)

    def step(self, inputs: Mapping[str, Bits]) -> None:
        """One cycle. ``inputs``: for a port the bits of all streams, (bits,) words."""
        for name, words in inputs.items():
            self._values[[self._places[bit] for bit in self._ports[name]]] = words
        for level in self._levels:
            self._write("LUTs", level.lut_outputs, self._luts(level))
            a, b, c = self._values[level.carry_inputs.T]
            self._write("carries", level.carry_outputs, a & b | c & (a | b))
        flops, values = self._flops, self._values
        kept, enable = values[flops.output], values[flops.enable]
        reset, value = values[flops.reset], values[flops.value]
        new = values[flops.data] & ~reset | value & reset
        self._write("flip-flops", np.array(flops.output, np.int64), kept & ~enable | new & enable)

    def read(self, name: str) -> Bits:
        """The bits of a port at the end of the cycle. (bits,) words"""
        return self._values[[self._places[bit] for bit in self._ports[name]]]

    def _net(self, bit: int | str) -> int:
        return self._places.setdefault(bit, len(self._places))

    def _add_flop(self, options: str, pins: Mapping[str, int | str]) -> None:
        flops = self._flops
        flops.data.append(self._net(pins["D"]))
        flops.enable.append(self._net(pins["E"] if "E" in pins else "1"))
        flops.reset.append(self._net(pins.get("R", pins.get("S", "0"))))
        flops.value.append(self._net("1" if "S" in pins else "0"))
        flops.output.append(self._net(pins["Q"]))
        if options.strip("E") not in ("", "SR", "SS"):
            raise NhotError(f"Flip-flop must not be reset between clock edges, as SB_DFF{options}")

    def _sorted(self, luts: list[Any], carries: list[Any]) -> Iterator[_Level]:
        """Levels, each of what the ones before drive all inputs of."""
        known = np.ones(len(self._places), bool)
        known[[output for *_, output in (*luts, *carries)]] = False
        while luts or carries:
            now = [[cell for cell in cells if known[cell[0]].all()] for cells in (luts, carries)]
            if not any(now):
                raise NhotError("Netlist must have no loops through its logic")
            luts, carries = ([cell for cell in cells if not known[cell[0]].all()]
                             for cells in (luts, carries))
            known[[output for cells in now for *_, output in cells]] = True
            yield _Level(
                lut_inputs=_array([one[0] for one in now[0]], 4),
                lut_tables=np.array([one[1] for one in now[0]], np.uint64),
                lut_outputs=np.array([one[2] for one in now[0]], np.int64),
                carry_inputs=_array([one[0] for one in now[1]], 3),
                carry_outputs=np.array([one[1] for one in now[1]], np.int64),
            )

    def _luts(self, level: _Level) -> Bits:
        """Tables of 16 bits, halved by one input after the other. (LUTs,) words"""
        rows = np.arange(16, dtype=np.uint64)[:, None]
        chosen = np.where(level.lut_tables >> rows & np.uint64(1), _ONES, np.uint64(0))
        for words in self._values[level.lut_inputs.T]:
            chosen = chosen[::2] & ~words | chosen[1::2] & words
        return chosen[0]

    def _write(self, kind: str, places: NDArray[np.int64], words: Bits) -> None:
        changed = self._values[places] ^ words
        self.toggles[kind] += int(_SETS[changed.view(np.uint8)].sum())
        self._values[places] = words


def _array(rows: list[list[int]], width: int) -> NDArray[np.int64]:
    return np.array(rows, np.int64).reshape(-1, width)
