"""A format for each layer: the least harm within a budget.

:func:`choose_formats` measures what each layer suffers and costs in each format, and solves.
"""

from nhot.quant.mixed.budget import Budget, parse_budget
from nhot.quant.mixed.choose import Choice, Option, choose_formats

__all__ = ["Budget", "Choice", "Option", "choose_formats", "parse_budget"]
