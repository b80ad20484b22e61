"""Dot-product lanes: S inputs times S weights, added up in one accumulator."""

from nhot_hw.lanes.lane import Lane
from nhot_hw.lanes.spec import LaneSpec, for_config

__all__ = ["Lane", "LaneSpec", "for_config"]
