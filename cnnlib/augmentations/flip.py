"""Mirroring."""

from __future__ import annotations

from cnnlib.augmentations.base import Geometric
from cnnlib.augmentations.motion import Motion
from cnnlib.augmentations.parameters import happens
from cnnlib.checks import check_range


class Flip(Geometric):
    """Swaps left and right, or top and bottom, or both. Exact: pixels only change places.

    Args:
        horizontal: probability of swapping left and right.
        vertical: probability of swapping top and bottom.

    Raises:
        CnnlibError: unless both are in [0, 1].
    """

    def __init__(self, horizontal: float = 0.5, vertical: float = 0.0) -> None:
        check_range("flip: horizontal", horizontal, least=0, most=1)
        check_range("flip: vertical", vertical, least=0, most=1)
        self.horizontal = horizontal
        self.vertical = vertical

    def draw(self, height: int, width: int) -> Motion:
        across, down = happens(self.horizontal), happens(self.vertical)
        # Top and bottom change places when one mirrors left and right and makes half a turn.
        return Motion(mirrored=across != down, angle=180.0 if down else 0.0)
