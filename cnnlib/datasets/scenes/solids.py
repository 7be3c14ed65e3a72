"""Solid objects, in coordinates of their own: z is the axis, the origin is the middle, metres.

A convex solid is where a few half-spaces and quadrics overlap, so that along a ray it is where their intervals
overlap. A capsule is a union of three such solids; only the torus needs a march along the ray.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from cnnlib.datasets.scenes.vectors import dot, pick, unit, weighted

_FAR = np.float32(1e9)
_TINY = np.float32(1e-12)

Mapping2d = Literal["ball", "tube", "block", "ring"]
"""How a solid's surface is unrolled for its texture."""


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
        for _ in range(_MARCH_ROUNDS):
            if not len(active):
                break
            o, d, step = pick(origins, active), pick(directions, active), speed[active]
            for _ in range(_MARCH_STEPS):
                distance = self.level(o + t * d)
                # A ray that grazes the tube must not stop there; if it then is inside, the next step leads back.
                outside = distance > _MARCH_TOLERANCE
                t = t + np.where(outside, np.maximum(distance, _MARCH_LEAST), distance) * step
            arrived = ~outside
            result[active[arrived]] = t[arrived]
            going = ~arrived & (t < leave[active])
            active, t = active[going], t[going]
        return result

    def normal(self, points: np.ndarray) -> np.ndarray:
        x, y, z = points
        pull = 1 - np.float32(self.major) / np.sqrt(x * x + y * y)
        return unit(np.array([x * pull, y * pull, z]))


_MARCH_ROUNDS, _MARCH_STEPS = 12, 6  # most rays arrive or leave in the first two rounds
_MARCH_LEAST, _MARCH_TOLERANCE = np.float32(1e-3), np.float32(5e-5)  # metres


@dataclass(frozen=True)
class Hull:
    """The convex hull of a solid, for the farthest point in a direction.

    Level discs (``points`` are their middles, (K, 3); ``discs`` their radii, (K,)), fattened by a ball of
    radius ``ball``, all stretched by ``stretch`` along the axes.
    """

    points: np.ndarray
    discs: np.ndarray
    ball: float = 0.0
    stretch: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def support(self, directions: np.ndarray) -> np.ndarray:
        """The solid's farthest points (K, 3) in directions (K, 3); the middle of an edge or a face of such points."""
        stretch = np.array(self.stretch)
        pull = directions * stretch
        level = pull * [1, 1, 0]
        level /= np.maximum(np.linalg.norm(level, axis=1, keepdims=True), 1e-9)
        candidates = self.points + self.discs[:, None] * level[:, None]  # (K, points, 3)
        reach = (candidates * pull[:, None]).sum(2, keepdims=True)
        farthest = reach > reach.max(axis=1, keepdims=True) - 1e-6
        middle = (candidates * farthest).sum(1) / farthest.sum(1)
        ball = self.ball * pull / np.linalg.norm(pull, axis=1, keepdims=True)
        return stretch * (middle + ball)


@dataclass(frozen=True)
class Solid:
    """One object's shape.

    Attributes:
        mapping: how its texture is wrapped around it.
        girth: the radius that textures are wrapped around, in metres.
        lies: whether it may also lie on its side (its local -y side then meets the floor).
    """

    body: Body
    hull: Hull
    mapping: Mapping2d
    girth: float
    lies: bool = False


def cylinder_regions(radius: float, half_height: float) -> tuple[Region, ...]:
    return (Quadric((1, 1, 0), 0, -(radius**2)), *_slab(half_height))


def sphere(rng: np.random.Generator) -> Solid:
    return _ellipsoid(np.full(3, rng.uniform(0.38, 0.58)))


def ellipsoid(rng: np.random.Generator) -> Solid:
    wide = rng.uniform(0.38, 0.55)
    return _ellipsoid(wide * np.array([1.0, rng.uniform(0.75, 1.0), rng.choice([0.6, 1.4])]))


def box(rng: np.random.Generator) -> Solid:
    half = rng.uniform(0.28, 0.52, 3)
    signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, 8).T
    faces = [HalfSpace(tuple(sign * np.eye(3)[axis]), half[axis]) for axis in range(3) for sign in (-1, 1)]
    return _polytope(tuple(faces), signs * half, girth=float(half[0]))


def cylinder(rng: np.random.Generator) -> Solid:
    radius, half = rng.uniform(0.26, 0.46), rng.uniform(0.32, 0.58)
    hull = Hull(np.array([[0, 0, half], [0, 0, -half]]), np.full(2, radius))
    return Solid(Convex(cylinder_regions(radius, half)), hull, "tube", radius, lies=True)


def cone(rng: np.random.Generator) -> Solid:
    return _frustum(rng.uniform(0.4, 0.58), 0.0, rng.uniform(0.45, 0.7))


def pot(rng: np.random.Generator) -> Solid:
    """A cone without its tip."""
    bottom = rng.uniform(0.4, 0.56)
    return _frustum(bottom, bottom * rng.uniform(0.45, 0.7), rng.uniform(0.32, 0.52))


def torus(rng: np.random.Generator) -> Solid:
    major = rng.uniform(0.38, 0.5)
    minor = major * rng.uniform(0.32, 0.5)
    hull = Hull(np.zeros((1, 3)), np.array([major]), ball=minor)
    return Solid(Torus(major, minor), hull, "ring", major, lies=True)


def capsule(rng: np.random.Generator) -> Solid:
    radius, half = rng.uniform(0.25, 0.38), rng.uniform(0.22, 0.45)
    middle = Convex(cylinder_regions(radius, half))
    # Each cap is a ball; what of it reaches into the tube does not show.
    caps = [Convex((Quadric((1, 1, 1), -2 * z, z * z - radius**2),)) for z in (half, -half)]
    hull = Hull(np.array([[0, 0, half], [0, 0, -half]]), np.zeros(2), ball=radius)
    return Solid(Union((middle, *caps)), hull, "tube", radius, lies=True)


def pyramid(rng: np.random.Generator) -> Solid:
    """A square one."""
    base, half = rng.uniform(0.4, 0.56), rng.uniform(0.36, 0.6)
    sides = np.array([[2 * half, 0, base], [-2 * half, 0, base], [0, 2 * half, base], [0, -2 * half, base]])
    sides /= np.linalg.norm(sides, axis=1, keepdims=True)
    faces = [HalfSpace(tuple(side), side[2] * half) for side in sides]
    corners = np.array([[x, y, -half] for x in (-base, base) for y in (-base, base)] + [[0, 0, half]])
    return _polytope((*faces, HalfSpace((0, 0, -1), half)), corners, girth=base)


def prism(rng: np.random.Generator) -> Solid:
    """On three, five or six sides."""
    sides = int(rng.choice([3, 5, 6]))
    inner, half = rng.uniform(0.3, 0.42) * (0.8 if sides == 3 else 1.0), rng.uniform(0.3, 0.55)
    turns = 2 * np.pi * np.arange(sides) / sides - np.pi / 2
    faces = [HalfSpace((np.cos(turn), np.sin(turn), 0), inner) for turn in turns]
    outer, corner_turns = inner / np.cos(np.pi / sides), turns + np.pi / sides
    corners = [[outer * np.cos(a), outer * np.sin(a), z] for a in corner_turns for z in (-half, half)]
    return _polytope((*faces, *_slab(half)), np.array(corners), girth=inner, lies=True)


FAMILIES: dict[str, Callable[[np.random.Generator], Solid]] = {
    "sphere": sphere,
    "ellipsoid": ellipsoid,
    "box": box,
    "cylinder": cylinder,
    "cone": cone,
    "pot": pot,
    "torus": torus,
    "capsule": capsule,
    "pyramid": pyramid,
    "prism": prism,
}
"""Draws a solid of each family, with proportions of its own, 0.5 to 1.5 metres large."""


def _ellipsoid(radii: np.ndarray) -> Solid:
    region = Quadric(tuple(1 / radii**2), 0, -1)
    hull = Hull(np.zeros((1, 3)), np.zeros(1), ball=1.0, stretch=tuple(radii))
    return Solid(Convex((region,)), hull, "ball", float(radii[0]))


def _frustum(bottom: float, top: float, half: float) -> Solid:
    slope = (bottom - top) / (2 * half)
    apex = -half + bottom / slope
    side = Quadric((1, 1, -(slope**2)), 2 * slope**2 * apex, -((slope * apex) ** 2))
    hull = Hull(np.array([[0, 0, -half], [0, 0, half]]), np.array([bottom, top]))
    return Solid(Convex((side, *_slab(half))), hull, "tube", 0.5 * (bottom + top))


def _polytope(faces: tuple[Region, ...], corners: np.ndarray, girth: float, lies: bool = False) -> Solid:
    return Solid(Convex(faces), Hull(corners, np.zeros(len(corners))), "block", girth, lies)


def _slab(half: float) -> tuple[HalfSpace, HalfSpace]:
    return HalfSpace((0, 0, 1), half), HalfSpace((0, 0, -1), half)
