"""What stands behind the objects: a room, a courtyard or open ground, made of planes; then hills and sky."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnnlib.datasets.scenes.camera import Camera
from cnnlib.datasets.scenes.textures import Texture, noise
from cnnlib.datasets.scenes.vectors import column, weighted

MAX_DEPTH = 10.0
"""Metres. What is farther is seen, but its depth and normal are not known (``depth_valid`` is false)."""


@dataclass(frozen=True)
class Surface:
    """A plane, seen from the side its normal points to.

    Attributes:
        kind: a name in ``render.CLASSES``.
        normal: (3,), unit, world.
        offset: ``normal . p`` of its points.
        texture: its pattern; walls are measured along the wall and upwards, floors along x and y.
        top: height at which a wall ends, in metres; beyond a wall that ends below a ceiling there is the sky.
        skirting: colour (3,) of the board along the foot of a wall, or None.
    """

    kind: str
    normal: np.ndarray
    offset: float
    texture: Texture
    top: float = np.inf
    skirting: np.ndarray | None = None

    @property
    def axes(self) -> np.ndarray:
        """(2, 3): the directions in the world of the texture's u and v."""
        if abs(self.normal[2]) > 0.5:
            return np.array([[1, 0, 0], [0, 1, 0]], np.float32)
        return np.array([[self.normal[1], -self.normal[0], 0], [0, 0, 1]], np.float32)


@dataclass(frozen=True)
class Sky:
    """Colours, linear RGB (3,), and where the clouds and hills of this sky lie on the noise."""

    zenith: np.ndarray
    horizon: np.ndarray
    hills: np.ndarray
    hill_height: float
    shift: tuple[float, float]


SKIRTING_HEIGHT = 0.12
_HAZE_METRES = np.float32(45)


def nearest_surface(
    surfaces: tuple[Surface, ...], camera: Camera, directions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What rays (3, M) from the camera meet first: depth (M,), infinite for none; index of the surface, -1 for none.

    The inverse depth of a plane is linear in the ray, and the nearest plane is the one where it is largest.
    """
    best = np.zeros(directions.shape[1:], np.float32)
    index = np.full(directions.shape[1:], -1, np.int8)
    for i, surface in enumerate(surfaces):
        normal = surface.normal.astype(np.float32)
        height = np.float32(normal @ camera.position - surface.offset)
        inverse = weighted(normal, directions) * (-1 / height)
        nearer = inverse > best
        if np.isfinite(surface.top):
            nearer &= (camera.position[2] - np.float32(surface.top)) * inverse + directions[2] <= 0
        best = np.where(nearer, inverse, best)
        index = np.where(nearer, np.int8(i), index)
    with np.errstate(divide="ignore"):
        return 1 / best, index


def surface_albedo(
    surface: Surface,
    camera: Camera,
    directions: np.ndarray,
    points: np.ndarray,
    depth: np.ndarray,
    pixel: float,
) -> np.ndarray:
    """Colours (3, M) of points (3, M) that rays (3, M) hit at ``depth`` (M,); ``pixel`` is a ray's width at 1 m."""
    normal = surface.normal.astype(np.float32)
    slant = np.float32(1) / weighted(normal, directions)
    coordinates, widths = [], []
    for axis in surface.axes:
        along = weighted(axis, directions)
        # How far the point moves along the axis when the ray moves by one pixel to the right, and down.
        moves = [
            np.abs(np.float32(axis @ side) - along * np.float32(normal @ side) * slant)
            for side in camera.axes[:2]
        ]
        coordinates.append(weighted(axis, points))
        widths.append((moves[0] + moves[1]) * depth * np.float32(pixel))
    color = surface.texture.albedo(*coordinates, *widths)
    if surface.skirting is not None:
        foot = (SKIRTING_HEIGHT - points[2]) / np.maximum(widths[1], np.float32(1e-4)) + np.float32(0.5)
        color += (column(surface.skirting) - color) * np.clip(foot, 0, 1)
    return color


def haze(color: np.ndarray, depth: np.ndarray, sky: Sky) -> np.ndarray:
    """Outdoors far ground fades into the horizon; colours (3, M) at depth (M,)."""
    share = np.float32(0.9) - np.float32(0.9) * np.exp(
        np.minimum(np.float32(MAX_DEPTH) - depth, 0) / _HAZE_METRES
    )
    return color + (column(sky.horizon) - color) * share


def sky_color(sky: Sky, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colours (3, M) of rays (3, M) that meet no surface, and where they see hills, bool (M,)."""
    level = np.sqrt(directions[0] ** 2 + directions[1] ** 2)
    elevation = directions[2] / level
    azimuth = np.arctan2(directions[0], directions[1])
    height = np.clip(elevation, 0, 1)
    zenith, horizon = column(sky.zenith), column(sky.horizon)
    color = horizon + (zenith - horizon) * np.sqrt(height)

    lift = np.float32(1) / (height + np.float32(0.25))
    shift_u, shift_v = np.float32(sky.shift[0]), np.float32(sky.shift[1])
    puff = noise(np.float32(0.7) * azimuth * lift + shift_u, np.float32(0.5) * lift + shift_v)
    cloud = np.clip(puff * np.float32(0.55) - np.float32(0.15), 0, np.float32(0.8)) * np.clip(
        8 * height, 0, 1
    )
    color += (np.float32(0.95) - color) * cloud

    hidden = np.zeros(elevation.shape, bool)
    for ridge, share in ((1.0, 0.55), (0.55, 0.15)):  # the far ridge is paler
        crest = noise(np.float32(0.6 / ridge) * azimuth + shift_u, np.full_like(azimuth, shift_v + ridge))
        crest = np.float32(sky.hill_height * ridge) * (1 + np.float32(0.35) * crest)
        covered = elevation < crest
        hill = sky.hills + (sky.horizon - sky.hills) * share
        color = np.where(covered, column(hill), color)
        hidden |= covered
    return color, hidden
