"""Images as published weights were trained on them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Standardize(nn.Module):
    """(B, C, H, W) in [0, 1] -> less the mean, over the deviation, of each channel.

    Args:
        mean, std: of red, green and blue, as a rule. More channels repeat them, as timm repeats the first convolution's
            weights; a single channel gets their averages.
        channels: C.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], channels: int) -> None:
        super().__init__()
        for name, values in (("mean", mean), ("std", std)):
            given = [sum(values) / len(values)] if channels == 1 else values
            repeated = [given[channel % len(given)] for channel in range(channels)]
            # Not saved: they belong to the net's name, as its layers do.
            self.register_buffer(name, torch.tensor(repeated).view(-1, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        return (image - self.mean) / self.std
