"""CenterNet: objects as the points at their centres, in maps of a quarter of the image's size.

Source: Zhou et al., "Objects as Points", arXiv 1904.07850. ``network`` and ``loss`` are torch;
``targets`` and ``decode`` are numpy alone, so that a host of a board needs no more. ``maps`` has
the conventions that these four share.
"""

from nhot.experiments.models.centernet.decode import decode
from nhot.experiments.models.centernet.targets import targets

__all__ = ["decode", "targets"]
