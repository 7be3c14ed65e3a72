"""The floor that a foot stands on, the wall behind it, and the shadow on the floor."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from cnnlib.datasets.faces.painting import blend, coverage
from cnnlib.datasets.feet.foot import Foot, View
from cnnlib.datasets.scenes.materials import floor_texture, skirting_color, wall_texture
from cnnlib.datasets.scenes.textures import Texture


def surroundings(
    rng: np.random.Generator, view: View, x: np.ndarray, up: np.ndarray, width: float
) -> np.ndarray:
    """Colours (M, 3) at places (M,) of the picture, in units from where the heel meets the ground; ``width`` of a
    place.

    The rays of the camera are parallel, so that a step on the floor, away from the viewer, is always as high.
    """
    rise = math.sin(math.radians(view.elevation))
    metres = rng.uniform(0.12, 0.4)
    wall_at = rng.uniform(2.6, 6.0) * rise
    skirting = rng.uniform(0.25, 0.8) if rng.random() < 0.6 else 0.0
    floor, wall = floor_texture(rng), wall_texture(rng)
    floor = replace(floor, turn=floor.turn + rng.uniform(-0.5, 0.5))
    board = np.sqrt(skirting_color(rng))
    shade = rng.uniform(0.55, 1.0)
    behind = up > wall_at
    colors = np.empty((len(x), 3), np.float32)
    colors[~behind] = _seen(floor, x[~behind], up[~behind] / rise, metres, width, width / rise)
    colors[behind] = shade * _seen(wall, x[behind], up[behind], metres, width, width)
    if skirting:
        blend(colors, shade * board, coverage(np.abs(up - wall_at - skirting / 2) - skirting / 2, width))
    edge = np.exp(-np.abs(up - wall_at) / 0.08)  # less light comes into the corner
    return colors * (1 - 0.3 * edge[:, None])


def add_shadow(colors: np.ndarray, foot: Foot, x: np.ndarray, up: np.ndarray) -> None:
    """Darkens the floor in place, close around the heel and away from the lamp; ``x`` as in the picture."""
    rise = math.sin(math.radians(foot.view.elevation))
    contact = np.exp(-((x / 0.42) ** 2) - ((up - 0.15 * rise) / (0.1 + 0.35 * rise)) ** 2)
    right, down, near = foot.light
    length = math.hypot(right, near * rise) / -down  # of the shadow of what is one unit high
    along_x, along_up = right / down / length, near * rise / -down / length
    way, aside = x * along_x + up * along_up, x * along_up - up * along_x
    soft = 0.12 + 0.25 * np.clip(way, 0, None) / max(length, 0.3)
    strip = 1 / (1 + np.exp(np.clip((np.abs(aside) - 0.25) / (0.3 * soft), -30, 30)))
    strip *= np.clip(way / 0.2 + 1, 0, 1) * np.exp(-np.clip(way, 0, None) / (1.2 * length + 0.4))
    darkness = np.clip(0.6 * contact + 0.4 * strip, 0, 0.75)
    colors *= 1 - darkness[:, None]


def _seen(
    texture: Texture, x: np.ndarray, y: np.ndarray, metres: float, wide_x: float, wide_y: float
) -> np.ndarray:
    """(M, 3) as a screen shows them."""
    wide = [np.full(len(x), metres * each, np.float32) for each in (wide_x, wide_y)]
    places = [(metres * each).astype(np.float32) for each in (x, y)]
    return np.sqrt(texture.albedo(*places, *wide)).T
