"""Cores as products: a folder that drops into a design of someone else's."""

from nhot_hw.core.array import ArrayProduct
from nhot_hw.core.bus import BusProduct
from nhot_hw.core.engine import EngineProduct
from nhot_hw.core.lane import LaneProduct
from nhot_hw.core.product import Product

__all__ = ["ArrayProduct", "BusProduct", "EngineProduct", "LaneProduct", "Product"]
