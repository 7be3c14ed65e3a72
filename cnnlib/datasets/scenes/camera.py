"""A pinhole camera with square pixels.

World: x right, y ahead, z up, metres; the floor is z = 0. Camera: x right, y down, z along the viewing axis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Camera:
    """Where the camera stands and where it looks.

    Attributes:
        position: (3,), world.
        axes: (3, 3), the rows are the camera's x, y and z axes in the world.
        focal: focal length in image widths.
    """

    position: np.ndarray
    axes: np.ndarray
    focal: float

    @classmethod
    def looking(cls, position: np.ndarray, yaw: float, pitch: float, roll: float, focal: float) -> Camera:
        """Angles in radians: yaw to the right of world y, pitch below the horizon, roll clockwise."""
        forward = np.array(
            [np.sin(yaw) * np.cos(pitch), np.cos(yaw) * np.cos(pitch), -np.sin(pitch)], dtype=np.float64
        )
        level = np.array([np.cos(yaw), -np.sin(yaw), 0.0])
        below = np.cross(forward, level)
        right = np.cos(roll) * level + np.sin(roll) * below
        down = np.cross(forward, right)
        return cls(
            np.asarray(position, np.float32), np.stack([right, down, forward]).astype(np.float32), focal
        )

    def rays(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Directions (3, M) in the world, scaled so that one unit is a metre of depth.

        ``x``, ``y`` (M,) are places in the picture, from 0 at its upper left to 1 at its lower right corner.
        """
        right, down, forward = self.axes
        across, below = (
            (x - np.float32(0.5)) / np.float32(self.focal),
            (y - np.float32(0.5)) / np.float32(self.focal),
        )
        return np.array([right[k] * across + (down[k] * below + forward[k]) for k in range(3)])

    def pixel_rays(self, size: int) -> np.ndarray:
        """Directions (3, size * size) through the middle of each pixel, row by row."""
        middles = (np.arange(size, dtype=np.float32) + np.float32(0.5)) / np.float32(size)
        return self.rays(np.tile(middles, size), middles.repeat(size))

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """World points (..., 3) to camera coordinates (..., 3)."""
        return (np.asarray(points) - self.position) @ self.axes.T

    def project(self, points: np.ndarray, size: int) -> np.ndarray:
        """World points (..., 3) to pixels (..., 2): x, y, where (0, 0) is the image's upper left corner."""
        local = self.to_camera(points)
        return (self.focal * local[..., :2] / local[..., 2:] + 0.5) * size
