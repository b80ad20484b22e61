"""Networks in files of other tools."""

from nhot.export.onnx import to_onnx
from nhot.export.tflite import to_tflite

__all__ = ["to_onnx", "to_tflite"]
