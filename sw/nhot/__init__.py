"""Multiplier-free neural networks on small FPGAs.

The steps from a torch module to a board are here by name. Each is imported when it is first used,
so that ``import nhot`` loads neither torch nor numpy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nhot.compiler import EngineConfig, Image, compile_network
    from nhot.compiler.targets import target
    from nhot.device import Board
    from nhot.errors import NhotError
    from nhot.experiments.data import load_digits, to_integers
    from nhot.experiments.models.digits import digits
    from nhot.frontends.module import import_model
    from nhot.network import Network
    from nhot.network.file import load as load_network
    from nhot.network.file import save as save_network
    from nhot.network.reference import run
    from nhot.quant import accuracy, finetune, fit, to_network
    from nhot.quant.quantize import quantize

__all__ = [
    "Board", "EngineConfig", "Image", "Network", "NhotError", "accuracy", "compile_network",
    "digits", "finetune", "fit", "import_model", "load_digits", "load_network", "quantize", "run",
    "save_network", "target", "to_integers", "to_network",
]

__version__ = "0.1.0"

_HOMES = {
    "Board": "nhot.device:Board",
    "EngineConfig": "nhot.compiler:EngineConfig",
    "Image": "nhot.compiler:Image",
    "Network": "nhot.network:Network",
    "NhotError": "nhot.errors:NhotError",
    "accuracy": "nhot.quant:accuracy",
    "compile_network": "nhot.compiler:compile_network",
    "digits": "nhot.experiments.models.digits:digits",
    "finetune": "nhot.quant:finetune",
    "fit": "nhot.quant:fit",
    "import_model": "nhot.frontends.module:import_model",
    "load_digits": "nhot.experiments.data:load_digits",
    "load_network": "nhot.network.file:load",
    "quantize": "nhot.quant.quantize:quantize",
    "run": "nhot.network.reference:run",
    "save_network": "nhot.network.file:save",
    "target": "nhot.compiler.targets:target",
    "to_integers": "nhot.experiments.data:to_integers",
    "to_network": "nhot.quant:to_network",
}


def __getattr__(name: str) -> Any:
    """Import what :data:`__all__` names from where it lives."""
    if name not in _HOMES:
        raise AttributeError(f"module 'nhot' has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
