"""What goes where: sample i of a virtual data set, as a pure function of (seed, i)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

_LOWEST_FOOT = 0.55
"""Of the picture's height: feet stand below it, on the ground."""


class Recipe(NamedTuple):
    """One composite.

    Attributes:
        foreground, background: by number.
        mirrored: the foreground is.
        box: left, top, right and bottom edge of the foreground in pixels, integers, inside of the picture.
    """

    foreground: int
    background: int
    mirrored: bool
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class Recipes:
    """All foregrounds x (2 if ``flips``) x all backgrounds x ``positions``.

    Attributes:
        shapes: height and width of each foreground.
        backgrounds: their number.
        size: height and width of the picture.
        scale: the smallest and the largest height of a foreground, as a share of the picture's. Wide ones are made
            smaller still, until they fit.
    """

    shapes: Sequence[tuple[int, int]]
    backgrounds: int
    positions: int
    flips: bool
    size: int
    scale: tuple[float, float]
    seed: int

    def __len__(self) -> int:
        return len(self.shapes) * (2 if self.flips else 1) * self.backgrounds * self.positions

    def parts(self, index: int) -> tuple[int, bool, int, int]:
        """Foreground, mirrored, background, position. Positions vary fastest, foregrounds slowest."""
        index, position = divmod(index, self.positions)
        index, background = divmod(index, self.backgrounds)
        foreground, mirrored = divmod(index, 2) if self.flips else (index, 0)
        return foreground, bool(mirrored), background, position

    def index(self, foreground: int, mirrored: bool, background: int, position: int) -> int:
        """The opposite of ``parts``."""
        own = foreground * 2 + mirrored if self.flips else foreground
        return (own * self.backgrounds + background) * self.positions + position

    def __getitem__(self, index: int) -> Recipe:
        foreground, mirrored, background, _ = self.parts(index)
        share, across, down = np.random.default_rng([self.seed, index]).random(3).tolist()
        tall, wide = self.shapes[foreground]
        height = self.size * (self.scale[0] + share * (self.scale[1] - self.scale[0]))
        shrink = min(1.0, self.size / (height * wide / tall))
        height, width = (max(1, round(height * shrink * side / tall)) for side in (tall, wide))
        height, width = min(height, self.size), min(width, self.size)
        left = int(across * (self.size - width + 1))
        highest = max(height, round(_LOWEST_FOOT * self.size))
        bottom = highest + int(down * (self.size - highest + 1))
        return Recipe(foreground, background, mirrored, (left, bottom - height, left + width, bottom))
