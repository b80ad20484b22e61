"""An engine for designs that have a bus: registers, a job, streams, and two buses in front."""

from nhot_hw.buses.adapter import BusAdapter, check_buffer
from nhot_hw.buses.top import BUSES, Bus, EngineOnBus

__all__ = ["BUSES", "Bus", "BusAdapter", "EngineOnBus", "check_buffer"]
