"""Multiplier-free neural networks on small FPGAs."""

__version__ = "0.1.0"
