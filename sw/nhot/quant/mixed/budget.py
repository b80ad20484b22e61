"""What a choice of formats may cost, as users type it."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, get_args

from nhot.errors import NhotError

__all__ = ["Budget", "Cost", "as_budget", "parse_budget"]

Cost = Literal["terms", "bits", "cycles"]


class Budget(NamedTuple):
    """The most that all layers with weights may cost together.

    ``cost`` is ``terms`` (shifted additions of an inference, each weight taking the most of its
    format), ``bits`` (of all weights, as dense codes) or ``cycles`` (of an engine with serial
    lanes). If ``relative``, ``amount`` is a part of what one format for all layers costs.
    """

    cost: Cost
    amount: float
    relative: bool = False


def parse_budget(text: str) -> Budget:
    """The budget that a text such as ``terms=1.2e6`` or ``bits=60%`` stands for."""
    cost, _, number = text.partition("=")
    relative = number.endswith("%")
    try:
        amount = float(number.removesuffix("%")) / (100 if relative else 1)
    except ValueError:
        amount = math.nan
    return _checked(Budget(cost, amount, relative), text)  # type: ignore[arg-type]


def as_budget(budget: Budget | str) -> Budget:
    """A budget that is one: text is read, numbers are checked."""
    return parse_budget(budget) if isinstance(budget, str) else _checked(budget, str(budget))


def _checked(budget: Budget, text: str) -> Budget:
    positive = math.isfinite(budget.amount) and budget.amount > 0
    if budget.cost not in get_args(Cost) or not positive:
        raise NhotError(
            f"Budget must be {', '.join(get_args(Cost))}, then = and a positive number or "
            f"percentage (terms=1.2e6, bits=60%), not {text!r}"
        )
    return budget
