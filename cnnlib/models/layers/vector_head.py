"""From features to one vector per image."""

from __future__ import annotations

from torch import nn


class VectorHead(nn.Sequential):
    """Features (B, in, h, w) of any size -> (B, out): their mean over the picture, then a linear layer.

    Places survive the mean, since the encoder pads with zeros and so knows where the border is. A grid of means with a
    hidden layer was tried: boxes were as good, and labels hardly learned.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(in_channels, out_channels))
