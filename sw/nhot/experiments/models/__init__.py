"""Float networks to start from, by name or from their own modules."""

from nhot.experiments.models.catalogue import CATALOGUE, NAMES, Entry, build, entry

__all__ = ["CATALOGUE", "NAMES", "Entry", "build", "entry"]
