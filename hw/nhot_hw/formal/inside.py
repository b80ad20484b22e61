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
        self._fragment, self._parts = _elaborate(component, platform)
        self._locals = self._parts[type(component)]
        m.submodules.dut = self._fragment

    def __getitem__(self, name: str) -> Value:
        """What ``elaborate`` of the component calls ``name``."""
        return self._locals[name]

    def part(self, kind: type[wiring.Component]) -> dict[str, Any]:
        """The same of the one part of this kind that the component has."""
        return self._parts[kind]

    def state(self, *names: str) -> Value:
        """Whether its state machine is in one of these states."""
        encoding = self._fragment.find_generated("fsm").encoding
        state = self.signal("fsm_state")
        return Cat(state == encoding[name] for name in names).any()

    def signal(self, name: str) -> Signal:
        """The one signal of that name that its statements assign to."""
        found = {
            id(signal): signal for statements in self._fragment.statements.values()
            for signal in statements._lhs_signals() if signal.name == name
        }
        (signal,) = found.values()
        return signal

    def word(self, memory: str, address: Value) -> Signal:
        """What the memory called ``memory`` holds at ``address`` now."""
        instance = self._fragment.find_subfragment(memory)
        assert isinstance(instance, MemoryInstance)
        word = Signal(self._locals[memory].shape)
        instance.read_port(
            domain="comb", addr=address, data=word, en=Const(1), transparent_for=()
        )
        return word


def _elaborate(
    component: wiring.Component, platform: object
) -> tuple[Fragment, dict[type, dict[str, Any]]]:
    """The circuit, and the variables of the functions that made it, by the kinds of its parts."""
    variables: dict[type, dict[str, Any]] = {}

    def look(frame: FrameType, event: str, argument: object) -> None:
        if event == "return" and frame.f_code.co_name == "elaborate":
            part = frame.f_locals.get("self")
            if isinstance(part, wiring.Component):
                variables[type(part)] = dict(frame.f_locals)

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        return Fragment.get(component, platform), variables
    finally:
        sys.setprofile(before)
