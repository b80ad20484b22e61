"""What a training did, epoch by epoch."""

from __future__ import annotations

from dataclasses import dataclass

from nhot.errors import NhotError

__all__ = ["Epoch", "History", "Place"]


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One pass over the data.

    Parameters
    ----------
    epoch : int
        From 1.
    loss : float
        Mean over all samples, each when its batch was trained on.
    lr : float
        Rate of the last step.
    metric : float, optional
        What ``evaluate`` gave after the epoch, if it was called.
    seconds : float
    """

    epoch: int
    loss: float
    lr: float
    metric: float | None
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a training stopped, as its checkpoint has it."""

    epoch: int
    step: int
    total: float
    seen: int
    seconds: float
    rate: float

    def __post_init__(self) -> None:
        for name in ("epoch", "step", "seen"):
            if getattr(self, name) < 0:
                raise NhotError(f"{name} must be 0 or more, not {getattr(self, name)}")


@dataclass(frozen=True)
class History:
    """All epochs of a training, also those before it was resumed."""

    epochs: tuple[Epoch, ...]

    @property
    def losses(self) -> list[float]:
        """Mean loss of each epoch."""
        return [one.loss for one in self.epochs]

    @property
    def metric(self) -> float | None:
        """What ``evaluate`` gave last."""
        return next((one.metric for one in reversed(self.epochs) if one.metric is not None), None)

    @property
    def seconds(self) -> float:
        """Time that all epochs took."""
        return sum(one.seconds for one in self.epochs)
