"""A network as an int8 model of TensorFlow Lite, for its interpreters and microcontrollers."""

from nhot.export.tflite.convert import Exported, to_tflite

__all__ = ["Exported", "to_tflite"]
