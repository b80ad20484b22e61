"""A study of a user's own model on a user's own data: formats side by side, without training.

A trial is one format: a network file and a small JSON file beside it. Tables, pictures and pages
are made of trials and of the engines that come with boards.
"""

from nhot.experiments.studies.own.candidates import Engine, Place, board_engines, place
from nhot.experiments.studies.own.figures import Line, original_line, trial_line
from nhot.experiments.studies.own.folder import OwnFolder
from nhot.experiments.studies.own.running import run_study
from nhot.experiments.studies.own.subject import OwnStudy, format_names

__all__ = [
    "Engine", "Line", "OwnFolder", "OwnStudy", "Place", "board_engines", "format_names",
    "original_line", "place", "run_study", "trial_line",
]
