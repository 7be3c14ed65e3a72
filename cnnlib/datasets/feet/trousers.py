"""The end of a trouser leg."""

from __future__ import annotations

import numpy as np

from cnnlib.datasets.faces.painting import blend, coverage
from cnnlib.datasets.faces.render import shaded
from cnnlib.datasets.feet.foot import Foot
from cnnlib.datasets.feet.leg import Leg
from cnnlib.datasets.scenes.textures import noise


def draw_trousers(
    colors: np.ndarray, foot: Foot, leg: Leg, across: np.ndarray, height: np.ndarray, width: float
) -> None:
    """Over ``colors`` (M, 3) in place, wide around the leg from the hem upwards, at places (M,) as for the leg."""
    look = foot.look
    index = np.flatnonzero((height > look.hem - 0.3) & (np.abs(across) < 1.6))
    across, height = across[index], height[index]
    middle, outer, inner = leg.at(height)
    aside = across - middle
    half = np.maximum(np.where(aside < 0, outer, inner), look.flare) * 1.08 + 0.05
    folds = noise(
        (0.25 * aside + look.blush).astype(np.float32), (0.5 * height + look.mottling).astype(np.float32)
    )
    right = aside / half
    depth = np.sqrt(np.clip(1 - right**2, 0, 1))
    normals = np.stack([right + 0.3 * folds, -0.15 * folds, depth + 0.1])
    normals /= np.sqrt((normals**2).sum(0))
    cloth = np.tile(np.array(look.cloth, np.float32), (len(aside), 1))
    if look.stripes:
        blend(cloth, look.second, 0.6 * ((right / look.stripes) % 1 < 0.5))
    hem = look.hem + 0.05 * right**2 + 0.01 * folds
    cloth *= 1 - 0.3 * np.exp(-(((height - hem - 0.08) / 0.012) ** 2))[:, None]  # its seam
    inside = (np.abs(right) - 1) * half
    shown = colors[index]
    shadow = np.exp(-np.clip(hem - height, 0, None) / 0.07) * (np.abs(right) < 0.85)
    shown *= 1 - 0.35 * shadow[:, None]
    blend(shown, shaded(cloth, normals, foot.light), coverage(np.maximum(inside, hem - height), width))
    colors[index] = shown
