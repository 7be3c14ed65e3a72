"""What things are made of: palettes chosen by eye, and textures drawn from them.

Boards, tiles and bricks have one size everywhere, as they have in life: it shows how far away they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from cnnlib.datasets.scenes.backdrop import Sky
from cnnlib.datasets.scenes.textures import Texture

WALL_PAINTS = (
    "efe9dd", "e4e0d8", "cfd8c6", "c5d6dc", "e8cfae", "dcb9a3", "b7c4ad", "d9c9dc", "8fa3ad", "e9c46a",
    "6f8f8a", "b5654a", "48607a", "f3f1ec",
)  # fmt: skip
WOODS = ("b98a57", "8a5a33", "d3ab78", "6b4226", "a9744a", "c49a6c", "4f3524")
STONES = ("d8d4cc", "a7a29a", "777b80", "c9b79c", "8c7a6b", "b9c0c2", "5d6166")
BRICKS = ("a9533a", "8f4433", "b86b4b", "9c8b7a", "c7b8a3", "7c4a3c")
GROUNDS = (
    ("5f7a35", "8a9a4b"), ("4c6b2f", "7a8f3f"), ("d2b684", "c09f6b"), ("a38560", "7d6346"), ("8d8a80", "b3aea2"),
    ("b58a5a", "d0a878"), ("6f7f45", "a39a5c"),
)  # fmt: skip
OBJECT_COLORS = (
    "d62839", "f3722c", "f9c74f", "90be6d", "2a9d8f", "277da1", "3d5a99", "7b4bb3", "e56b9f", "f4f1ea",
    "2f3437", "b5e2ea", "a63a50", "e9d8a6", "1b998b", "ff9f80",
)  # fmt: skip
SKIES = (  # zenith, horizon, hills
    ("4f8fd0", "cfe3f2", "5d7f8f"), ("3d78c0", "e4ecf0", "56776a"), ("7f9fc0", "f3d9bc", "7d6f80"),
    ("8fa6b8", "dfe3e4", "6f7f86"), ("5a78b8", "f2c6a0", "665a78"), ("6fb2dd", "eaf4f4", "4f7f66"),
)  # fmt: skip
# Patterns; one that is named twice is drawn twice as often.
_FLOORS = (
    "planks",
    "planks",
    "planks",
    "tiles",
    "tiles",
    "checker",
    "checker",
    "mottled",
    "marble",
    "bricks",
)
_WALLS = ("plain", "plain", "plain", "plain", "stripes", "stripes", "bricks", "bricks", "tiles", "dots")
_GROUNDS = ("mottled", "mottled", "mottled", "mottled", "mottled", "tiles", "tiles", "bricks", "checker")
_OBJECTS = ("plain", "stripes", "checker", "dots", "marble", "planks", "tiles", "mottled")

Option = TypeVar("Option")


def chosen(rng: np.random.Generator, options: Sequence[Option]) -> Option:
    """One of the options; several times as quick as ``rng.choice``, which makes an array of them first."""
    return options[rng.integers(len(options))]


def linear(color: str) -> np.ndarray:
    """``"rrggbb"`` as displayed to linear RGB (3,); the display's curve is taken for a square, as in ``render``."""
    return np.array([int(color[i : i + 2], 16) / 255 for i in (0, 2, 4)]) ** 2


def floor_texture(rng: np.random.Generator) -> Texture:
    pattern = chosen(rng, _FLOORS)
    turn = chosen(rng, (0.0, np.pi / 2, np.pi / 4))
    if pattern == "planks":
        wood = _pick(rng, WOODS)
        return Texture(pattern, np.stack([wood, 0.3 * wood]), 1.3, turn, 1.0, _shift(rng))
    first, second = _two(rng, STONES)
    if pattern == "tiles":
        colors = np.stack([first, 0.45 * first])
        return Texture(pattern, colors, 0.5, turn, 0.8, _shift(rng))
    if pattern == "bricks":
        brick = _pick(rng, BRICKS)
        return Texture(pattern, np.stack([brick, second]), 0.45, turn, 1.0, _shift(rng))
    if pattern == "mottled":  # a carpet
        carpet = _pick(rng, WALL_PAINTS)
        return Texture(pattern, np.stack([carpet, 0.8 * carpet]), 0.5, 0.0, 0.5, _shift(rng))
    if pattern == "marble":
        return Texture(pattern, np.stack([linear("e9e6df"), 0.6 * second]), 0.9, turn, 1.0, _shift(rng))
    dark = _pick(rng, ("3b3f45", "6e4a3a", "4d6470", "5c6b57"))
    return Texture(pattern, np.stack([linear("e6e0d4"), dark]), 0.5, turn, 1.0, _shift(rng))


def wall_texture(rng: np.random.Generator) -> Texture:
    pattern = chosen(rng, _WALLS)
    paint = _pick(rng, WALL_PAINTS)
    if pattern == "bricks":
        mortar = linear("cfc8bd")
        return Texture(pattern, np.stack([_pick(rng, BRICKS), mortar]), 0.42, 0.0, 1.0, _shift(rng))
    if pattern == "tiles":
        return Texture(pattern, np.stack([paint, 0.6 * paint]), 0.3, 0.0, 0.5, _shift(rng))
    return Texture(pattern, np.stack([paint, rng.uniform(0.72, 0.85) * paint]), 0.24, 0.0, 1.0, _shift(rng))


def ceiling_texture(rng: np.random.Generator) -> Texture:
    white = _pick(rng, ("f4f1ea", "ece8df", "f6f6f3"))
    return Texture("plain", np.stack([white, white]), 1.0, 0.0, 0.4, _shift(rng))


def ground_texture(rng: np.random.Generator) -> Texture:
    pattern = chosen(rng, _GROUNDS)
    if pattern == "mottled":
        first, second = (linear(color) for color in GROUNDS[rng.integers(len(GROUNDS))])
        return Texture(pattern, np.stack([first, second]), 0.35, 0.0, 1.0, _shift(rng))
    first, second = _two(rng, STONES)
    if pattern == "checker":
        return Texture(pattern, np.stack([first, 0.5 * second]), 0.5, rng.uniform(0, np.pi), 1.0, _shift(rng))
    period = 0.5 if pattern == "tiles" else 0.45
    colors = np.stack([first, 0.45 * first])
    return Texture(pattern, colors, period, rng.uniform(0, np.pi), 1.0, _shift(rng))


def skirting_color(rng: np.random.Generator) -> np.ndarray:
    return _pick(rng, ("f5f2ec", "f5f2ec", "6b4226", "3a3d40"))


def object_texture(rng: np.random.Generator, girth: float) -> Texture:
    """``girth`` is the radius that it is wrapped around: a whole number of repeats goes once around."""
    pattern = chosen(rng, _OBJECTS)
    first, second = _two(rng, OBJECT_COLORS)
    repeats = 2 * int(rng.integers(3, 7))
    period = 2 * np.pi * girth / repeats
    if pattern == "planks":
        wood = _pick(rng, WOODS)
        return Texture(pattern, np.stack([wood, 0.35 * wood]), 4 * period, np.pi / 2, 1.0, _shift(rng))
    if pattern == "marble":
        return Texture(pattern, np.stack([first, linear("f4f1ea")]), 0.35, 0.0, 1.0, _shift(rng))
    if pattern == "mottled":
        return Texture(pattern, np.stack([first, 0.6 * first]), 0.5, 0.0, 0.6, _shift(rng))
    if pattern == "tiles":
        second = 0.5 * first
    turn = chosen(rng, (0.0, np.pi / 2)) if pattern == "stripes" else 0.0
    return Texture(pattern, np.stack([first, second]), period, turn, 1.0, _shift(rng))


def sky_of(rng: np.random.Generator) -> Sky:
    zenith, horizon, hills = (linear(color) for color in SKIES[rng.integers(len(SKIES))])
    return Sky(zenith, horizon, hills, rng.uniform(0.05, 0.14), _shift(rng))


def _pick(rng: np.random.Generator, colors: tuple[str, ...]) -> np.ndarray:
    """One colour of a palette, a little lighter or darker and warmer or cooler than it stands there."""
    color = linear(colors[rng.integers(len(colors))])
    return np.clip(color * rng.uniform(0.85, 1.15) * rng.uniform(0.95, 1.05, 3), 0, 0.95)


def _two(rng: np.random.Generator, colors: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Two different colours of a palette."""
    first = int(rng.integers(len(colors)))
    rest = colors[:first] + colors[first + 1 :]
    return _pick(rng, colors[first : first + 1]), _pick(rng, rest)


def _shift(rng: np.random.Generator) -> tuple[float, float]:
    return float(rng.uniform(0, 4)), float(rng.uniform(0, 4))
