"""A network as standard ONNX alone, for tools that know nothing of nhot."""

from __future__ import annotations

import nhot
from nhot.errors import NhotError
from nhot.network import Network
from nhot.network.qdq import to_graph
from nhot.network.qdq_builder import import_onnx

__all__ = ["PRODUCER", "to_onnx"]

PRODUCER = "nhot export"
"""Files of another producer than ``nhot`` itself are models of another tool, and read as such."""

_IR_VERSIONS = {17: 8, 19: 9, 21: 10}  # the oldest that may carry each opset


def to_onnx(network: Network, *, batch: int | None = None) -> bytes:
    """The bytes of an ONNX file: the graph of the network file, and no more.

    QuantizeLinear and DequantizeLinear around every tensor, 8-bit weights with a scale for each
    filter, 32-bit biases, opset 17 (19 for dilated average pools, 21 for weights beyond 8 bits).
    Without nhot's metadata other tools may change it.

    Parameters
    ----------
    batch : int, optional
        A fixed number of samples, for tools that need one; any number otherwise.
    """
    onnx = import_onnx()
    if batch is not None and batch < 1:
        raise NhotError(f"Batch must be at least 1, not {batch}")
    graph = to_graph(network)
    if batch is not None:
        for value in (*graph.proto.input, *graph.proto.output):
            first = value.type.tensor_type.shape.dim[0]
            first.ClearField("dim_param")
            first.dim_value = batch
    model = onnx.helper.make_model(
        graph.proto, producer_name=PRODUCER, producer_version=nhot.__version__,
        opset_imports=[onnx.helper.make_opsetid("", graph.opset)],
        ir_version=_IR_VERSIONS[graph.opset],
    )
    data: bytes = model.SerializeToString(deterministic=True)
    return data
