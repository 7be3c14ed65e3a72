"""From a decoder's features to a map of the image's size."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from cnnlib.types import Size


class MapHead(nn.Module):
    """Features (B, in, h, w) -> (B, out, H, W): a convolution, then bilinear upsampling (``align_corners=True``).

    Args:
        in_channels: of the features.
        out_channels: of the map.
        kernel_size: of the convolution, odd.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        # As SMP's heads begin.
        nn.init.xavier_uniform_(self.conv.weight)
        nn.init.zeros_(self.conv.bias)

    def forward(self, features: Tensor, size: Size) -> Tensor:
        """``size``: (H, W) of the map."""
        return enlarged(self.conv(features), size)


def enlarged(maps: Tensor, size: Size) -> Tensor:
    """(B, C, h, w) -> (B, C, H, W), bilinearly, with the corners' centres on each other."""
    if maps.shape[2:] == size:
        return maps
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=True)
