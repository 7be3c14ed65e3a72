"""One level of the encoder."""

from __future__ import annotations

from torch import Tensor, nn

from cnnlib.models.layers.double_conv import DoubleConv


class ResBlock(nn.Module):
    """A ``DoubleConv`` with a shortcut around it, then pooling by 2.

    The shortcut is a 1 x 1 convolution without bias and a batch normalisation.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.shortcut = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.double_conv = DoubleConv(in_channels, out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, in, H, W) -> pooled (B, out, H / 2, W / 2) for the next level, and the skip (B, out, H, W)."""
        skip = self.relu(self.shortcut(x) + self.double_conv(x))
        return self.pool(skip), skip
