"""From features to one vector per image."""

from __future__ import annotations

from torch import Tensor, nn

from cnnlib.models.layers.full_precision import FullPrecisionLinear


class VectorHead(nn.Module):
    """Features (B, in, h, w) of any size -> (B, out): their mean over the picture, then a linear layer.

    Places survive the mean, since the encoder pads with zeros and so knows where the border is. A grid of means with a
    hidden layer was tried: boxes were as good, and labels hardly learned. Both are computed in float32, also under
    autocast.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.linear = FullPrecisionLinear(in_channels, out_channels)

    def forward(self, features: Tensor) -> Tensor:
        return self.linear(features.mean(dim=(2, 3), dtype=self.linear.weight.dtype))
