"""A phone: a thin slab with rounded corners, and what is seen on the side that lies up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnnlib.datasets.scenes.materials import OBJECT_COLORS, chosen, linear
from cnnlib.datasets.scenes.objects import SceneObject
from cnnlib.datasets.scenes.solids import slab_of
from cnnlib.datasets.scenes.textures import Texture
from cnnlib.datasets.scenes.vectors import column

ENLARGED = 1.6
"""Phones are so many times as large as in life, so that they have enough pixels in small pictures."""

_HALF = ENLARGED * np.array([0.0375, 0.075, 0.0045])  # metres: 7.5 x 15 x 0.9 cm in life
_CORNER = ENLARGED * 0.009
_STEPS = np.radians([0, 30, 60, 90])  # of the polygon that stands for a rounded corner

_METALS = ("e4e6e8", "c4c8cc", "8f949a", "6d7177", "d8bf94")
_FACES = ("f6f6f4", "f6f6f4", "f6f6f4", "232529", "1a1b1e", "e8dcc8")
_GLASS = ("08090b", "0d1014", "12161d", "1b2028")


@dataclass(frozen=True)
class Patch:
    """A rectangle with rounded corners on the upper side, in metres from the middle.

    Attributes:
        center, half: (2,), across and along the phone.
        corner: radius of the corners.
        color: (3,), linear RGB.
    """

    center: tuple[float, float]
    half: tuple[float, float]
    corner: float
    color: np.ndarray

    def share(self, points: np.ndarray, width: np.ndarray) -> np.ndarray:
        """How much of a pixel ``width`` (M,) wide around points (3, M) is on the patch, (M,)."""
        across, along = (
            np.abs(points[axis] - np.float32(self.center[axis])) - np.float32(self.half[axis] - self.corner)
            for axis in (0, 1)
        )
        distance = np.hypot(np.maximum(across, 0), np.maximum(along, 0)) - np.float32(self.corner)
        distance += np.minimum(np.maximum(across, along), 0)
        return np.clip(np.float32(0.5) - distance / width, 0, 1)


@dataclass(frozen=True)
class Phone(SceneObject):
    """``texture`` is that of the body; the patches are painted onto it in their order."""

    patches: tuple[Patch, ...] = ()

    def albedo(self, points: np.ndarray, normals: np.ndarray, width: np.ndarray) -> np.ndarray:
        color = super().albedo(points, normals, width)
        for patch in self.patches:
            share = patch.share(points, width) * (normals[2] > 0.5)
            color = color + (column(patch.color) - color) * share
        return color


def phone(rng: np.random.Generator) -> Phone:
    """A phone at the world's origin, on the floor: four of five show the screen, the others a coloured back."""
    half = _HALF * rng.uniform([0.95, 0.93, 0.9], [1.05, 1.05, 1.1])
    turn = rng.uniform(0, 2 * np.pi)
    axes = np.array([[np.cos(turn), np.sin(turn), 0], [-np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    if rng.random() < 0.8:
        color, patches = linear(chosen(rng, _METALS)), _front(rng, half)
    else:
        color, patches = linear(chosen(rng, (*_METALS, *OBJECT_COLORS))), _lenses(rng, half)
    texture = Texture("plain", np.stack([color, color]), 1.0)
    solid = slab_of(_outline(half), float(half[2]))
    return Phone("phone", solid, np.array([0, 0, half[2]]), axes, texture, gloss=1.0, patches=patches)


def _outline(half: np.ndarray) -> np.ndarray:
    """The corners (16, 2), counter-clockwise, of a rectangle whose own are rounded."""
    quarters = []
    for turn in np.radians([0, 90, 180, 270]):
        around = turn + _STEPS
        middle = np.sign(np.cos(turn + np.pi / 4)), np.sign(np.sin(turn + np.pi / 4))
        arc = np.stack([np.cos(around), np.sin(around)], axis=1)
        quarters.append(middle * (half[:2] - _CORNER) + _CORNER * arc)
    return np.concatenate(quarters)


def _front(rng: np.random.Generator, half: np.ndarray) -> tuple[Patch, ...]:
    """Within a thin metal frame; the screen has a thin margin all around, or a button below it as older phones have."""
    face, glass = linear(chosen(rng, _FACES)), linear(chosen(rng, _GLASS))
    frame, rim = 0.06 * half[0], rng.uniform(0.1, 0.16) * half[0]
    panel = Patch((0.0, 0.0), (half[0] - frame, half[1] - frame), _CORNER - frame, face)
    if rng.random() < 0.4:
        return panel, Patch((0.0, 0.0), (half[0] - rim, half[1] - rim), 0.7 * _CORNER, glass)
    end = rng.uniform(0.12, 0.18) * half[1]
    radius = 0.3 * end
    button = Patch((0.0, end / 2 - half[1]), (radius, radius), radius, 0.5 * face + 0.05)
    return panel, button, Patch((0.0, 0.0), (half[0] - rim, half[1] - end), 0.1 * _CORNER, glass)


def _lenses(rng: np.random.Generator, half: np.ndarray) -> tuple[Patch, ...]:
    """One to three in a corner of the back."""
    radius, black = 0.11 * half[0], linear("101114")
    x, y = 0.62 * half[0], half[1] - 0.38 * half[0]
    return tuple(
        Patch((x, y - 2.6 * radius * i), (radius, radius), radius, black) for i in range(rng.integers(1, 4))
    )
