"""The contracting path."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from cnnlib.models.layers.double_conv import DoubleConv
from cnnlib.models.layers.res_block import ResBlock


class Encoder(nn.Module):
    """A ``ResBlock`` per level, and a ``DoubleConv`` of twice the last width at the bottom.

    Args:
        in_channels: of the image.
        widths: channels of the levels, from fine to coarse.

    Attributes:
        skip_channels: of the skips, from fine to coarse.
        out_channels: of the bottom.
        stride: by which height and width at the bottom are smaller; the image's must be multiples of it.
    """

    def __init__(self, in_channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.skip_channels = tuple(widths)
        self.out_channels = 2 * widths[-1]
        self.stride = 2 ** len(widths)
        self.levels = nn.ModuleList(map(ResBlock, [in_channels, *widths[:-1]], widths))
        self.bottleneck = DoubleConv(widths[-1], self.out_channels)

    @property
    def stages(self) -> list[nn.Module]:
        """From the image to the bottom; each parameter is in one of them."""
        return [*self.levels, self.bottleneck]

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(B, in, H, W) -> the bottom (B, out, H / stride, W / stride), and the skips from fine to coarse."""
        skips = []
        x = image
        for level in self.levels:
            x, skip = level(x)
            skips.append(skip)
        return self.bottleneck(x), skips
