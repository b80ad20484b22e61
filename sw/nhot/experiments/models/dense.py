"""Networks of dense layers alone. Inputs are (batch, features) or (batch, features, 1, 1)."""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise

from torch import nn

from nhot.experiments.models.blocks import initialise

__all__ = ["autoencoder", "jet_mlp"]


def autoencoder(features: int = 640, *, width: int = 128, code: int = 8) -> nn.Module:
    """The anomaly detector of MLPerf Tiny. (batch, features) -> (batch, features)

    Learns to give its input back through a layer of ``code`` features; the error on a recording is
    how strange that is. 266,896 parameters and 264,192 multiply-accumulates. Unlike the
    benchmark's model, layers before a normalisation have no bias.

    Source: Banbury et al., "MLPerf Tiny Benchmark", arXiv 2106.07597.
    """
    sizes = [features, *[width] * 4, code, *[width] * 4]
    layers: dict[str, nn.Module] = {"flatten": nn.Flatten()}
    for index, (before, after) in enumerate(pairwise(sizes)):
        layers[f"dense{index}"] = nn.Linear(before, after, bias=False)
        layers[f"norm{index}"] = nn.BatchNorm1d(after)
        layers[f"relu{index}"] = nn.ReLU()
    layers["output"] = nn.Linear(width, features)
    return initialise(nn.Sequential(OrderedDict(layers)))


def jet_mlp(classes: int = 5, *, features: int = 16) -> nn.Module:
    """The jet tagger of hls4ml. (batch, features) -> (batch, classes)

    Layers of 64, 32 and 32; 4,389 parameters and 4,256 multiply-accumulates.

    Source: Duarte et al., "Fast inference of deep neural networks in FPGAs for particle physics",
    arXiv 1804.06913.
    """
    layers: dict[str, nn.Module] = {"flatten": nn.Flatten()}
    for index, (before, after) in enumerate(pairwise([features, 64, 32, 32])):
        layers[f"dense{index}"] = nn.Linear(before, after)
        layers[f"relu{index}"] = nn.ReLU()
    layers["output"] = nn.Linear(32, classes)
    return initialise(nn.Sequential(OrderedDict(layers)))
