"""Sweeps: formats, engines and boards for a model, by jobs that are done once wherever they run."""

from nhot.explore.executor import Executor, open_executor, run_all
from nhot.explore.job import Input, Job, Outcome
from nhot.explore.point import Point
from nhot.explore.space import Candidate, Space
from nhot.explore.store import Store
from nhot.explore.sweep import Found, Sweep

__all__ = [
    "Candidate", "Executor", "Found", "Input", "Job", "Outcome", "Point", "Space", "Store",
    "Sweep", "open_executor", "run_all",
]
