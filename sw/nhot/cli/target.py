"""The arguments that say which engine is meant."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nhot.compiler import EngineConfig

__all__ = ["add_target_arguments", "engine_config"]


def add_target_arguments(parser: ArgumentParser) -> None:
    """Declare ``--config``."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="sizes of the engine as JSON")


def engine_config(args: Namespace) -> EngineConfig:
    """The sizes of the engine that the arguments name."""
    from nhot.compiler import EngineConfig
    from nhot.errors import NhotError

    try:
        values = json.loads(args.config.read_text(encoding="utf-8"))
    except ValueError as error:
        raise NhotError(f"Configuration {args.config} must be JSON: {error}") from None
    return EngineConfig.from_dict(values)
