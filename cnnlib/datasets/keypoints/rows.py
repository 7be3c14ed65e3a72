"""What an annotation file says of the points in each image, whatever its format."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cnnlib.types import Size


class KeypointRow(NamedTuple):
    """The annotation of one image."""

    image: str
    """As the file names it."""
    place: str
    """Where it stands, for messages: ``labels.txt, line 3``."""
    points: np.ndarray
    """Float64 (K, 2), x and y as the file has them; NaN where a point is not known."""
    box: np.ndarray | None = None
    """Float64 (4,), xyxy in the same unit."""
    in_shares: bool = False
    """Coordinates are shares of the picture's width and height instead of pixels."""

    def known(self) -> np.ndarray:
        """Which points are known, bool (K,)."""
        return ~np.isnan(self.points).any(1)

    def points_from_corner(self, size: Size) -> np.ndarray:
        """The points in pixels with (0, 0) at the corner of a picture of ``size``."""
        return self.points * size[::-1] if self.in_shares else self.points + 0.5

    def box_from_corner(self, size: Size) -> np.ndarray | None:
        """The box in pixels, whose (0, 0) is always the corner."""
        return self.box * np.tile(size[::-1], 2) if self.in_shares and self.box is not None else self.box


class KeypointFile(NamedTuple):
    """One annotation file."""

    path: Path
    rows: list[KeypointRow]
    names: tuple[str, ...] = ()
    """Of the points; empty where the file has none."""


def number(text: str) -> float | None:
    """NaN for an empty cell or ``nan``; ``None`` for what is no finite number, as 1_000 is none outside of Python."""
    try:
        value = float("_" if "_" in text else text or "nan")
    except ValueError:
        return None
    return None if math.isinf(value) else value
