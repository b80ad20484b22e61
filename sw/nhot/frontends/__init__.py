"""Models of other tools, read from their files: every one of them becomes the same graph."""

from nhot.frontends.graph import INPUT, Graph
from nhot.frontends.read import read_graph

__all__ = ["INPUT", "Graph", "read_graph"]
