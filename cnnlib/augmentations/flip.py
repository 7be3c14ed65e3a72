"""Mirroring."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from cnnlib.augmentations.base import Geometric
from cnnlib.augmentations.parameters import Probability, happens
from cnnlib.augmentations.similarity import Similarity
from cnnlib.checks import checked


@checked
@dataclass
class Flip(Geometric):
    """Swaps left and right, or top and bottom, or both. Exact: pixels only change places.

    Args:
        horizontal: probability of swapping left and right.
        vertical: probability of swapping top and bottom.
    """

    horizontal: Probability = 0.5
    vertical: Probability = 0.0

    def draw(self, height: int, width: int, places: Tensor) -> Similarity:
        across, down = happens(self.horizontal), happens(self.vertical)
        # Top and bottom change places when one mirrors left and right and makes half a turn.
        return Similarity(mirrored=across != down, angle=180.0 if down else 0.0)
