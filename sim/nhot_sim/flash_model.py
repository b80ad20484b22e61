"""A SPI flash in Python: what its pins do, edge by edge, and what it may not be asked to do.

Times are those that JEDEC's 25-series parts have in common (W25Q, MX25L, IS25LP, N25Q), the slowest
of each.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Damage", "FlashModel"]

_READ, _FAST_READ, _SLEEP, _WAKE = 0x03, 0x0B, 0xB9, 0xAB
_DUMMY_BYTES = {_READ: 0, _FAST_READ: 1}
_ADDRESS_BYTES = 3

Damage = Callable[[int, int, int], int]
"""The byte that is read in the place of another: number of the read, address, byte."""


class FlashModel:
    """A flash in SPI mode 0. All times are nanoseconds.

    Parameters
    ----------
    contents : dict
        Bytes by the address of the first of them; all else is erased.
    power_up : float
        Until when it hears nothing.
    asleep : bool
        Whether it was left in deep power-down.
    damage : callable, optional

    Attributes
    ----------
    reads : int
        Read commands so far.
    """

    WAKE_NS = 100_000.0
    DESELECTED_NS = 100.0
    HALF_CLOCK_NS = 25.0

    def __init__(
        self, contents: dict[int, bytes], *, power_up: float = 0.0, asleep: bool = True,
        damage: Damage = lambda read, address, byte: byte,
    ) -> None:
        self.contents = contents
        self.damage = damage
        self.reads = 0
        self._ready = power_up
        self._asleep = asleep
        self._selected = False
        self._edge = self._deselected = float("-inf")
        self._start()

    def _start(self) -> None:
        self._received: list[int] = []  # whole bytes of the command
        self._in = self._in_bits = 0
        self._address = 0
        self._out = 0xFF
        self._out_bits = 0

    def select(self, now: float) -> None:
        """The falling edge of its select."""
        assert now - self._deselected >= self.DESELECTED_NS, (
            f"Flash must be deselected for {self.DESELECTED_NS} ns, not {now - self._deselected}"
        )
        self._selected = True
        self._start()

    def deselect(self, now: float) -> None:
        """The rising edge: a command of a byte is obeyed."""
        if self._selected and now >= self._ready and self._in_bits == 0:
            if self._received == [_WAKE]:
                self._asleep = False
                self._ready = now + self.WAKE_NS
            elif self._received == [_SLEEP]:
                self._asleep = True
        self._selected = False
        self._deselected = now

    def clock_up(self, bit: int, now: float) -> None:
        """The rising edge of its clock, at which it looks at its input."""
        self._check_clock(now)
        if not self._hears(now):
            return
        self._in, self._in_bits = (self._in << 1 | bit) & 0xFF, self._in_bits + 1
        if self._in_bits == 8:
            self._received.append(self._in)
            self._in_bits = 0
            self._prepare()

    def clock_down(self, now: float) -> int:
        """The falling edge, with which its output changes; it is pulled up where it drives none."""
        self._check_clock(now)
        if not self._hears(now) or self._out_bits == 0:
            return 1
        self._out_bits -= 1
        return self._out >> self._out_bits & 1

    def _prepare(self) -> None:
        """After each byte of the input: the next one of the output."""
        command, *rest = self._received
        if self._asleep or command not in _DUMMY_BYTES:
            return
        before = _ADDRESS_BYTES + _DUMMY_BYTES[command]
        if len(rest) < before:
            return
        if len(rest) == before:
            self._address = int.from_bytes(bytes(rest[:_ADDRESS_BYTES]), "big")
            self.reads += 1
        self._out = self.damage(self.reads, self._address, self._byte(self._address)) & 0xFF
        self._out_bits = 8
        self._address = (self._address + 1) & 0xFFFFFF

    def _byte(self, address: int) -> int:
        for start, data in self.contents.items():
            if start <= address < start + len(data):
                return data[address - start]
        return 0xFF

    def _hears(self, now: float) -> bool:
        return self._selected and now >= self._ready

    def _check_clock(self, now: float) -> None:
        if self._selected:
            assert now - self._edge >= self.HALF_CLOCK_NS, (
                f"Half a clock of the flash must be {self.HALF_CLOCK_NS} ns, "
                f"not {now - self._edge}"
            )
        self._edge = now
