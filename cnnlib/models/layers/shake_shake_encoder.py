"""The phone locator's contracting path."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from cnnlib.models.layers.double_conv import DoubleConv
from cnnlib.models.layers.down_sampling import DownSampling
from cnnlib.models.layers.resnet_v2 import ResNetV2


class ShakeShakeEncoder(nn.Module):
    """A VGG block (``DoubleConv``), then in turn ``DownSampling`` and ``ResNetV2``; the last is a ``DownSampling``.

    Args:
        in_channels: of the image.
        widths: channels after the VGG block and after each down-sampling; at least two.

    Attributes:
        skip_channels: of the skips, from fine to coarse.
        out_channels: of the bottom.
        stride: by which height and width at the bottom are smaller, rounded up.
    """

    def __init__(self, in_channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.skip_channels = tuple(widths[:-1])
        self.out_channels = widths[-1]
        self.stride = 2 ** len(self.skip_channels)
        self.blocks = nn.ModuleList([DoubleConv(in_channels, widths[0]), *map(ResNetV2, widths[1:-1])])
        self.downs = nn.ModuleList(DownSampling(fine, coarse) for fine, coarse in pairwise(widths))

    @property
    def stages(self) -> list[nn.Module]:
        """From the image to the bottom; each parameter is in one of them."""
        return [nn.ModuleList(pair) for pair in zip(self.blocks, self.downs, strict=True)]

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(B, in, H, W) -> the bottom (B, out, H / stride, W / stride), and the skips from fine to coarse."""
        skips = []
        x = image
        for block, down in zip(self.blocks, self.downs, strict=True):
            skips.append(block(x))
            x = down(skips[-1])
        return x, skips
