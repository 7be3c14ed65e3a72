"""Pictures of feet, each a pure function of (seed, split, index, size, shares).

The leg is rounded around a bent axis, and the front of the foot a solid farther away; the camera's rays are parallel.
What is drawn has edges as soft as a pixel is wide.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from cnnlib.datasets.feet.foot import Foot, other_foot, sample_foot
from cnnlib.datasets.feet.front import draw_front
from cnnlib.datasets.feet.leg import JOINT, axis, leg_of
from cnnlib.datasets.feet.skin import draw_leg
from cnnlib.datasets.feet.surroundings import add_shadow, surroundings
from cnnlib.datasets.feet.trousers import draw_trousers
from cnnlib.datasets.scenes.render import generator
from cnnlib.types import Split

POINTS = ("calf", "ankle", "heel")
_HEIGHTS = np.array([1.4, JOINT, 0.0])


def render(
    seed: int, split: Split, indices: Iterable[int], size: int, shares: Sequence[float]
) -> dict[str, np.ndarray]:
    """Renders N feet, at least one.

    Returns:
        image: uint8 (N, 3, size, size).
        label: uint8 (N,), indices into ``POSES``.
        points: float32 (N, 3, 2), pixels x, y of ``POINTS`` with (0, 0) at the centre of the first; hidden ones too.
    """
    images, labels, points = [], [], []
    for index in indices:
        rng = generator(seed, split, index)
        foot = sample_foot(rng, shares)
        images.append(draw(foot, size, rng))
        labels.append(foot.pose)
        points.append(places(foot, size))
    return {"image": np.stack(images), "label": np.array(labels, np.uint8), "points": np.stack(points)}


def draw(foot: Foot, size: int, rng: np.random.Generator) -> np.ndarray:
    """The picture, uint8 (3, size, size); ``rng`` chooses what is around the foot."""
    shares = (np.arange(size, dtype=np.float32) + 0.5) / size
    v, u = (grid.ravel() for grid in np.meshgrid(shares, shares, indexing="ij"))
    x, up = _from_picture(foot, u, v)
    width = 1 / (size * foot.view.scale)
    colors = surroundings(rng, foot.view, x, up, width)
    add_shadow(colors, foot, x, up)
    if rng.random() < 0.25:
        other, gap, ahead = other_foot(foot, rng)
        add_shadow(colors, other, x - foot.side * gap, up - ahead)
        _draw_foot(colors, other, gap - foot.side * x, up - ahead, width)
    _draw_foot(colors, foot, foot.side * x, up, width)
    return _exposed(colors, u, v, rng).reshape(size, size, 3).transpose(2, 0, 1)


def places(foot: Foot, size: int) -> np.ndarray:
    """Where the points of a foot are, float32 (3, 2)."""
    across, up = axis(foot, _HEIGHTS), _HEIGHTS * np.cos(np.radians(foot.view.elevation))
    turn, (x, y) = np.radians(foot.view.roll), (foot.side * across, up)
    right, higher = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    u, v = foot.view.heel[0] + foot.view.scale * right, foot.view.heel[1] - foot.view.scale * higher
    return (size * np.stack([u, v], axis=1) - 0.5).astype(np.float32)


def _from_picture(foot: Foot, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Right and up in units, level with the ground, from where the heel meets it; the inverse of ``places``."""
    turn = math.radians(foot.view.roll)
    right, higher = (u - foot.view.heel[0]) / foot.view.scale, (foot.view.heel[1] - v) / foot.view.scale
    cos, sin = math.cos(turn), math.sin(turn)
    return right * cos - higher * sin, higher * cos + right * sin


def _draw_foot(colors: np.ndarray, foot: Foot, across: np.ndarray, up: np.ndarray, width: float) -> None:
    """Over ``colors`` (M, 3) in place; ``across`` (M,) is to the inner side of the foot."""
    lamp = (foot.side * foot.light[0], *foot.light[1:])
    foot = replace(foot, light=lamp)
    draw_front(colors, foot, across, up, width)
    leg = leg_of(foot)
    height = up / math.cos(math.radians(foot.view.elevation))
    draw_leg(colors, foot, leg, across, height, width)
    if foot.look.cover == "trousers":
        draw_trousers(colors, foot, leg, across, height, width)


def _exposed(colors: np.ndarray, u: np.ndarray, v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As a camera stores it: the room's light falls off to one side, has a tint, and the sensor is noisy."""
    angle = rng.uniform(0, 2 * np.pi)
    ramp = (u - 0.5) * math.cos(angle) + (v - 0.5) * math.sin(angle)
    light = rng.uniform(0.65, 1.1) * (1 + rng.uniform(0, 0.5) * ramp)
    colors *= light[:, None] * rng.normal(1, (0.04, 0.02, 0.05)).astype(np.float32)
    colors += np.float32(rng.uniform(0.003, 0.02)) * rng.standard_normal(colors.shape, np.float32)
    return (np.clip(colors, 0, 1) * 255 + np.float32(0.5)).astype(np.uint8)
