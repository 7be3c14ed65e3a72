"""From features to one vector per image, by a linear layer that sees where they are."""

from __future__ import annotations

from torch import Tensor, nn

from cnnlib.models.layers.dense import Dense
from cnnlib.models.layers.full_precision import FullPrecisionLinear


class GridHead(nn.Module):
    """Features (B, in, h, w) of any size -> (B, out): their means over a grid of places, a hidden layer, a linear layer.

    The last layer is computed in float32, also under autocast.

    Args:
        in_channels: of the features.
        out_channels: of the vector.
        grid: height and width of the grid.
        hidden: width of the hidden layer, followed by ReLU and dropout.
        dropout: share of the hidden layer's values that training sets to 0.
    """

    def __init__(
        self, in_channels: int, out_channels: int, grid: int, hidden: int, dropout: float
    ) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(grid)
        self.dense = Dense(in_channels * grid**2, (hidden,), dropout)
        self.linear = FullPrecisionLinear(hidden, out_channels)

    def forward(self, features: Tensor) -> Tensor:
        return self.linear(self.dense(self.pool(features)))
