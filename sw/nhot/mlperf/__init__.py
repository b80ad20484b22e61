"""The device's side of the MLPerf Tiny protocol, in front of a board that speaks nhot's own.

What is made with it is compatible with the protocol, and no MLPerf result.

Source: mlcommons/tiny, ``benchmark/api`` (the device's side) and ``benchmark/runner`` (the host's).
"""

from nhot.mlperf.inference import Inference
from nhot.mlperf.lines import Line, Pty, Tcp
from nhot.mlperf.models import MODELS, Model, model_of
from nhot.mlperf.reading import Reading
from nhot.mlperf.serving import serve
from nhot.mlperf.session import Session

__all__ = ["MODELS", "Inference", "Line", "Model", "Pty", "Reading", "Session", "Tcp", "model_of",
           "serve"]
