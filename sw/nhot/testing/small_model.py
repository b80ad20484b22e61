"""A small model as users write theirs, for pictures of 4 x 4."""

from __future__ import annotations

__all__ = ["MODEL"]

#: A file of Python: a model of any width, and one that cannot be quantised.
MODEL = """
import torch
from torch import nn

def build(width="4"):
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(1, int(width), 3), nn.ReLU(), nn.Flatten(),
                         nn.Linear(4 * int(width), 2))

def widest():
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 2), nn.Softmax(1))
"""
