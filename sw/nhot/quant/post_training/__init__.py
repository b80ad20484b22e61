"""From a trained float model to n-hot without training: a few hundred samples, no labels.

:func:`quantize_post_training` is the whole of it: round, choose ranges, adapt the rounding, correct
the biases.
"""

from nhot.quant.post_training.bias import correct_bias
from nhot.quant.post_training.drop import noise_ratio, warn_untrained
from nhot.quant.post_training.pipeline import post_train, quantize_post_training
from nhot.quant.post_training.ranges import fit_ranges
from nhot.quant.post_training.rounding import adapt_rounding

__all__ = [
    "adapt_rounding", "correct_bias", "fit_ranges", "noise_ratio", "post_train",
    "quantize_post_training", "warn_untrained",
]
