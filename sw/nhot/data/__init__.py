"""Data sets that examples and the demo train on."""

from nhot.data.dataset import Dataset, to_integers
from nhot.data.digits import load_digits

__all__ = ["Dataset", "load_digits", "to_integers"]
