"""ONNX: float, quantised by QuantizeLinear and DequantizeLinear, and QONNX."""
