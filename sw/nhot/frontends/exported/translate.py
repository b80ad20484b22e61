"""A program of torch.export in the terms of ONNX, which has a reader.

Calls become operators of ONNX one by one, by the functions of :mod:`nhot.frontends.exported.calls`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nhot.errors import NhotError
from nhot.frontends.exported.archive import TYPES, Archive, Argument, Call
from nhot.frontends.onnx.protobuf import File, NodeInfo, ValueInfo
from nhot.frontends.onnx.read import ODD
from nhot.printable import shortened

__all__ = ["Translator", "translate"]

_FAMILIES = ("torch.ops.aten.", "torch.ops.quantized_decomposed.")

_ONNX_TYPES = {7: "FLOAT", 6: "FLOAT16", 8: "DOUBLE", 1: "UINT8", 2: "INT8"}

_CONSTANTS = ("parameter", "buffer", "tensor_constant")
"""Inputs of a program that have their values in its file, and the field with what it calls them."""

_UNSEEN = ("torch.ops.aten._assert_", "torch.ops.aten.sym_", "_operator.", "math.", "torch.sym_")
"""Calls that compute sizes, or look at them: the sizes of tensors are in the file as well."""


def translate(archive: Archive) -> File:
    """The same model as operators of ONNX."""
    return Translator(archive).file()


class Translator:
    """Gathers operators and constants.

    Attributes
    ----------
    call : Call
        That is translated now.
    given : dict
        Its arguments by name: names of tensors, numbers, lists, texts, None.
    """

    def __init__(self, archive: Archive):
        self.graph = archive.program.graph
        self.call = Call(target="", inputs=[], outputs=[])
        self.given: dict[str, Any] = {}
        self._place = 0
        self.nodes: list[NodeInfo] = []
        self.constants: dict[str, NDArray[Any]] = {}
        self._now: dict[str, str] = {}  # what was written in place since
        self._names: dict[str, set[str]] = {}  # of one tensor
        self._views: dict[str, set[str]] = {}  # of tensors whose elements may be the same
        self._last = _last_reads(self.graph.nodes)
        self._input, self._output = self._ends(archive)

    def file(self) -> File:
        """All calls, in order."""
        for place, call in enumerate(self.graph.nodes):
            self.call, self._place = call, place
            if not call.target.startswith(_UNSEEN):
                try:
                    self._translate()
                except NhotError as error:
                    raise NhotError(f"{self._called}: {error}") from None
                except ODD:
                    raise NhotError(f"{self._called}: its arguments must be of the types, and as "
                                    "many, as torch's schema says") from None
        return File(
            nodes=tuple(self.nodes), input=self._value(self._input), constants=self.constants,
            output=self._value(self._output, self._now.get(self._output)), opset=20,
        )

    def _translate(self) -> None:
        from nhot.frontends.exported.calls import CALLS

        call, kind = self.call, self._kind
        plain = kind.removesuffix("_")
        known = next((CALLS[one] for one in (kind, plain) if one in CALLS), None)
        if known is None or not call.target.startswith(_FAMILIES):
            public = ", ".join(one for one in sorted(CALLS) if not one.startswith("_"))
            raise NhotError(f"it must be one of {public}, not {shortened(call.target)}")
        self.given = {one.name: self._argument(one) for one in call.inputs}
        if not self.outputs:
            raise NhotError(f"it must make a tensor, not {shortened(call.outputs)}")
        known(self)
        if kind != plain and kind not in CALLS:
            self._written()

    @property
    def name(self) -> str:
        """What the call is: the module that it is all of, or what it makes."""
        stack = self.call.metadata.get("nn_module_stack", "").rpartition(";")[2].split(",")
        if len(stack) == 3 and stack[2].startswith("torch.nn.modules") and stack[1]:
            return stack[1].replace(".", "/")
        return self.outputs[0] if self.outputs else ""

    @property
    def outputs(self) -> list[str]:
        """The tensors that the call makes."""
        made: list[dict[str, str]] = []
        for one in self.call.outputs:
            made += one.get("as_tensors") or [one.get("as_tensor") or {}]
        return [str(one["name"]) for one in made if "name" in one]

    def sizes(self, name: str) -> tuple[int, ...]:
        """Of a tensor, its batch's 1 where that may vary."""
        meta = self.graph.tensor_values.get(name)
        if meta is None:
            raise NhotError(f"tensor {shortened(name)} must have its sizes in the file")
        batch, *sizes = meta.shape or (1,)
        if min(sizes, default=0) < 0:
            raise NhotError(f"tensor {shortened(name)} must have fixed sizes but for its batch's, "
                            f"not {shortened(meta.shape)} (-1 is not fixed)")
        return (max(batch, 1), *sizes)[: len(meta.shape)]

    def get(self, name: str, default: Any = None) -> Any:
        """An argument, or what it is where it is not given."""
        value = self.given.get(name)
        return default if value is None else value

    def constant(self, values: Any, kind: Any = np.float32) -> str:
        """A new constant; its name."""
        name = f"{self.outputs[0]}/constant_{len(self.constants)}"
        self.constants[name] = np.asarray(values, kind)
        return name

    def emit(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """An operator of ONNX that makes the call's first output, or another; what it makes."""
        made = output or self.outputs[0]
        self.nodes.append(NodeInfo(kind=kind, name=self.name, inputs=inputs, outputs=(made,),
                                   attributes=attributes))
        return made

    def share(self, *, whole: bool = False) -> None:
        """Note that the output may be a view of the first operand; the very tensor if ``whole``."""
        _join(self._views, self._first, self.outputs[0])
        if whole:
            _join(self._names, self._first, self.outputs[0])

    def _written(self) -> None:
        """From here on the tensor that is written, by all its names, is what the call made."""
        made = self.outputs[0]
        self.share(whole=True)
        names = self._names[made]
        others = self._views[made] - names
        read = [name for name in others if self._last.get(name, 0) > self._place]
        if read or self._output in others:
            raise NhotError(f"it must not write in place on what is read as "
                            f"{shortened(min(read, default=self._output))} later: export with "
                            "run_decompositions()")
        self._now.update(dict.fromkeys(names, made))

    @property
    def _first(self) -> str:
        """What the program calls the first operand."""
        return str(self.call.inputs[0].arg["as_tensor"]["name"])

    def _argument(self, one: Argument) -> Any:
        (kind, value), *_ = [*one.arg.items()] or [("as_none", None)]
        match kind:
            case "as_none" | "as_device" | "as_memory_format" | "as_layout":
                return None
            case "as_tensor":
                return self._current(value)
            case "as_tensors":
                return [self._current(tensor) for tensor in value]
            case "as_int" | "as_bool" | "as_float" | "as_string" | "as_scalar_type":
                return value
            case "as_ints" | "as_floats":
                return list(value)
            case "as_sym_int" | "as_sym_ints":
                return None  # sizes: those of the output say what they come to
        raise NhotError(f"argument {shortened(one.name)} must be a tensor, a number, numbers or "
                        f"text, not {shortened(kind)}")

    def _current(self, tensor: Any) -> str:
        name = str(tensor["name"])
        return self._now.get(name, name)

    @property
    def _called(self) -> str:
        return f"Operator {shortened(self.name)} ({shortened(self._kind)[1:-1]})"

    @property
    def _kind(self) -> str:
        return self.call.target.removeprefix("torch.ops.").partition(".")[2].partition(".")[0]

    def _value(self, name: str, made: str | None = None) -> ValueInfo:
        meta = self.graph.tensor_values.get(name)
        if meta is None:
            raise NhotError(f"Tensor {shortened(name)} must have its sizes in the file")
        kind = _ONNX_TYPES.get(meta.dtype, str(TYPES.get(meta.dtype, "another type")))
        return ValueInfo(name=made or name, shape=meta.shape, type=kind)

    def _ends(self, archive: Archive) -> tuple[str, str]:
        """The input and the output, of which there must be one each; constants are gathered."""
        signature = archive.program.signature
        inputs = []
        for spec in signature.input_specs:
            (kind, value), *_ = spec.items()
            if kind in _CONSTANTS:
                called = value.get(f"{kind}_name", "")
                if called in archive.tensors:
                    self.constants[str(value["arg"]["name"])] = archive.tensors[called]
            elif kind == "user_input":
                inputs.append(value["arg"])
        outputs = [spec["user_output"]["arg"] for spec in signature.output_specs
                   if "user_output" in spec]
        return _one_tensor("input", inputs), _one_tensor("output", outputs)


def _one_tensor(what: str, ends: list[dict[str, Any]]) -> str:
    if len(ends) != 1 or "as_tensor" not in ends[0]:
        raise NhotError(f"Model must have one {what}, a tensor, not {len(ends)}")
    return str(ends[0]["as_tensor"]["name"])


def _join(groups: dict[str, set[str]], *names: str) -> None:
    """Make one group of those of all ``names``."""
    whole = set(names).union(*(groups.get(name, ()) for name in names))
    groups.update(dict.fromkeys(whole, whole))


def _last_reads(calls: list[Call]) -> dict[str, int]:
    """The place of the last call that reads a tensor."""
    last = {}
    for place, call in enumerate(calls):
        for one in call.inputs:
            for tensor in [one.arg.get("as_tensor"), *(one.arg.get("as_tensors") or [])]:
                if isinstance(tensor, dict):
                    last[str(tensor.get("name"))] = place
    return last
