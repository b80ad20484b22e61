"""The jobs of a sweep that need no gateware; each is named in the entry points of ``GROUP``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nhot.errors import NhotError

if TYPE_CHECKING:
    from nhot.trials import DataSpec, Original, TrialData

__all__ = ["NETWORK", "engine", "network", "original"]

NETWORK = "network.onnx"
"""The file of a rounded network in the folder of its job."""


def original(parameters: dict[str, Any], inputs: dict[str, str], folder: Path) -> dict[str, Any]:
    """The measure of the model that was brought."""
    from nhot.trials import score_original

    model = _original(parameters, inputs)
    return asdict(score_original(model, _data(parameters, inputs, model)))


def network(parameters: dict[str, Any], inputs: dict[str, str], folder: Path) -> dict[str, Any]:
    """The model rounded to a format, and its measure."""
    from nhot.network.file import load
    from nhot.trials import Rounding, round_model, score_network

    model = _original(parameters, inputs)
    data = _data(parameters, inputs, model)
    path = folder / NETWORK
    rounded = round_model(model, Rounding(**parameters["rounding"]), data, path)
    return {"rounded": asdict(rounded), "scored": asdict(score_network(load(path), data))}


def engine(parameters: dict[str, Any], inputs: dict[str, str], folder: Path) -> dict[str, Any]:
    """The least widths and depths of an array that hold a network, and its cycles there."""
    from nhot.compiler.fit import fit
    from nhot.contract.config import EngineConfig
    from nhot.network.file import load
    from nhot.trials import fit_network

    loaded = load(inputs["network"])
    config = fit(loaded, EngineConfig(**parameters["config"]))
    fitted = fit_network(loaded, config)
    if not fitted.fits:
        raise NhotError(fitted.reason)
    return {"config": asdict(config), "cycles": fitted.cycles}


def _original(parameters: dict[str, Any], inputs: dict[str, str]) -> Original:
    from nhot.trials import Original

    return Original(model=inputs["model"], weights=inputs.get("weights"), **parameters["model"])


def _data(parameters: dict[str, Any], inputs: dict[str, str], model: Original) -> TrialData:
    from nhot.trials import open_data

    size = model.stage().size if model.is_foreign else model.size
    return open_data(_spec(parameters, inputs), size)


def _spec(parameters: dict[str, Any], inputs: dict[str, str]) -> DataSpec:
    from nhot.trials import DataSpec

    values = dict(parameters["data"])
    size = values.pop("size")
    return DataSpec(data=inputs["data"], test=inputs.get("test"),
                    size=None if size is None else (size[0], size[1]), **values)
