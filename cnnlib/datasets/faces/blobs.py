"""Round solids: smooth unions of ellipsoids, seen along parallel rays.

Space is measured in units of about half a head's width: x to the right, y down, z towards the viewer.

Source: Blinn, "A Generalization of Algebraic Surface Drawing", ACM Transactions on Graphics 1(3), 1982.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

Ellipsoid = tuple[tuple[float, float, float], tuple[float, float, float]]
"""Its middle and its half axes, along x, y, z."""

_STEPS = 3
_DEEPEST = 0.25
"""How far the surface may be from the nearest ellipsoid, along a ray."""
_LOOKS = 7
_SPARE = 0.1
_HOPELESS, _UNFELT = 1.2, 7.0
_CHUNK = 2048
"""Rays at a time: what is computed of them stays in the processor's cache."""


@dataclass(frozen=True)
class Blobs:
    """N ellipsoids that flow into each other: the solid is where ``level`` is at least 0.

    Attributes:
        quadrics: (N, 4, 4), float32: ``p' Q p`` of p = (x, y, z, 1) is 1 on the ellipsoid and less within it.
        sharpness: (N,), float32: how soon the influence of each ends beyond its surface.
    """

    quadrics: np.ndarray
    sharpness: np.ndarray

    def turned(self, rotation: np.ndarray) -> Blobs:
        """The same solid after ``p -> rotation @ p``."""
        back = np.eye(4)
        back[:3, :3] = rotation.T
        return Blobs((back.T @ self.quadrics @ back).astype(np.float32), self.sharpness)

    def level(self, points: np.ndarray) -> np.ndarray:
        """Of points (3, M); (M,): above 0 inside, 0 on the surface, below 0 outside."""
        return np.log(np.maximum(self._influence(points).sum(0), 1e-30))

    def normals(self, points: np.ndarray) -> np.ndarray:
        """Unit vectors (3, M) out of the surface at points (3, M) near it."""
        weights = self._influence(points) * self.sharpness[:, None]
        rows = self.quadrics[:, :3].reshape(len(weights), 12).T @ weights
        gradient = np.einsum("ijm,jm->im", rows.reshape(3, 4, -1), _homogeneous(points))
        return gradient / np.maximum(np.sqrt((gradient**2).sum(0)), 1e-12)

    def box(self) -> tuple[np.ndarray, np.ndarray]:
        """The lowest and the highest x, y, z (3,) of the solid, with a little to spare."""
        form, linear = self.quadrics[:, :3, :3], self.quadrics[:, :3, 3]
        inverse = np.linalg.inv(form)
        middles = -np.einsum("nij,nj->ni", inverse, linear)
        reach = np.sqrt(np.einsum("nii->ni", inverse)) + _SPARE
        return (middles - reach).min(0), (middles + reach).max(0)

    def first_hit(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Where rays from the viewer at x, y (M,) meet the solid: z (M,), float32, -inf where they miss it."""
        x, y = x.astype(np.float32), y.astype(np.float32)
        z = np.empty_like(x)
        for start in range(0, len(x), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            z[chunk] = self._first_hit(x[chunk], y[chunk])
        return z

    def _first_hit(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The search starts on the ellipsoid that is met first, which is inside of the union or on its surface."""
        a, b, c = self._along_rays(x, y)
        lowest, strength = c - b * b / (4 * a), self.sharpness[:, None]
        strongest = (strength * (1 - lowest)).max(1)
        felt = strongest >= min(-_UNFELT, strongest.max())
        a, b, c, lowest, strength = a[felt], b[felt], c[felt], lowest[felt], strength[felt]
        front = np.where(lowest <= 1, np.sqrt(np.maximum((1 - lowest) / a, 0)) - b / (2 * a), -np.inf).max(0)
        nearest = strength * (1 - lowest)
        beside = np.flatnonzero(np.isinf(front) & (nearest.max(0) > -_HOPELESS))
        front[beside] = _between(strength, a, b[:, beside], c[:, beside])
        hit = np.flatnonzero(np.isfinite(front))
        front[hit] = _outwards(strength, a, b[:, hit], c[:, hit], front[hit])
        return front

    def _along_rays(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """``p' Q p`` at (x, y, z) as ``a z^2 + b z + c``: (N, 1), (N, M), (N, M)."""
        q, one = self.quadrics, np.ones_like(x)
        weights = [q[:, 0, 0], q[:, 1, 1], 2 * q[:, 0, 1], 2 * q[:, 0, 3], 2 * q[:, 1, 3], q[:, 3, 3]]
        c = np.stack(weights, 1) @ np.stack([x * x, y * y, x * y, x, y, one])
        return q[:, 2, 2, None], 2 * (q[:, 2, (0, 1, 3)] @ np.stack([x, y, one])), c

    def _influence(self, points: np.ndarray) -> np.ndarray:
        """(N, M)."""
        p = _homogeneous(points)
        size, count = len(self.quadrics), p.shape[1]
        forms = (self.quadrics.reshape(4 * size, 4) @ p).reshape(size, 4, count)
        return np.exp(self.sharpness[:, None] * (1 - np.einsum("nim,im->nm", forms, p)))


def union(ellipsoids: Iterable[Ellipsoid], blend: float = 0.05) -> Blobs:
    """A union whose seams are rounded over about ``blend``."""
    quadrics, sharpness = [], []
    for middle, axes in ellipsoids:
        into = np.eye(4)
        into[:3, 3] = np.negative(middle)
        quadrics.append(into.T @ np.diag([*(1 / np.square(axes)), 0]) @ into)
        sharpness.append(min(axes) / (2 * blend))
    return Blobs(np.asarray(quadrics, np.float32), np.asarray(sharpness, np.float32))


def _homogeneous(points: np.ndarray) -> np.ndarray:
    return np.concatenate([points, np.ones_like(points[:1])]).astype(np.float32)


def _between(strength: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """z inside of what flows between ellipsoids, on rays that meet none of them; -inf where there is nothing."""
    middles = -b / (2 * a)
    near = strength * (1 - (c - b * b / (4 * a))) > -2 * _HOPELESS
    low, high = np.where(near, middles, np.inf).min(0), np.where(near, middles, -np.inf).max(0)
    best, found = np.full_like(low, -np.inf), np.zeros_like(low)
    for share in np.linspace(0, 1, _LOOKS, dtype=np.float32):
        z = low + share * (high - low)
        total = np.exp(strength * (1 - ((a * z + b) * z + c))).sum(0)
        better = total > np.maximum(found, 1)
        best, found = np.where(better, z, best), np.where(better, total, found)
    return best


def _outwards(strength: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Where rays leave the solid in front of places z inside: roots of parabolas, kept between known bounds."""
    inside, outside = z, z + np.float32(_DEEPEST)
    for _ in range(_STEPS):
        influence = np.exp(strength * (1 - ((a * z + b) * z + c)))
        total = np.maximum(influence.sum(0), np.float32(1e-30))
        within = total >= 1
        inside, outside = np.where(within, z, inside), np.where(within, outside, z)
        influence *= strength
        bend = (2 * influence * a).sum(0) / total
        slope = (influence * (2 * a * z + b)).sum(0) / total
        step = z + (np.sqrt(np.maximum(slope * slope + 2 * bend * np.log(total), 0)) - slope) / bend
        z = np.where((step >= inside) & (step <= outside), step, (inside + outside) / 2)
    return z
