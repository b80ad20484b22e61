"""Training of any torch model: loop, batches, checkpoints, log, several processes.

``fit(model, data, Settings(...))`` is the whole of it; it knows nothing of quantisation.
"""

import importlib.util

from nhot.errors import MissingToolError

if importlib.util.find_spec("torch") is None:
    raise MissingToolError("Training needs the package torch; run: pip install 'nhot[quant]'")

from nhot.experiments.training.augment import CropFlip
from nhot.experiments.training.batches import Augment, Batches, TensorData
from nhot.experiments.training.environment import repeatable
from nhot.experiments.training.history import Epoch, History
from nhot.experiments.training.log import read_log
from nhot.experiments.training.loop import fit
from nhot.experiments.training.losses import CrossEntropy, Distillation, Loss, MeanSquares
from nhot.experiments.training.metrics import accuracy, mean_loss, predictions
from nhot.experiments.training.settings import Settings

__all__ = [
    "Augment", "Batches", "CropFlip", "CrossEntropy", "Distillation", "Epoch", "History", "Loss",
    "MeanSquares", "Settings", "TensorData", "accuracy", "fit", "mean_loss", "predictions",
    "read_log", "repeatable",
]
