"""Models of other tools, read from their files: every one of them becomes the same graph."""

from nhot.frontends.dispatch import read_graph
from nhot.frontends.graph import INPUT, Graph

__all__ = ["INPUT", "Graph", "read_graph"]
