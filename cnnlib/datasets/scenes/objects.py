"""A solid at its place in the world."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cnnlib.datasets.scenes.solids import Solid
from cnnlib.datasets.scenes.textures import Texture
from cnnlib.datasets.scenes.vectors import column, dot, pick, put, rotated

LANDMARKS = ("center", "top", "bottom", "left", "right")
"""Middle of an object; its highest and lowest point; its farthest points to the camera's left and right.

Where a whole face or edge is farthest (the top of a box), the middle of it.
"""


@dataclass(frozen=True)
class SceneObject:
    """One object.

    Attributes:
        family: a name in ``solids.FAMILIES``.
        solid: its shape.
        position: (3,), its middle in the world.
        axes: (3, 3), the rows are its own axes in the world.
        texture: its pattern.
        gloss: 0 (matt) to 1 (polished).
    """

    family: str
    solid: Solid
    position: np.ndarray
    axes: np.ndarray
    texture: Texture
    gloss: float

    @cached_property
    def radius(self) -> float:
        """Of a sphere around the position that holds the whole object."""
        hull = self.solid.hull
        reach = np.hypot(np.hypot(hull.points[:, 0], hull.points[:, 1]) + hull.discs, hull.points[:, 2])
        return float((reach.max() + hull.ball) * max(hull.stretch)) * 1.001

    @cached_property
    def half_size(self) -> np.ndarray:
        """(3,): half the extent along each axis of the world."""
        return np.diagonal(self.support(np.eye(3)) - self.support(-np.eye(3))) / 2

    @cached_property
    def footprint(self) -> float:
        """The radius of an upright cylinder around the object."""
        turns = np.linspace(0, 2 * np.pi, 16, endpoint=False)
        around = np.stack([np.cos(turns), np.sin(turns), np.zeros(16)], axis=1)
        return float(np.linalg.norm((self.support(around) - self.position)[:, :2], axis=1).max())

    def support(self, directions: np.ndarray) -> np.ndarray:
        """The object's farthest points (K, 3) in directions (K, 3), both in the world."""
        return self.position + self.solid.hull.support(directions @ self.axes.T) @ self.axes

    def landmarks(self, right: np.ndarray) -> np.ndarray:
        """(5, 3), in the order of ``LANDMARKS``; ``right`` (3,) is the camera's x axis, which is made level."""
        up, right = np.array([0.0, 0.0, 1.0]), right * [1, 1, 0]
        return np.concatenate([self.position[None], self.support(np.stack([up, -up, -right, right]))])

    def to_world(self, vectors: np.ndarray) -> np.ndarray:
        """Directions (3, M) in the object's own axes to directions in the world."""
        return rotated(self.axes.T, vectors)

    def local_points(self, points: np.ndarray) -> np.ndarray:
        """Points (3, M) in the world to the object's own coordinates."""
        return rotated(self.axes, points - column(self.position))

    def hits(self, origins: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which rays hit the object, indices (K,), and where along them, (K,).

        ``origins`` is (3, M) or (3, 1), ``directions`` (3, M).
        """
        offset = origins - column(self.position)
        along = -dot(offset, directions)
        square = dot(directions, directions)
        away, reach = dot(offset, offset), np.float32(self.radius**2)
        # A ray that starts within the sphere around the object may go away from its middle and still hit it.
        near = np.flatnonzero(
            (away * square - along * along < reach * square) & ((along > 0) | (away < reach))
        )
        closest = along[near] / square[near]
        directions = pick(directions, near)
        offset = offset if offset.shape[1] == 1 else pick(offset, near)
        # From where the ray enters the sphere around it all numbers are small, and float32 is exact enough.
        start = np.maximum(closest - np.float32(self.radius) / np.sqrt(square[near]), 0)
        t = self.solid.body.hit(
            rotated(self.axes, offset + start * directions), rotated(self.axes, directions)
        )
        found = np.flatnonzero(np.isfinite(t))
        return near[found], (start + t)[found]

    def albedo(self, points: np.ndarray, normals: np.ndarray, width: np.ndarray) -> np.ndarray:
        """Colours (3, M) at surface points (3, M) with normals (3, M), all in the object's own coordinates."""
        x, y, z = points
        if self.solid.wrapping == "block":
            return self._wrapped_flat(points, np.argmax(np.abs(normals), axis=0), width)
        radius = np.sqrt(x * x + y * y)
        girth = np.float32(self.solid.girth)
        around = np.arctan2(y, x) * girth
        if self.solid.wrapping == "ring":
            minor = np.float32(self.solid.hull.ball)
            return self.texture.albedo(around, np.arctan2(z, radius - girth) * minor, width, width)
        around_width = width * girth / np.maximum(radius, np.float32(1e-3))
        color = self.texture.albedo(around, z, around_width, width)
        if self.solid.wrapping == "tube":
            cap = np.flatnonzero(np.abs(normals[2]) > 0.95)
            put(color, cap, self.texture.albedo(x[cap], y[cap], width[cap], width[cap]))
        return color

    def _wrapped_flat(self, points: np.ndarray, facing: np.ndarray, width: np.ndarray) -> np.ndarray:
        """Each face is seen along the axis that it faces most."""
        x, y, z = points
        u = np.where(facing == 0, y, x)
        v = np.where(facing == 2, y, z)
        return self.texture.albedo(u, v, width, width)
