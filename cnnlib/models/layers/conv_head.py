"""From features to one vector per image, by a convolution."""

from __future__ import annotations

from torch import Tensor, nn

from cnnlib.models.layers.full_precision import without_autocast


class ConvHead(nn.Module):
    """Features (B, in, h, w) of any size -> (B, out): a 3 x 3 convolution of stride 2, then its mean over the picture.

    Computed in float32, also under autocast.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=2, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        with without_autocast(features):
            return self.conv(features.to(self.conv.weight.dtype)).mean(dim=(2, 3))
