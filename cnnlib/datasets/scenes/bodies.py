"""What a ray can hit, in coordinates of its own: z is the axis, the origin is the middle, metres.

A convex body is where a few half-spaces and quadrics overlap, so that along a ray it is where their intervals
overlap. A capsule is a union of three such bodies; only the torus needs a march along the ray.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cnnlib.datasets.scenes.vectors import dot, pick, unit, weighted

_FAR = np.float32(1e9)
_TINY = np.float32(1e-12)


class Region(Protocol):
    """A set of points, ``level(p) <= 0``."""

    def level(self, points: np.ndarray) -> np.ndarray:
        """Points (3, M) to (M,): negative inside, 0 on the surface."""
        ...

    def interval(self, origins: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where rays (3, M) enter and leave, each (M,); enter > leave for a miss."""
        ...

    def gradient(self, points: np.ndarray) -> np.ndarray:
        """Points (3, M) to outward directions (3, M), of any length."""
        ...


@dataclass(frozen=True)
class HalfSpace:
    """``normal . p <= offset``."""

    normal: tuple[float, float, float]
    offset: float

    def level(self, points: np.ndarray) -> np.ndarray:
        return weighted(self.normal, points) - np.float32(self.offset)

    def interval(self, origins: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        slope = weighted(self.normal, directions)
        slope = np.where(np.abs(slope) < _TINY, _TINY, slope)
        crossing = -self.level(origins) / slope
        return np.where(slope < 0, crossing, -_FAR), np.where(slope < 0, _FAR, crossing)

    def gradient(self, points: np.ndarray) -> np.ndarray:
        return np.broadcast_to(np.array(self.normal, np.float32)[:, None], points.shape)


@dataclass(frozen=True)
class Quadric:
    """``squares . p**2 + linear * z + constant <= 0``; of a double cone, the half that opens downwards."""

    squares: tuple[float, float, float]
    linear: float
    constant: float

    def level(self, points: np.ndarray) -> np.ndarray:
        return weighted(self.squares, points * points) + (
            np.float32(self.linear) * points[2] + np.float32(self.constant)
        )

    def interval(self, origins: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        a = weighted(self.squares, directions * directions)
        half_b = weighted(self.squares, origins * directions) + np.float32(0.5 * self.linear) * directions[2]
        c = self.level(origins)
        discriminant = half_b * half_b - a * c
        a = np.where(np.abs(a) < _TINY, _TINY, a)
        root = np.sqrt(np.maximum(discriminant, 0))
        # q avoids the difference of two near numbers that the school formula has in one of its two roots.
        q = -(half_b + np.copysign(root, half_b))
        first, second = q / a, c / np.where(q == 0, _TINY, q)
        enter, leave = np.minimum(first, second), np.maximum(first, second)
        if self.squares[2] < 0:
            # A ray steeper than the cone is inside before the first and after the second crossing: of the
            # two halves it is in the lower one where it is lower.
            steep, falls = a < 0, directions[2] < 0
            enter, leave = (
                np.where(steep, np.where(falls, leave, -_FAR), enter),
                np.where(steep, np.where(falls, _FAR, enter), leave),
            )
        missed = (discriminant < 0) & (a > 0)
        return np.where(missed, _FAR, enter), np.where(missed, -_FAR, leave)

    def gradient(self, points: np.ndarray) -> np.ndarray:
        gradient = 2 * np.array(self.squares, np.float32)[:, None] * points
        gradient[2] += np.float32(self.linear)
        return gradient


class Body(Protocol):
    """What a ray can hit."""

    def level(self, points: np.ndarray) -> np.ndarray:
        """The implicit equation, (3, M) to (M,): negative inside, 0 on the surface."""
        ...

    def hit(self, origins: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """Where rays (3, M) first are inside, (M,): 0 for those that start inside, infinite for a miss."""
        ...

    def normal(self, points: np.ndarray) -> np.ndarray:
        """Outward unit normals (3, M) at surface points (3, M)."""
        ...


@dataclass(frozen=True)
class Convex:
    """Where all regions overlap."""

    regions: tuple[Region, ...]

    def level(self, points: np.ndarray) -> np.ndarray:
        return np.max([region.level(points) for region in self.regions], axis=0)

    def interval(self, origins: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        enter, leave = self.regions[0].interval(origins, directions)
        for region in self.regions[1:]:
            region_enter, region_leave = region.interval(origins, directions)
            enter = np.maximum(enter, region_enter)
            leave = np.minimum(leave, region_leave)
        return enter, leave

    def hit(self, origins: np.ndarray, directions: np.ndarray) -> np.ndarray:
        enter, leave = self.interval(origins, directions)
        return np.where((enter < leave) & (leave > 0), np.maximum(enter, 0), np.float32(np.inf))

    def normal(self, points: np.ndarray) -> np.ndarray:
        """Of the region whose surface is nearest."""
        best, chosen = np.full(points.shape[1], _FAR), np.zeros_like(points)
        for region in self.regions:
            gradient = region.gradient(points)
            length = np.sqrt(dot(gradient, gradient)) + _TINY
            distance = np.abs(region.level(points)) / length
            nearer = distance < best
            best = np.where(nearer, distance, best)
            chosen = np.where(nearer, gradient / length, chosen)
        return chosen


@dataclass(frozen=True)
class Union:
    """Everything that is in any of the parts."""

    parts: tuple[Convex, ...]

    def level(self, points: np.ndarray) -> np.ndarray:
        return np.min([part.level(points) for part in self.parts], axis=0)

    def hit(self, origins: np.ndarray, directions: np.ndarray) -> np.ndarray:
        return np.min([part.hit(origins, directions) for part in self.parts], axis=0)

    def normal(self, points: np.ndarray) -> np.ndarray:
        nearest = np.argmin([part.level(points) for part in self.parts], axis=0)
        return np.choose(nearest, [part.normal(points) for part in self.parts])


@dataclass(frozen=True)
class Scaled:
    """A body, ``factor`` times as large."""

    body: Body
    factor: float

    def level(self, points: np.ndarray) -> np.ndarray:
        return self.body.level(points / np.float32(self.factor))

    def hit(self, origins: np.ndarray, directions: np.ndarray) -> np.ndarray:
        return self.body.hit(origins / np.float32(self.factor), directions / np.float32(self.factor))

    def normal(self, points: np.ndarray) -> np.ndarray:
        return self.body.normal(points / np.float32(self.factor))


@dataclass(frozen=True)
class Torus:
    """A tube of radius ``minor`` around a circle of radius ``major`` in the plane z = 0."""

    major: float
    minor: float

    def level(self, points: np.ndarray) -> np.ndarray:
        """The signed distance in metres."""
        x, y, z = points
        ring = np.sqrt(x * x + y * y) - np.float32(self.major)
        return np.sqrt(ring * ring + z * z) - np.float32(self.minor)

    def hit(self, origins: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """Sphere tracing (Hart 1996) from where the ray enters the flat cylinder around the torus."""
        speed = 1 / np.sqrt(dot(directions, directions))
        hull = cylinder_regions(self.major + self.minor, self.minor)
        enter, leave = Convex(hull).interval(origins, directions)
        result = np.full(enter.shape, np.inf, np.float32)
        active = np.flatnonzero((enter < leave) & (leave > 0))
        t = np.maximum(enter[active], 0)
        while len(active):
            o, d, step = pick(origins, active), pick(directions, active), speed[active]
            for _ in range(_MARCH_STEPS):
                distance = self.level(o + t * d)
                t = t + np.where(distance < _MARCH_TOLERANCE, 0, np.maximum(distance, _MARCH_LEAST)) * step
            arrived = distance < _MARCH_TOLERANCE
            result[active[arrived]] = t[arrived]
            going = ~arrived & (t < leave[active])
            active, t = active[going], t[going]
        hit = np.flatnonzero(np.isfinite(result))
        o, d, t = pick(origins, hit), pick(directions, hit), result[hit]
        for _ in range(_NEWTON_STEPS):  # to the surface, into which the least step may have led
            points = o + t * d
            t = t - self.level(points) / np.minimum(dot(self.normal(points), d), np.float32(-0.1))
        result[hit] = t
        return result

    def normal(self, points: np.ndarray) -> np.ndarray:
        x, y, z = points
        pull = 1 - np.float32(self.major) / np.sqrt(x * x + y * y)
        return unit(np.array([x * pull, y * pull, z]))


_MARCH_STEPS = 6  # between two looks at which rays have arrived
_NEWTON_STEPS = 3
# No ray may stand still where it grazes the tube. What 4 mm could jump over is thinner than a hundredth of that.
_MARCH_LEAST, _MARCH_TOLERANCE = np.float32(4e-3), np.float32(5e-5)  # metres


def cylinder_regions(radius: float, half_height: float) -> tuple[Region, ...]:
    """An upright cylinder."""
    return (Quadric((1, 1, 0), 0, -(radius**2)), *slab(half_height))


def slab(half: float) -> tuple[HalfSpace, HalfSpace]:
    """All points no more than half a height above or below the middle."""
    return HalfSpace((0, 0, 1), half), HalfSpace((0, 0, -1), half)
