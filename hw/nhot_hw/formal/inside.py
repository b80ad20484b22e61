"""Signals and memory words inside of a component: what an induction has to know of its state."""

import sys
from types import FrameType
from typing import Any

from amaranth.hdl import Cat, Const, Fragment, MemoryInstance, Module, Signal, Value
from amaranth.lib import wiring

__all__ = ["Inside"]


class Inside:
    """A component, elaborated, as the submodule ``dut`` of a specification.

    Assertions about what is inside are part of a proof like those about ports. They are there
    because without them induction would begin at states that are never reached.
    """

    def __init__(self, m: Module, component: wiring.Component, platform: object):
        self._fragment, self._locals = _elaborate(component, platform)
        m.submodules.dut = self._fragment

    def __getitem__(self, name: str) -> Value:
        """What ``elaborate`` of the component calls ``name``."""
        return self._locals[name]

    def state(self, *names: str) -> Value:
        """Whether its state machine is in one of these states."""
        encoding = self._fragment.find_generated("fsm").encoding
        state = next(
            signal for statements in self._fragment.statements.values()
            for signal in statements._lhs_signals() if signal.name == "fsm_state"
        )
        return Cat(state == encoding[name] for name in names).any()

    def word(self, memory: str, address: Value) -> Signal:
        """What the memory called ``memory`` holds at ``address`` now."""
        instance = self._fragment.find_subfragment(memory)
        assert isinstance(instance, MemoryInstance)
        word = Signal(self._locals[memory].shape)
        instance.read_port(
            domain="comb", addr=address, data=word, en=Const(1), transparent_for=()
        )
        return word


def _elaborate(component: wiring.Component, platform: object) -> tuple[Fragment, dict[str, Any]]:
    """The circuit, and the variables of the function that made it."""
    variables: dict[str, Any] = {}
    code = type(component).elaborate.__code__

    def look(frame: FrameType, event: str, argument: object) -> None:
        if event == "return" and frame.f_code is code:
            variables.update(frame.f_locals)

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        return Fragment.get(component, platform), variables
    finally:
        sys.setprofile(before)
