"""Painting on a surface: soft-edged patches and strokes on colours (M, 3) of points (M,)."""

from __future__ import annotations

import numpy as np

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
    """A smooth function through points (K, 2) of different x: rounded, or without any overshoot.

    Source: Fritsch and Butland, "A Method for Constructing Local Monotone Piecewise Cubic Interpolants", 1984.
    """

    def __init__(self, points: np.ndarray, rounded: bool = False) -> None:
        x, y = points[np.argsort(points[:, 0])].T
        slopes = _slopes(x, y, rounded)
        self.x = np.linspace(x[0], x[-1], _SAMPLES)
        i = np.clip(np.searchsorted(x, self.x) - 1, 0, len(x) - 2)
        width = x[i + 1] - x[i]
        t = (self.x - x[i]) / width
        rise = t * t * (3 - 2 * t)
        bend = t * (1 - t) * width * ((1 - t) * slopes[i] - t * slopes[i + 1])
        self.y = y[i] + rise * (y[i + 1] - y[i]) + bend
        self.slope = np.diff(self.y, append=2 * self.y[-1] - self.y[-2]) / (self.x[1] - self.x[0])

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


def stroke(curve: Curve, x: np.ndarray, y: np.ndarray, half: float | np.ndarray) -> np.ndarray:
    """Signed distance to a line of a width of twice ``half`` that ends where the curve does."""
    return np.maximum(np.abs(curve.below(x, y)) - half, curve.beyond(x))


def _slopes(x: np.ndarray, y: np.ndarray, rounded: bool) -> np.ndarray:
    """Of the curve at its points (K,); without overshoot, it is level wherever the points turn."""
    width = np.diff(x)
    steep = np.diff(y) / width
    left, right = steep[:-1], steep[1:]
    if rounded:
        inner = (left * width[1:] + right * width[:-1]) / (width[1:] + width[:-1])
    else:
        same = left * right > 0
        inner = np.where(same, 2 * left * right / np.where(same, left + right, 1), 0)
    return np.array([1.5 * steep[0] - 0.5 * inner[0], *inner, 1.5 * steep[-1] - 0.5 * inner[-1]])
