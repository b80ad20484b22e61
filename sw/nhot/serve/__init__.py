"""A page on this machine that shows a live board: samples go in, answers and counters come out."""

from nhot.serve.server import Server
from nhot.serve.session import Busy, Table

__all__ = ["Busy", "Server", "Table"]
