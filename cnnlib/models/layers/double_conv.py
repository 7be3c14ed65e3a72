"""Two convolutions, the basic step of U-Net."""

from __future__ import annotations

from torch import Tensor, nn


class DoubleConv(nn.Module):
    """Twice: 3 x 3 convolution with bias, batch normalisation, ReLU. (B, in, H, W) -> (B, out, H, W).

    The biases before the normalisation have no effect on what can be learned; the journal's net has them.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)
