"""Training of quantised models in torch: from a float module to an integer network."""

import importlib.util

from nhot.errors import MissingToolError

if importlib.util.find_spec("torch") is None:
    raise MissingToolError("Training needs the package torch; run: pip install 'nhot[quant]'")

from nhot.quant.model import QuantModel
from nhot.quant.quantize import quantize
from nhot.quant.tracing import SUPPORTED

__all__ = ["SUPPORTED", "QuantModel", "quantize"]
