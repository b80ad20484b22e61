"""One model in one format on one engine: rounded, measured on data, and compiled.

Each step is a function of files and plain values, and gives a frozen dataclass that is written as
JSON: what compares formats or sweeps engines is made of them.
"""

from nhot.trials.engine import Fitted, fit_network
from nhot.trials.original import Original
from nhot.trials.record import read_result, write_result
from nhot.trials.rounding import Rounded, Rounding, round_model
from nhot.trials.samples import DataSpec, TrialData, open_data
from nhot.trials.score import Scored, score_network, score_original

__all__ = [
    "DataSpec", "Fitted", "Original", "Rounded", "Rounding", "Scored", "TrialData", "fit_network",
    "open_data", "read_result", "round_model", "score_network", "score_original", "write_result",
]
