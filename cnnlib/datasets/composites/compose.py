"""One composite: the picture, its exact mask, its depth."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from cnnlib.datasets.composites.pictures import Pictures
from cnnlib.datasets.composites.recipe import Recipe

_SHADOW_HEIGHT = 0.16  # of the foreground's width
_SHADOW_WIDTH = 0.45
_LARGEST_GAIN = 1.6


def compose(
    pictures: Pictures, recipe: Recipe, picture: np.ndarray, shadow: float, match_colors: float
) -> np.ndarray:
    """Lays the foreground over ``picture``, the background as float32 (3, H, W) in [0, 1], in place.

    Args:
        shadow: how much of the light a soft shadow under the foreground takes, 0 to 1.
        match_colors: 0 leaves the foreground's colours; at 1 its mean colour is that of the place where it stands, as
            far as a gain of 1.6 brings it.

    Returns:
        The mask, float32 (H, W): 1 where the foreground covers half or more of a pixel, else 0.
    """
    left, top, right, bottom = recipe.box
    if shadow:
        _darken(picture, recipe.box, shadow)
    color, alpha = _cutout(pictures, recipe)
    place = picture[:, top:bottom, left:right]
    if match_colors:
        color = _matched(color, alpha, place, match_colors)
    place *= 1 - alpha
    place += color
    mask = np.zeros(picture.shape[1:], dtype=np.float32)
    mask[top:bottom, left:right] = alpha >= 0.5
    return mask


def depth_levels(pictures: Pictures, recipe: Recipe, mask: np.ndarray, zero_is_invalid: bool) -> np.ndarray:
    """The background's depth as it is stored, and over ``mask`` that of the ground at the foreground's feet: the median
    along its lowest row. Where nothing is known there, the foreground's depth is not known either (level 0; NaN of
    floats).
    """
    levels = np.array(pictures.depths[recipe.background])
    left, _, right, bottom = recipe.box
    feet = levels[bottom - 1, left:right]
    known = feet[np.isfinite(feet) & ((feet > 0) if zero_is_invalid else (feet >= 0))]
    unknown = np.nan if levels.dtype.kind == "f" else 0
    levels[mask > 0] = np.median(known) if known.size else unknown
    return levels


def _cutout(pictures: Pictures, recipe: Recipe) -> tuple[np.ndarray, np.ndarray]:
    """Colours times alpha (3, h, w) and alpha (h, w), both in [0, 1]."""
    left, top, right, bottom = recipe.box
    height, width = pictures.shapes[recipe.foreground]
    stored = torch.from_numpy(np.array(pictures.cutouts[recipe.foreground, :height, :width])).permute(
        2, 0, 1
    )[None]
    # The same numbers as Pillow's, several times as fast.
    small = F.interpolate(stored, (bottom - top, right - left), mode="bilinear", antialias=True)[0]
    array = small.permute(1, 2, 0).numpy()
    if recipe.mirrored:
        array = array[:, ::-1]
    scaled = array.transpose(2, 0, 1).astype(np.float32)
    scaled /= np.float32(255)
    return scaled[:3], scaled[3]


def _darken(picture: np.ndarray, box: tuple[int, int, int, int], strength: float) -> None:
    """A soft ellipse around the middle of the foreground's feet, in place."""
    left, _, right, bottom = box
    wide, tall = _SHADOW_WIDTH * (right - left), _SHADOW_HEIGHT * (right - left)
    size = picture.shape[1]
    low, high = max(0, int(bottom - 3 * tall)), min(size, int(bottom + 3 * tall) + 1)
    near, far = max(0, int(left - wide)), min(size, int(right + wide) + 1)
    across = (np.arange(near, far, dtype=np.float32) + 0.5 - (left + right) / 2) / wide
    down = (np.arange(low, high, dtype=np.float32) + 0.5 - bottom) / tall
    taken = np.exp(-down * down)[:, None] * np.exp(-across * across)
    picture[:, low:high, near:far] *= 1 - np.float32(strength) * taken


def _matched(color: np.ndarray, alpha: np.ndarray, place: np.ndarray, share: float) -> np.ndarray:
    mean = color.sum(axis=(1, 2)) / max(float(alpha.sum()), 1.0)
    gain = np.clip(place.mean(axis=(1, 2)) / np.maximum(mean, 1e-3), 1 / _LARGEST_GAIN, _LARGEST_GAIN)
    gain = 1 + np.float32(share) * (gain - 1)
    return np.minimum(color * gain[:, None, None], alpha)
