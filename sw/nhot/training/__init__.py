"""Training of any torch model: loop, batches, checkpoints, log, several processes.

``fit(model, data, Settings(...))`` is the whole of it; it knows nothing of quantisation.
"""

import importlib.util

from nhot.errors import MissingToolError

if importlib.util.find_spec("torch") is None:
    raise MissingToolError("Training needs the package torch; run: pip install 'nhot[quant]'")

from nhot.training.augment import CropFlip
from nhot.training.batches import Augment, Batches, TensorData
from nhot.training.environment import repeatable
from nhot.training.history import Epoch, History
from nhot.training.log import read_log
from nhot.training.loop import fit
from nhot.training.losses import CrossEntropy, Distillation, Loss, MeanSquares
from nhot.training.metrics import accuracy, mean_loss, predictions
from nhot.training.settings import Settings

__all__ = [
    "Augment", "Batches", "CropFlip", "CrossEntropy", "Distillation", "Epoch", "History", "Loss",
    "MeanSquares", "Settings", "TensorData", "accuracy", "fit", "mean_loss", "predictions",
    "read_log", "repeatable",
]
