"""What stands behind a person: a gradient, out-of-focus lights, stripes, or a mottled wall."""

from __future__ import annotations

import numpy as np

from cnnlib.datasets.scenes.textures import noise

KINDS = ("gradient", "lights", "stripes", "wall")


def backdrop(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Colours (M, 3) at shares x, y (M,) of the picture."""
    top, bottom, third = rng.uniform(0.15, 0.95) * rng.uniform(0.55, 1, (3, 3))
    angle = rng.uniform(0, 2 * np.pi)
    ramp = np.clip(0.5 + (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle), 0, 1)[:, None]
    colors = top + ramp * (bottom - top)
    kind = KINDS[rng.integers(len(KINDS))]
    if kind == "lights":
        for _ in range(rng.integers(4, 9)):
            _light(colors, rng, x, y)
    elif kind == "stripes":
        wave = np.sin((x * np.cos(angle / 4) + y * np.sin(angle / 4)) * rng.uniform(15, 45) + angle)
        colors += np.clip(2.5 * wave, -1, 1)[:, None] * (third - colors) * rng.uniform(0.1, 0.35)
    elif kind == "wall":
        u, v = rng.uniform(0, 4, 2)
        grain = noise((x * 0.9 + u).astype(np.float32), (y * 0.9 + v).astype(np.float32))
        colors += 0.09 * grain[:, None] * third
    return np.clip(colors, 0, 1)


def _light(colors: np.ndarray, rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> None:
    """One blurred disc."""
    center, radius = rng.uniform(0, 1, 2), rng.uniform(0.06, 0.24)
    disc = np.clip((radius - np.hypot(x - center[0], y - center[1])) / 0.03, 0, 1)
    colors += (rng.uniform(0.2, 0.5) * disc)[:, None] * (rng.uniform(0.3, 1, 3) - colors)
