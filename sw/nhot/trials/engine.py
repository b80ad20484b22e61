"""A network on an engine: whether it fits, and in how many cycles it runs."""

from __future__ import annotations

from dataclasses import dataclass

from nhot.compiler import compile_network
from nhot.contract.config import EngineConfig
from nhot.contract.cycles import program_cycles
from nhot.contract.program import unpack_program
from nhot.errors import NhotError
from nhot.network import Network

__all__ = ["Fitted", "fit_network"]


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What an engine makes of a network.

    Parameters
    ----------
    reason : str
        Why it does not fit, all of it at once; empty where it does.
    cycles : int, optional
        Of an inference, as the engine counts them; None where it does not fit.
    weight_words : int, optional
        Of the weight memory that are used.
    weight_bits : int, optional
        Of memory that these take, weights that fill up steps counted.
    """

    reason: str
    cycles: int | None = None
    weight_words: int | None = None
    weight_bits: int | None = None

    def __post_init__(self) -> None:
        parts = (self.cycles, self.weight_words, self.weight_bits)
        if any((part is None) != bool(self.reason) for part in parts):
            raise NhotError("Engine must have cycles and weights where a network fits, and a "
                            f"reason where not, not {parts} and {self.reason[:60]!r}")

    @property
    def fits(self) -> bool:
        """Whether the engine holds the network."""
        return not self.reason


def fit_network(network: Network, config: EngineConfig) -> Fitted:
    """Compile ``network`` for the engine of ``config``; what it lacks is said, not raised."""
    try:
        image = compile_network(network, config)
    except NhotError as error:
        return Fitted(reason=str(error))
    words = len(image.weights) // config.code_bytes
    return Fitted(
        reason="", cycles=sum(program_cycles(unpack_program(image.program), config)),
        weight_words=words, weight_bits=words * config.weight_word_bits,
    )
