"""Data sets to train on, in the layouts that they are published in."""

from nhot.data.cifar10 import load_cifar10
from nhot.data.dataset import Dataset, to_integers
from nhot.data.digits import load_digits

__all__ = ["Dataset", "load_cifar10", "load_digits", "to_integers"]
