"""onnxruntime, to compare with."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nhot.errors import MissingToolError, NhotError
from nhot.network.file import OPTION

__all__ = ["run_onnx"]


def run_onnx(
    path: str, x: ArrayLike, tensors: Iterable[int | str], *,
    channels_last: Container[int | str] = (), reference: bool = True,
) -> dict[int | str, NDArray[Any]]:
    """Those of ``tensors`` that the model in the file ``path`` computes, on ``x`` (samples, ...).

    One sample at a time: ``x`` has the elements of the input in the file's order. What has four
    axes, or three, comes out with the channels last; ``channels_last`` says which of it lies so in
    the file. The ``reference`` is what the standard says, in float between the roundings; else the
    kernels in integers that operators are fused to.

    Raises
    ------
    MissingToolError
        The package onnxruntime is not installed.
    """
    try:
        import onnx
        import onnxruntime
    except ImportError:
        raise MissingToolError(
            "Running .onnx files needs the packages onnx and onnxruntime; "
            "run: pip install 'nhot[test]'"
        ) from None
    try:
        model = onnx.load(path)
        computed = {name for node in model.graph.node for name in node.output}
        outputs = {one.name for one in model.graph.output}
        wanted = sorted({str(name) for name in tensors} & (computed | outputs))
        model.graph.output.extend(
            onnx.ValueInfoProto(name=name) for name in wanted if name not in outputs
        )
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.add_session_config_entry(*OPTION)
        if reference:
            level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
            options.graph_optimization_level = level
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        made = _run(session, np.asarray(x), wanted)
        return {name: array if name in channels_last else _turned(array)
                for name, array in made.items()}
    except NhotError:
        raise
    except Exception as error:  # onnxruntime has many, of no common base
        raise NhotError(f"Model must be one that onnxruntime runs, but: "
                        f"{' '.join(str(error).split())[:200]}") from None


def _run(session: Any, x: NDArray[Any], wanted: list[str]) -> dict[int | str, NDArray[Any]]:
    (source,) = session.get_inputs()
    kind = {"tensor(int8)": np.int8, "tensor(uint8)": np.uint8}.get(source.type, np.float32)
    shape = [1 if not isinstance(size, int) else size for size in source.shape]
    found: dict[str, list[NDArray[Any]]] = {name: [] for name in wanted}
    for sample in x:
        values = sample.reshape(shape).astype(kind)
        for name, array in zip(wanted, session.run(wanted, {source.name: values}), strict=True):
            found[name].append(array)
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _turned(array: NDArray[Any]) -> NDArray[Any]:
    return np.moveaxis(array, 1, -1) if array.ndim in {3, 4} else array
