"""Painting on a surface: soft-edged patches and strokes on colours (M, 3) of points (M,)."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline, PchipInterpolator

from cnnlib.datasets.faces.face import Color

_SAMPLES = 48


def blend(colors: np.ndarray, color: Color | np.ndarray, share: np.ndarray) -> None:
    """Moves ``colors`` (M, 3) in place towards ``color`` by shares (M,) of 0 to 1."""
    colors += share[:, None] * (np.asarray(color, np.float32) - colors)


def coverage(distance: np.ndarray, width: float) -> np.ndarray:
    """1 inside (below 0), 0 outside, and a ramp as wide as a pixel between."""
    return np.clip(0.5 - distance / width, 0, 1)


def spot(
    x: np.ndarray, y: np.ndarray, middle: tuple[float, float], spread: tuple[float, float]
) -> np.ndarray:
    """1 in the middle and soft towards the outside."""
    return np.exp(-(((x - middle[0]) / spread[0]) ** 2) - ((y - middle[1]) / spread[1]) ** 2)


class Curve:
    """A function through points (K, 2) of different x: rounded, or without any overshoot."""

    def __init__(self, points: np.ndarray, rounded: bool = False) -> None:
        points = points[np.argsort(points[:, 0])]
        through = (CubicSpline if rounded else PchipInterpolator)(points[:, 0], points[:, 1])
        self.x = np.linspace(points[0, 0], points[-1, 0], _SAMPLES)
        self.y = through(self.x)
        self.slope = np.gradient(self.y, self.x)

    def below(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """About how far points lie below the curve (above it: less than 0)."""
        steep = np.sqrt(1 + np.interp(x, self.x, self.slope) ** 2)
        return (y - np.interp(x, self.x, self.y)) / steep

    def beyond(self, x: np.ndarray) -> np.ndarray:
        """How far points lie beyond the ends."""
        return np.maximum(self.x[0] - x, x - self.x[-1])


def between(upper: Curve, lower: Curve, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Signed distance to the area between two curves with the same ends, about; below 0 inside."""
    return np.maximum(np.maximum(-upper.below(x, y), lower.below(x, y)), upper.beyond(x))


def along(curve: Curve, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Distance to the curve, about."""
    return np.hypot(curve.below(x, y), np.maximum(curve.beyond(x), 0))
