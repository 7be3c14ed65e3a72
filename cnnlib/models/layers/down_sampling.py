"""Half the height and width, more channels."""

from __future__ import annotations

from torch import nn


class DownSampling(nn.Sequential):
    """3 x 3 convolution of stride 2, batch normalisation, ReLU: (B, in, H, W) -> (B, out, H / 2, W / 2), rounded up."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )
