"""TensorFlow Lite's own interpreter, to compare with."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nhot.errors import MissingToolError, NhotError

__all__ = ["run_tflite"]


def run_tflite(
    data: bytes, x: ArrayLike, *, reference: bool = True
) -> dict[int | str, NDArray[Any]]:
    """Every activation of the model in ``data`` by its index in the file, on ``x`` (samples, ...).

    One sample at a time: ``x`` has the elements of the input in the file's order and its type, and
    so have the tensors. The interpreter has kernels that are written to be read, the ``reference``,
    and fast ones, which round otherwise.

    Raises
    ------
    MissingToolError
        The package ai-edge-litert is not installed.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
    except ImportError:
        raise MissingToolError(
            "Running .tflite files needs the package ai-edge-litert; run: pip install 'nhot[test]'"
        ) from None
    try:
        kernels = OpResolverType.BUILTIN_REF if reference else OpResolverType.BUILTIN
        with warnings.catch_warnings(action="ignore"):  # of the memory for all tensors
            interpreter = Interpreter(
                model_content=data, experimental_preserve_all_tensors=True,
                experimental_op_resolver_type=kernels,
            )
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise NhotError(f"Model must be one that TensorFlow Lite runs, but: "
                        f"{' '.join(str(error).split())}") from None
    (source,), samples = interpreter.get_input_details(), np.asarray(x)
    made = [
        int(index) for one in interpreter._get_ops_details() if one["op_name"] != "DELEGATE"
        for index in one["outputs"]
    ]
    found: dict[int | str, list[NDArray[Any]]] = {index: [] for index in (source["index"], *made)}
    for sample in samples:
        interpreter.set_tensor(
            source["index"], sample.astype(source["dtype"]).reshape(source["shape"])
        )
        interpreter.invoke()
        for index, parts in found.items():
            parts.append(np.array(interpreter.get_tensor(index)).reshape(-1))
    return {index: np.stack(parts) for index, parts in found.items()}
