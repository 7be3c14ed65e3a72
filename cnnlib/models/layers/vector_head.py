"""From features to one vector per image."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class VectorHead(nn.Module):
    """Features (B, in, h, w) of any size -> (B, out): their mean over the picture, then a linear layer.

    Places survive the mean, since the encoder pads with zeros and so knows where the border is. A grid of means with a
    hidden layer was tried: boxes were as good, and labels hardly learned. Computed in float32, also under autocast:
    bfloat16 would round a coordinate to about 1/300 of the picture.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_channels, out_channels)

    def forward(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            return self.linear(features.mean(dim=(2, 3), dtype=self.linear.weight.dtype))
