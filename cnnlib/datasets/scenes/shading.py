"""Light: a lamp with soft shadows, light from everywhere, darker corners, and highlights."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from cnnlib.datasets.scenes.backdrop import Surface
from cnnlib.datasets.scenes.layout import Light
from cnnlib.datasets.scenes.objects import SceneObject
from cnnlib.datasets.scenes.vectors import column, dot, pick, unit, weighted

_BLOCK = 3  # pixels a side, each of which looks at another spot of the lamp
_CONTACT_REACH = 4.0  # in half extents of the object


def lamp_light(light: Light, points: np.ndarray, normals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the lamp alone gives to points (3, M) with normals (3, M) or (3, 1).

    Returns the strength (M,), before the lamp's colour, and unit directions to the lamp (3, M).
    """
    toward = column(light.position) - points
    square = dot(toward, toward)
    toward *= 1 / np.sqrt(square)
    facing = np.maximum(dot(normals, toward), 0)
    return facing * np.minimum(np.float32(light.reach**2) / square, np.float32(2.5)), toward


def ambient_light(light: Light, normals: np.ndarray) -> np.ndarray:
    """(3, M) for normals (3, M): between the light from below and from above."""
    above, below = column(light.above), column(light.below)
    return below + (above - below) * (np.float32(0.5) + np.float32(0.5) * normals[2])


def corner_openness(surfaces: tuple[Surface, ...], points: np.ndarray) -> np.ndarray:
    """How much of its surroundings a point (3, M) sees past the planes it is near to, (M,) in (0, 1].

    A point on a plane has distance 0 from it, a constant that all points of a backdrop share.
    """
    openness = np.ones(points.shape[1], np.float32)
    for surface in surfaces:
        distance = np.abs(weighted(surface.normal, points) - np.float32(surface.offset))
        share = np.float32(0.42) + np.float32(0.58) * distance / (distance + np.float32(0.22))
        if np.isfinite(surface.top):  # beside the wall and above it is the open sky
            above = np.clip(points[2] - np.float32(surface.top), 0, 1)
            share += (1 - share) * above
        openness *= share
    return openness / np.float32(0.42)


def contact_shade(item: SceneObject, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """How much of the light from everywhere an object keeps from points (3, M), (M,) in [0, 1).

    The object is taken for an ellipsoid: the part of the sky that a sphere covers
    (Quilez, "Sphere ambient occlusion"), in coordinates in which its half extents are 1.
    """
    half = column(item.half_size)
    toward = (column(item.position) - points) / half
    square = dot(toward, toward)
    near = np.flatnonzero(square < _CONTACT_REACH**2)
    toward, square = pick(toward, near), square[near]
    facing = unit((normals if normals.shape[1] == 1 else pick(normals, near)) * half)
    covered = np.maximum(dot(facing, toward), 0) / (square * np.sqrt(square))
    # Less by what is left at the edge, so that there is none to be seen.
    covered = np.clip(covered - np.float32(_CONTACT_REACH**-2), 0, 1)
    shade = np.zeros(points.shape[1], np.float32)
    shade[near] = np.float32(0.85) * covered
    return shade


def soft_shadow(
    light: Light, casters: Iterable[SceneObject], points: np.ndarray, pixels: np.ndarray, size: int
) -> np.ndarray:
    """How much of the lamp the casters hide in each pixel of a square picture, (size * size,) in [0, 1].

    Of each point (3, M), seen in the pixel of that index (M,), one spot of the lamp is tested, and a pixel gets the
    mean over the block around it (Keller and Heidrich, "Interleaved sampling", 2001).
    """
    # Neighbours look at far spots: 4 is prime to 9.
    order = (pixels // size % _BLOCK * _BLOCK + pixels % size % _BLOCK) * 4 % _BLOCK**2
    directions = pick(light.spots(_BLOCK**2), order) - points
    shadow, known = np.zeros((2, size * size), np.float32)
    known[pixels] = 1
    for caster in casters:
        hit, along = caster.hits(points, directions)
        shadow[pixels[hit[along < 1]]] = 1
    if not shadow.any():
        return shadow
    share = _block_sums(shadow, size) / np.maximum(_block_sums(known, size), 1)
    return share.ravel()


def _block_sums(values: np.ndarray, size: int) -> np.ndarray:
    """Sums (size, size) over the block of 3 x 3 around each pixel of (size * size,)."""
    padded = np.pad(values.reshape(size, size), 1)
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    return rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]


def highlight(normals: np.ndarray, view: np.ndarray, toward_lamp: np.ndarray, gloss: float) -> np.ndarray:
    """Blinn-Phong with an exponent of 16 (satin) or 64 (polished), (M,); ``view`` points at the camera."""
    shine = np.maximum(dot(normals, unit(view + toward_lamp)), 0)
    for _ in range(6 if gloss > 0.5 else 4):
        shine = shine * shine
    return np.float32(gloss) * shine


def mirror_share(normals: np.ndarray, view: np.ndarray, gloss: float) -> np.ndarray:
    """How much a surface mirrors of the light around it, more where it is seen at a flat angle (Schlick), (M,)."""
    flat = 1 - np.clip(dot(normals, view), 0, 1)
    return np.float32(gloss) * (np.float32(0.03) + np.float32(0.4) * flat * flat * flat * flat)
