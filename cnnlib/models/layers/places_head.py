"""From features to one vector per image: what there is, and where."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cnnlib.models.layers.full_precision import FullPrecisionLinear, without_autocast


class PlacesHead(nn.Module):
    """Features (B, in, h, w) of any size -> (B, out), by linear layers on each channel's mean and place.

    A place is the mean x and y, from -1 to 1, by the weights that a softmax over the channel gives ("spatial softmax";
    Finn et al., Deep spatial autoencoders, ICRA 2016, arXiv:1509.06113). A mean alone forgets places: a net has to find
    out from the border where an object is. Computed in float32, also under autocast.

    Args:
        in_channels: of the features.
        out_channels: of the vector.
        hidden: width of a hidden layer with ReLU; ``None`` for none.
        dropout: share of what enters the last layer that training sets to 0.
    """

    def __init__(self, in_channels: int, out_channels: int, hidden: int | None, dropout: float) -> None:
        super().__init__()
        width = 3 * in_channels
        trunk: list[nn.Module] = []
        if hidden is not None:
            trunk = [FullPrecisionLinear(width, hidden), nn.ReLU(inplace=True)]
            width = hidden
        self.trunk = nn.Sequential(*trunk, nn.Dropout(dropout))
        self.linear = FullPrecisionLinear(width, out_channels)

    def forward(self, features: Tensor) -> Tensor:
        return self.linear(self.trunk(means_and_places(features.to(self.linear.weight.dtype))))


def means_and_places(features: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, 3 C): the channels' means, then the x, then the y of their places."""
    with without_autocast(features):
        shares = features.flatten(2).softmax(dim=2).view(features.shape)
        height, width = features.shape[2:]
        x = (shares.sum(dim=2) * _centres(width, features)).sum(dim=2)
        y = (shares.sum(dim=3) * _centres(height, features)).sum(dim=2)
        return torch.cat([features.mean(dim=(2, 3)), x, y], dim=1)


def _centres(count: int, like: Tensor) -> Tensor:
    """Of ``count`` equal parts of the way from -1 to 1."""
    return (2 * torch.arange(count, dtype=like.dtype, device=like.device) + 1) / count - 1
