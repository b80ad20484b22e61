"""Inputs of a part, cycle by cycle, as testbenches; and how values are written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import IntEnum
from typing import Any

from nhot_sim.streams import put

__all__ = ["Driver", "asked", "hexadecimal", "name_in", "offer", "pulse", "signed_bytes", "timed"]

Driver = Callable[[Any], Awaitable[None]]


def timed(changes: Mapping[int, Sequence[tuple[Any, Any]]]) -> Driver:
    """Set signals in the cycles given; they keep what was set."""
    async def drive(ctx: Any) -> None:
        for cycle in range(max(changes) + 1):
            for signal, value in changes.get(cycle, ()):
                ctx.set(signal, value)
            await ctx.tick()

    return drive


def pulse(signal: Any, *cycles: int) -> Driver:
    """High in these cycles alone."""
    return timed({cycle: [(signal, cycle in cycles)] for cycle in range(max(cycles) + 2)})


def offer(stream: Any, payloads: Sequence[Any], *, start: int = 0) -> Driver:
    """One after the other, without a pause, from cycle ``start`` on."""
    async def drive(ctx: Any) -> None:
        for _ in range(start):
            await ctx.tick()
        for payload in payloads:
            await put(ctx, stream, payload)

    return drive


def asked(address: Any, word: Any, contents: Callable[[int], Any]) -> Driver:
    """A memory beside the part: ``contents`` of ``address``, a cycle later on ``word``."""
    async def drive(ctx: Any) -> None:
        while True:
            _, _, at = await ctx.tick().sample(address)
            ctx.set(word, contents(at))

    return drive


def hexadecimal(digits: int) -> Callable[[int], str]:
    """So many digits."""
    return lambda value: f"{value:0{digits}x}"


def name_in(kind: type[IntEnum]) -> Callable[[int], str]:
    """The name that a number has in ``kind``."""
    return lambda value: kind(value).name


def signed_bytes(count: int) -> Callable[[int], str]:
    """So many signed bytes, the one in the low bits first."""
    def text(value: int) -> str:
        data = value.to_bytes(count, "little")
        return " ".join(str(byte - 256 if byte > 127 else byte) for byte in data)

    return text
