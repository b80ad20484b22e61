"""How a network takes the samples of a host, and what the host is told of its outputs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nhot.errors import NhotError
from nhot.experiments.data.dataset import to_integers
from nhot.formats.format import Ints
from nhot.mlperf.models import Model, Reals, Vector, model_of
from nhot.network import Network
from nhot.stages.stage import real

__all__ = ["Reading", "Sample"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """What inferences are made of.

    Parameters
    ----------
    values : (height, width, channels) float64
        Real numbers that the host meant.
    integers : (height, width, channels)
        The same as the network takes them.
    """

    values: Reals
    integers: Ints


class Reading:
    """A network as one of the benchmark's models.

    Parameters
    ----------
    network : Network
        The shape of its input says which model it is.
    limits : (low, high), optional
        What the least and the greatest byte of a sample are in the network, where the model's own
        reading of it is not meant.

    Attributes
    ----------
    model : Model

    Raises
    ------
    NhotError
        The network is for none of the models, or it cannot be told what bytes are in it.
    """

    def __init__(self, network: Network, limits: tuple[float, float] | None = None) -> None:
        self.model: Model = model_of(network.input, network.output)
        self._network = network
        if limits is not None:
            self._check(*limits)
        self._limits = limits or self.model.limits(network.input)

    def _check(self, low: float, high: float) -> None:
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise NhotError("Input range must be two numbers, the lower one first, "
                            f"not {low:g} and {high:g}")
        if isinstance(self.model, Vector):
            raise NhotError(f"Input range must not be given for {self.model.task}, whose samples "
                            "are numbers of single precision")

    def sample(self, data: bytes) -> Sample:
        """A sample from its bytes on the line."""
        if len(data) != self.model.size:
            raise NhotError(f"Sample must have {self.model.size} bytes, not {len(data)}")
        values = self.model.sample(data, self._limits)
        integers = to_integers(self._network.input, values.transpose(2, 0, 1)[None])
        return Sample(values=values, integers=integers[0])

    def scores(self, sample: Sample, output: Ints) -> list[float]:
        """What the host is told of an output (height, width, channels) of the network."""
        return self.model.scores(sample.values, real(self._network.output, output).ravel())
