"""The families of objects: what they look like, and how far they reach.

Coordinates are a solid's own: z is the axis, the origin is the middle, metres.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from cnnlib.datasets.scenes.bodies import (
    Body,
    Convex,
    HalfSpace,
    Quadric,
    Region,
    Scaled,
    Torus,
    Union,
    cylinder_regions,
    slab,
)

Wrapping: TypeAlias = Literal["ball", "tube", "block", "ring"]
"""How a solid's surface is unrolled for its texture."""


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
        wrapping: how its texture is wrapped around it.
        girth: the radius that textures are wrapped around, in metres.
        lies: whether it may also lie on its side (its local -y side then meets the floor).
    """

    body: Body
    hull: Hull
    wrapping: Wrapping
    girth: float
    lies: bool = False


def sphere(rng: np.random.Generator) -> Solid:
    return _ellipsoid(np.full(3, rng.uniform(0.38, 0.58)))


def ellipsoid(rng: np.random.Generator) -> Solid:
    wide = rng.uniform(0.38, 0.55)
    return _ellipsoid(wide * np.array([1.0, rng.uniform(0.75, 1.0), (0.6, 1.4)[rng.integers(2)]]))


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
    sides = (3, 5, 6)[rng.integers(3)]
    inner, half = rng.uniform(0.3, 0.42) * (0.8 if sides == 3 else 1.0), rng.uniform(0.3, 0.55)
    turns = 2 * np.pi * np.arange(sides) / sides - np.pi / 2
    faces = [HalfSpace((np.cos(turn), np.sin(turn), 0), inner) for turn in turns]
    outer, corner_turns = inner / np.cos(np.pi / sides), turns + np.pi / sides
    corners = [[outer * np.cos(a), outer * np.sin(a), z] for a in corner_turns for z in (-half, half)]
    return _polytope((*faces, *slab(half)), np.array(corners), girth=inner, lies=True)


Family: TypeAlias = Literal[
    "sphere", "ellipsoid", "box", "cylinder", "cone", "pot", "torus", "capsule", "pyramid", "prism"
]
FAMILIES: dict[Family, Callable[[np.random.Generator], Solid]] = {
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


def scaled(solid: Solid, factor: float) -> Solid:
    """The same shape, ``factor`` times as large."""
    hull = solid.hull
    hull = replace(hull, points=factor * hull.points, discs=factor * hull.discs, ball=factor * hull.ball)
    return replace(solid, body=Scaled(solid.body, factor), hull=hull, girth=factor * solid.girth)


def slab_of(outline: np.ndarray, half: float) -> Solid:
    """An upright prism over a convex outline (K, 2), counter-clockwise, ``half`` of its height."""
    edges = np.roll(outline, -1, axis=0) - outline
    normals = np.stack([edges[:, 1], -edges[:, 0]], axis=1) / np.linalg.norm(edges, axis=1, keepdims=True)
    sides = [
        HalfSpace((*normal, 0.0), float(normal @ corner))
        for normal, corner in zip(normals, outline, strict=True)
    ]
    corners = np.array([[x, y, z] for x, y in outline for z in (-half, half)])
    return _polytope((*sides, *slab(half)), corners, girth=float(np.abs(outline).max()))


def _ellipsoid(radii: np.ndarray) -> Solid:
    region = Quadric(tuple(1 / radii**2), 0, -1)
    hull = Hull(np.zeros((1, 3)), np.zeros(1), ball=1.0, stretch=tuple(radii))
    return Solid(Convex((region,)), hull, "ball", float(radii[0]))


def _frustum(bottom: float, top: float, half: float) -> Solid:
    slope = (bottom - top) / (2 * half)
    apex = -half + bottom / slope
    side = Quadric((1, 1, -(slope**2)), 2 * slope**2 * apex, -((slope * apex) ** 2))
    hull = Hull(np.array([[0, 0, -half], [0, 0, half]]), np.array([bottom, top]))
    return Solid(Convex((side, *slab(half))), hull, "tube", 0.5 * (bottom + top))


def _polytope(faces: tuple[Region, ...], corners: np.ndarray, girth: float, lies: bool = False) -> Solid:
    return Solid(Convex(faces), Hull(corners, np.zeros(len(corners))), "block", girth, lies)
