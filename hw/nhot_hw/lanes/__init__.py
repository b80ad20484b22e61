"""Dot-product lanes: S inputs times S weights, added up in one accumulator."""

from nhot_hw.lanes.lane import Lane
from nhot_hw.lanes.spec import STYLES, LaneSpec, for_config

__all__ = ["STYLES", "Lane", "LaneSpec", "for_config"]
