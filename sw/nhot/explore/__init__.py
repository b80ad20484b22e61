"""Sweeps: jobs that are done once, in local processes or on a cluster."""

from nhot.explore.executor import Executor, open_executor, run_all
from nhot.explore.job import Input, Job, Outcome
from nhot.explore.store import Store

__all__ = [
    "Executor", "Input", "Job", "Outcome", "Store", "open_executor", "run_all",
]
