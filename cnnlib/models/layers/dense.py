"""Linear layers over all places of the picture: the "DNN" behind a backbone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn


class Dense(nn.Sequential):
    """Features (B, C, h, w) -> (B, widths[-1]): flattened, then for every width a linear layer, ReLU and dropout.

    Args:
        in_features: C * h * w, the only size of features that it takes.
        widths: of the layers.
        dropout: share of each layer's values that training sets to 0.

    Attributes:
        out_features: those of the last layer.
    """

    def __init__(self, in_features: int, widths: Sequence[int], dropout: float) -> None:
        super().__init__(
            nn.Flatten(),
            *[
                nn.Sequential(nn.Linear(wide, narrow), nn.ReLU(inplace=True), nn.Dropout(dropout))
                for wide, narrow in pairwise([in_features, *widths])
            ],
        )
        self.out_features = [in_features, *widths][-1]
