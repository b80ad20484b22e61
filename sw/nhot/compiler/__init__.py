"""From an integer network to the memory image of an engine."""

from nhot.compiler.compile import compile_network
from nhot.compiler.image import Image, ImageError
from nhot.compiler.layout import Placement
from nhot.compiler.machine import Machine
from nhot.compiler.meta import LayerMeta, Meta
from nhot.contract.config import EngineConfig

__all__ = [
    "EngineConfig", "Image", "ImageError", "LayerMeta", "Machine", "Meta", "Placement",
    "compile_network",
]
