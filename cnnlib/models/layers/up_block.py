"""One level of a decoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cnnlib.models.layers.double_conv import DoubleConv
from cnnlib.models.layers.upsample import Upsample


class UpBlock(nn.Module):
    """Doubles the size, joins the encoder's skip (after the upsampled channels), then a ``DoubleConv``.

    Where the encoder has no map of that size, ``skip_channels`` is 0 and the skip ``None``.
    """

    def __init__(self, in_channels: int, skip_channels: int, out_channels: int) -> None:
        super().__init__()
        self.upsample = Upsample()
        self.double_conv = DoubleConv(in_channels + skip_channels, out_channels)

    def forward(self, x: Tensor, skip: Tensor | None) -> Tensor:
        """x (B, in, H, W), skip (B, skip, 2H, 2W) -> (B, out, 2H, 2W)."""
        larger = self.upsample(x)
        return self.double_conv(larger if skip is None else torch.cat([larger, skip], dim=1))
