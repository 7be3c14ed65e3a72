"""The leg down to the heel: its form, and the skin or the sock on it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from cnnlib.datasets.faces.painting import blend, coverage
from cnnlib.datasets.faces.render import shaded
from cnnlib.datasets.feet.foot import Foot
from cnnlib.datasets.feet.leg import Leg
from cnnlib.datasets.scenes.textures import noise

_PAD = 0.22
"""The height from which the heel is rounded downwards."""


def draw_leg(
    colors: np.ndarray, foot: Foot, leg: Leg, across: np.ndarray, height: np.ndarray, width: float
) -> None:
    """Over ``colors`` (M, 3) in place, at places (M,) to the inner side and above the ground."""
    index = np.flatnonzero((height > -0.4) & (np.abs(across) < 1.3))
    across, height = across[index], height[index]
    middle, outer, inner = leg.at(height)
    aside = across - middle
    half = np.where(aside < 0, outer, inner)
    right = aside / half
    reach = 0.06 + 0.3 * math.sin(
        math.radians(foot.view.elevation)
    )  # of the heel, below where its middle stands
    rolled = height + 0.5 * math.tan(math.radians(foot.angle)) * aside  # the sole turns with the heel
    low = np.clip((_PAD - rolled) / (_PAD + reach), 0, None)
    far = np.sqrt(right**2 + low**4)
    kept = np.flatnonzero(far < 1 + width / half)
    index, across, height, aside, half, right, low, far, middle = (
        each[kept] for each in (index, across, height, aside, half, right, low, far, middle)
    )
    depth = np.sqrt(np.clip(1 - far**2, 0, 1))
    slope_x, slope_up = _relief(foot, leg, aside, height, half)
    normals = np.stack([right - depth * slope_x, 1.2 * low**3 + depth * slope_up, depth + 1e-3])
    normals /= np.sqrt((normals**2).sum(0))
    own = skin_colors(foot, aside, height, width) * _creases(foot, aside, height)[:, None]
    gloom = 1 - 0.4 * np.exp(-(height + reach) / 0.09)
    own = shaded(own, normals, foot.light) * gloom[:, None]
    shown = colors[index]
    blend(shown, own, coverage((far - 1) * half, width))
    colors[index] = shown


def skin_colors(foot: Foot, aside: np.ndarray, height: np.ndarray, width: float) -> np.ndarray:
    """Colours (M, 3) before shading of skin, or of the sock over it, beside the leg's middle at heights (M,)."""
    look = foot.look
    grain = noise((0.5 * aside + look.hem).astype(np.float32), (0.5 * height + look.blush).astype(np.float32))
    colors = np.tile(np.array(look.skin, np.float32), (len(aside), 1))
    red = np.exp(-(((height - 0.12) / 0.2) ** 2)) + 0.2 * look.mottling * np.clip(grain, 0, 2)
    blend(colors, np.array(look.skin) * (1.0, 0.72, 0.66), np.clip(0.6 * look.blush * red, 0, 1))
    colors *= 1 + 0.03 * look.mottling * grain[:, None]
    if look.cover == "sock":
        covered = coverage(height - look.hem, width)
        blend(colors, (0, 0, 0), 0.35 * np.exp(-np.clip(height - look.hem, 0, None) / 0.03))
        cloth = np.tile(np.array(look.cloth, np.float32), (len(aside), 1))
        if look.stripes:
            blend(cloth, look.second, 1.0 * ((height / look.stripes) % 1 < 0.5))
        ribs = (height > look.hem - 0.2) * 0.12 * np.cos(aside * 90)
        cloth *= (1 + ribs + 0.04 * grain)[:, None]
        blend(colors, cloth, covered)
    return colors


def _creases(foot: Foot, aside: np.ndarray, height: np.ndarray) -> np.ndarray:
    """How bright (M,) the folds of the skin above the heel leave it."""
    bright = np.ones_like(aside)
    for number in (0, 1):
        bow = height - 0.36 - 0.06 * foot.look.mottling - 0.07 * number - (0.5 + number) * aside**2
        near = np.exp(-((bow / 0.016) ** 2) - (aside / (0.12 + 0.05 * number)) ** 2)
        bright -= (0.1 - 0.04 * number) * foot.look.mottling * near
    return bright


def _relief(
    foot: Foot, leg: Leg, aside: np.ndarray, height: np.ndarray, half: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How steeply what stands out of the round leg rises to the inner side and upwards, (M,) each."""
    slope_x, slope_up = np.zeros_like(aside), np.zeros_like(aside)
    for x, y, wide, high, out in _bumps(foot, leg, half):
        right, above = (aside - x) / wide, (height - y) / high
        hill = out * np.exp(-0.5 * (right**2 + above**2))
        slope_x -= hill * right / wide
        slope_up -= hill * above / high
    return slope_x, slope_up


def _bumps(
    foot: Foot, leg: Leg, half: np.ndarray
) -> Iterator[tuple[float | np.ndarray, float, float, float, float]]:
    """Where, how wide, how high and how far out: the bones of the ankle, the tendon between two hollows, the calf."""
    for knob in leg.knobs:
        yield 0.72 * knob.side * half, knob.height, 0.09, 0.08, knob.out
    tendon = foot.shape.tendon
    yield 0.0, 0.9, 0.055, 0.3, 0.03 * tendon
    yield -0.125, 0.75, 0.05, 0.22, -0.02 * tendon
    yield 0.125, 0.75, 0.05, 0.22, -0.02 * tendon
    yield 0.0, 2.1, 0.09, 0.35, -0.03
