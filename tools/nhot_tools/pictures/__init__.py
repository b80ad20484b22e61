"""Timing pictures of the engine's parts, each drawn from a simulation of the part itself."""
