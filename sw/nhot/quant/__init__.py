"""Training of quantised models in torch: from a float module to an integer network.

``quantize`` a float model, ``finetune`` it, and ``to_network`` what came out of it.
"""

import importlib.util

from nhot.errors import MissingToolError

if importlib.util.find_spec("torch") is None:
    raise MissingToolError("Training needs the package torch; run: pip install 'nhot[quant]'")

from nhot.quant.loading import load_data, load_model
from nhot.quant.mixed import Budget, Choice, choose_formats, parse_budget
from nhot.quant.model import QuantModel, to_network
from nhot.quant.post_training import (
    adapt_rounding,
    correct_bias,
    fit_ranges,
    post_train,
    quantize_post_training,
)
from nhot.quant.quantize import quantize
from nhot.quant.recipes import RECIPES, Recipe, RecipeResult, Stage, recipe, run_recipe
from nhot.quant.tracing.supported import SUPPORTED
from nhot.quant.training import accuracy, finetune, fit, stages
from nhot.quant.weights import WeightSpec

__all__ = [
    "RECIPES", "SUPPORTED", "Budget", "Choice", "QuantModel", "Recipe", "RecipeResult", "Stage",
    "WeightSpec", "accuracy", "adapt_rounding", "choose_formats", "correct_bias",
    "finetune", "fit", "fit_ranges", "load_data", "load_model", "parse_budget", "post_train",
    "quantize", "quantize_post_training", "recipe", "run_recipe", "stages", "to_network",
]
