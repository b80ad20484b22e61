"""A residual network for the digits that fits the smallest boards."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["DigitsNet", "digits"]


class DigitsNet(nn.Module):
    """Three convolutions, the last one around a residual sum, and a dense layer.

    Shapes: (batch, 1, 8, 8) -> conv 8 -> pool -> (batch, 8, 4, 4) -> conv 16 -> residual conv 16
    -> mean -> (batch, 16) -> dense -> (batch, 10).
    """

    def __init__(self, width: int = 8):
        super().__init__()
        self.conv1 = _convolution(1, width)
        self.pool = nn.MaxPool2d(2)
        self.conv2 = _convolution(width, 2 * width)
        self.conv3 = _convolution(2 * width, 2 * width)
        self.norm1 = nn.BatchNorm2d(width)
        self.norm2 = nn.BatchNorm2d(2 * width)
        self.norm3 = nn.BatchNorm2d(2 * width)
        self.relu = nn.ReLU()
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dense = nn.Linear(2 * width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.relu(self.norm1(self.conv1(x))))
        x = self.relu(self.norm2(self.conv2(x)))
        x = self.relu(self.norm3(self.conv3(x)) + x)
        result: Tensor = self.dense(self.flatten(self.mean(x)))
        return result


def digits() -> nn.Module:
    """The network of the demo, untrained. (batch, 1, 8, 8) -> (batch, 10)

    3,778 parameters and 60,064 multiply-accumulates; 3936 weights when channels are filled up to
    fours.
    """
    return DigitsNet()


def _convolution(channels: int, filters: int) -> nn.Conv2d:
    return nn.Conv2d(channels, filters, 3, padding=1, bias=False)
