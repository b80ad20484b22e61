"""A network on an engine: whether it fits, and in how many cycles it runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from nhot.compiler import compile_network
from nhot.compiler.survey import survey
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
    lacks : dict
        Where it does not fit: by name of each size of the engine that is too small, what it would
        have to be. Empty where no size helps: lanes have no such weights, or there is no such
        operator.
    """

    reason: str
    cycles: int | None = None
    weight_words: int | None = None
    weight_bits: int | None = None
    lacks: dict[str, int] = field(default_factory=dict)

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
        return Fitted(reason=str(error), lacks=_lacks(network, config))
    words = len(image.weights) // config.code_bytes
    return Fitted(
        reason="", cycles=sum(program_cycles(unpack_program(image.program), config)),
        weight_words=words, weight_bits=words * config.weight_word_bits,
    )


def _lacks(network: Network, config: EngineConfig) -> dict[str, int]:
    """The sizes that would be enough; none where sizes alone are not."""
    try:
        demands = [one for one in survey(network, config).demands if one.exceeds(config)]
    except NhotError:
        return {}
    if any(one.hopeless for one in demands):
        return {}
    sizes = dict.fromkeys(one.size for one in demands)
    return {size: max(one.least for one in demands if one.size == size) for size in sizes}
