"""A model at any stage of the road, float or integer, as one that takes real samples."""

from nhot.stages.stage import Stage, Traced
from nhot.stages.stages import BoardStage, FloatStage, ImageStage, NetworkStage

__all__ = ["BoardStage", "FloatStage", "ImageStage", "NetworkStage", "Stage", "Traced"]
