"""A model rounded to a format, without training, as a network file."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nhot.errors import NhotError
from nhot.formats import Binary, SignedBinary, parse
from nhot.network import Filters
from nhot.network.counts import Counts, count
from nhot.network.file import save
from nhot.network.network import Network
from nhot.network.requant import check_requant_terms
from nhot.network.tensor import check_activation_bits

if TYPE_CHECKING:
    from nhot.trials.original import Original
    from nhot.trials.trial_data import TrialData

__all__ = ["Rounded", "Rounding", "round_model"]


@dataclass(frozen=True, kw_only=True)
class Rounding:
    """How weights and activations are rounded.

    Parameters
    ----------
    format : str
        Of the weights, as :func:`nhot.formats.parse` reads it.
    bits : int
        Of activations.
    requant_terms : int
        Most signed powers of two of a multiplier that requantises: 1, 2 or 4.
    adaptive : bool
        Whether levels are chosen by what a layer computes, which takes minutes.
    seed : int
        Of adaptive rounding.
    """

    format: str
    bits: int = 8
    requant_terms: int = 4
    adaptive: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        parse(self.format)
        check_activation_bits(self.bits)
        check_requant_terms(self.requant_terms)


@dataclass(frozen=True, kw_only=True)
class Rounded:
    """A network file, and what its weights come to.

    Parameters
    ----------
    network : str
        Its name.
    format : str
    sha256 : str
        Of the file. 64 hex digits
    counts : Counts
        Weights, bits, terms and multiply-accumulates of an inference.
    untrained : bool
        Whether weights are of a kind that rounding without training destroys.
    """

    network: str
    format: str
    sha256: str
    counts: Counts
    untrained: bool

    def __post_init__(self) -> None:
        for name, value in vars(self.counts).items():
            least = 1 if name in {"weights", "macs"} else 0
            if value < least:
                raise NhotError(f"Number of {name} must be {least} or more, not {value}")

    @classmethod
    def of(cls, network: Network, path: str | os.PathLike[str], format: str) -> Rounded:
        """What there is to say of ``network`` in the file ``path``, rounded to ``format``."""
        formats = [node.format for node in network.nodes if isinstance(node, Filters)]
        return cls(
            network=network.name, format=format, counts=count(network),
            sha256=hashlib.sha256(Path(path).read_bytes()).hexdigest(),
            untrained=any(isinstance(one, Binary | SignedBinary) for one in formats),
        )


def round_model(
    original: Original, rounding: Rounding, data: TrialData | None,
    path: str | os.PathLike[str], *, module: Any = None,
) -> Rounded:
    """Quantise a model as ``nhot quantize`` does without training, and write the network to a file.

    Parameters
    ----------
    data : TrialData, optional
        That ranges and biases are taken from; None of a file that has ranges of its own.
    path : path
        Of the network, ``.onnx``; it is there whole or not at all.
    module : nn.Module, optional
        The model, where it has been built already.

    Raises
    ------
    NhotError
        The model cannot be read, or not be quantised.
    """
    from nhot.quant import post_train, quantize, to_network
    from nhot.quant.quantize import stand_in

    model = original.module() if module is None else module
    samples = None if data is None else data.x
    quantized = quantize(
        model, rounding.format, samples, bits=rounding.bits, requant_terms=rounding.requant_terms,
        input_range=None if data is None else data.input_range,
    )
    post_train(
        quantized, model, stand_in(model) if samples is None else samples,
        adaptive=rounding.adaptive and data is not None, corrected=data is not None,
        seed=rounding.seed, labels=None if data is None else data.y,
    )
    network = to_network(quantized, f"{original.name}-{rounding.format}")
    save(network, path)
    return Rounded.of(network, path, rounding.format)
