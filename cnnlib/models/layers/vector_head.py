"""From features to one vector per image."""

from __future__ import annotations

from torch import nn

_GRID = 4
_HIDDEN = 128


class VectorHead(nn.Sequential):
    """Features (B, in, h, w) of any size -> (B, out).

    They are averaged over a grid of 4 x 4 cells, not over the whole picture, so that *where* something is survives;
    two linear layers follow.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.AdaptiveAvgPool2d(_GRID),
            nn.Flatten(),
            nn.Linear(in_channels * _GRID**2, _HIDDEN),
            nn.ReLU(inplace=True),
            nn.Linear(_HIDDEN, out_channels),
        )
