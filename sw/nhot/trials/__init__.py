"""One model in one format on one engine: rounded, measured on data, and compiled.

Each step is a function of files and plain values, and gives a frozen dataclass that is written as
JSON: what compares formats or sweeps engines is made of them.
"""

from nhot.trials.fit import Fitted, fit_network
from nhot.trials.json_results import read_result, write_result
from nhot.trials.original import Original
from nhot.trials.rounded import Rounded, Rounding, round_model
from nhot.trials.score import Scored, score_network, score_original
from nhot.trials.trial_data import DataSpec, TrialData, open_data

__all__ = [
    "DataSpec", "Fitted", "Original", "Rounded", "Rounding", "Scored", "TrialData", "fit_network",
    "open_data", "read_result", "round_model", "score_network", "score_original", "write_result",
]
