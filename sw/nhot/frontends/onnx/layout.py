"""How the elements of maps lie in an ONNX file: channels first, or last as TensorFlow has them."""

from __future__ import annotations

from nhot.frontends.conventions import as_map
from nhot.frontends.onnx.protobuf import File
from nhot.network.tensor import Shape

__all__ = ["TO_FIRST", "TO_LAST", "Dims", "lies_as", "rows_of", "turned_at_once"]

Dims = tuple[int, ...]
"""Of a tensor, without the batch."""

TO_FIRST, TO_LAST = ([0, 3, 1, 2], [0, 2, 1]), ([0, 2, 3, 1], [0, 2, 1])
"""Orders of axes, the batch's first, that lead to channels first, and to channels last."""

_EACH = ("QuantizeLinear", "DequantizeLinear", "Quant", "IntQuant", "Identity", "Cast", "Add",
         "Sub", "Mul", "Div")
"""Of each element by itself, as the input may be prepared before it is transposed."""


def lies_as(dims: Dims, shape: Shape, *, last: bool = False) -> bool:
    """Whether a tensor of sizes ``dims`` is the map ``shape``, not flattened."""
    return len(dims) in {1, 2, 3} and as_map(dims, channels_first=not last) == shape


def rows_of(axes: int, *, last: bool) -> list[int]:
    """The axes of height and width, behind the batch, of a sample with so many."""
    return list(range(1, axes) if last else range(2, axes + 1))


def turned_at_once(file: File) -> bool:
    """Whether the input is transposed to channels first before it matters how it lies.

    Of one channel it may be reshaped instead.
    """
    name, (_, *sizes) = file.input.name, file.input.shape or (0,)
    for node in file.nodes:
        if name not in node.inputs or node.kind == "Shape":
            continue
        if node.kind == "Reshape" and sizes[-1:] == [1] and len(node.inputs) > 1:
            made = file.constants.get(node.inputs[1])
            return made is not None and made.reshape(-1).tolist()[1:] == [1, *sizes[:-1]]
        if node.kind not in _EACH or not node.outputs:
            return node.attributes.get("perm") in TO_FIRST
        name = node.outputs[0]
    return False
