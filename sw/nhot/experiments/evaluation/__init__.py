"""How good a model is on data, whatever computes its outputs."""

from nhot.experiments.evaluation.measure import (
    TASKS,
    Evaluation,
    evaluate,
    some_samples,
    task_of,
)
from nhot.experiments.evaluation.roc import area, partial_area

__all__ = ["TASKS", "Evaluation", "area", "evaluate", "partial_area", "some_samples",
           "task_of"]
