"""Procedural surface patterns, filtered to the size of a pixel so that they do not alias.

A pattern maps surface coordinates u, v (M,) in metres and the pixel's footprint there, ``wide_u`` and ``wide_v``
(M,) in metres, to a blend (M,) between a texture's two colours and a brightness (M,) around 1.
The box filter of a periodic function is the difference of its integral over the footprint
(Quilez, "Filterable procedurals").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import numpy as np

_NOISE_SIZE = 512
_NOISE_METRES = 4.0
_TINTS = 1024

Look: TypeAlias = tuple[np.ndarray | np.float32, np.ndarray | np.float32]
"""A blend and a brightness, one for each point or one for all."""

Pattern: TypeAlias = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, "Texture"], Look]


@dataclass(frozen=True)
class Texture:
    """A pattern with its colours.

    Attributes:
        pattern: a name in ``PATTERNS``.
        colors: (2, 3), linear RGB in [0, 1].
        period: size of what repeats, in metres.
        turn: rotation of the pattern on its surface, radians.
        contrast: 0 to 1, how much the pattern's irregularities show.
        shift: (2,), metres: where on the infinite pattern this surface lies.
    """

    pattern: str
    colors: np.ndarray
    period: float
    turn: float = 0.0
    contrast: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)

    def albedo(self, u: np.ndarray, v: np.ndarray, wide_u: np.ndarray, wide_v: np.ndarray) -> np.ndarray:
        """Surface colours (3, M)."""
        if self.turn:
            cos, sin = np.float32(np.cos(self.turn)), np.float32(np.sin(self.turn))
            u, v = cos * u - sin * v, sin * u + cos * v
            wide_u, wide_v = (
                abs(cos) * wide_u + abs(sin) * wide_v,
                abs(sin) * wide_u + abs(cos) * wide_v,
            )
        u, v = u + np.float32(self.shift[0]), v + np.float32(self.shift[1])
        blend, tone = PATTERNS[self.pattern](u, v, wide_u, wide_v, self)
        first, second = self.colors.astype(np.float32)
        color = first[:, None] + (second - first)[:, None] * blend
        return np.clip(color * tone, 0, 1)


def plain(u: np.ndarray, v: np.ndarray, wide_u: np.ndarray, wide_v: np.ndarray, texture: Texture) -> Look:
    return np.float32(0), 1 + np.float32(0.05 * texture.contrast) * noise(u, v)


def checker(u: np.ndarray, v: np.ndarray, wide_u: np.ndarray, wide_v: np.ndarray, texture: Texture) -> Look:
    across = _square_wave(u, wide_u, texture.period)
    along = _square_wave(v, wide_v, texture.period)
    blend = np.float32(0.5) - np.float32(0.5) * across * along
    return blend, 1 + np.float32(0.1 * texture.contrast) * noise(2 * u, 2 * v)


def stripes(u: np.ndarray, v: np.ndarray, wide_u: np.ndarray, wide_v: np.ndarray, texture: Texture) -> Look:
    return np.float32(0.5) + np.float32(0.5) * _square_wave(u, wide_u, texture.period), np.float32(1)


def tiles(u: np.ndarray, v: np.ndarray, wide_u: np.ndarray, wide_v: np.ndarray, texture: Texture) -> Look:
    """Squares between thin joints."""
    return _masonry(u, v, wide_u, wide_v, texture, aspect=1.0, stagger=0.0, joint=0.035)


def bricks(u: np.ndarray, v: np.ndarray, wide_u: np.ndarray, wide_v: np.ndarray, texture: Texture) -> Look:
    return _masonry(u, v, wide_u, wide_v, texture, aspect=0.4, stagger=0.5, joint=0.05)


def planks(u: np.ndarray, v: np.ndarray, wide_u: np.ndarray, wide_v: np.ndarray, texture: Texture) -> Look:
    """Boards along u, eight times as long as wide, with their grain."""
    blend, tone = _masonry(u, v, wide_u, wide_v, texture, aspect=0.125, stagger=0.37, joint=0.006)
    grain = noise(np.float32(0.35) * u, 5 * v)
    return blend, tone * (1 + np.float32(0.13 * texture.contrast) * grain)


def dots(u: np.ndarray, v: np.ndarray, wide_u: np.ndarray, wide_v: np.ndarray, texture: Texture) -> Look:
    """Discs on a lattice whose every other row is shifted."""
    cell = np.float32(texture.period)
    row = np.floor(v / cell)
    u = u + np.float32(0.5) * cell * (row % 2)
    across = u - cell * (np.floor(u / cell) + np.float32(0.5))
    along = v - cell * (row + np.float32(0.5))
    wide = np.maximum(wide_u, wide_v)
    distance = np.sqrt(across * across + along * along) - np.float32(0.28) * cell
    disc = np.clip(np.float32(0.5) - distance / np.maximum(wide, np.float32(1e-4)), 0, 1)
    # Where a pixel is as large as the lattice only the mean colour is left.
    share = np.clip(wide / cell, 0, 1)
    return disc + share * (np.float32(0.246) - disc), np.float32(1)


def marble(u: np.ndarray, v: np.ndarray, wide_u: np.ndarray, wide_v: np.ndarray, texture: Texture) -> Look:
    zoom = np.float32(0.5 / texture.period)
    bent = zoom * (u + np.float32(0.6) * v) + np.float32(0.3) * noise(zoom * u, zoom * v)
    vein = 1 - np.abs(np.sin(np.float32(np.pi) * bent))
    return vein * vein * vein, np.float32(1)


def mottled(u: np.ndarray, v: np.ndarray, wide_u: np.ndarray, wide_v: np.ndarray, texture: Texture) -> Look:
    """Grass, sand, stone: two scales of noise."""
    zoom = np.float32(0.5 / texture.period)
    coarse = np.clip(np.float32(0.5) + np.float32(0.45) * noise(zoom * u, zoom * v), 0, 1)
    fine = noise(np.float32(3.1) * zoom * v, np.float32(3.1) * zoom * u)
    fade = np.clip(np.float32(1.2) - np.maximum(wide_u, wide_v) * zoom * 15, np.float32(0.15), 1)
    return coarse, 1 + np.float32(0.22 * texture.contrast) * fade * fine


PATTERNS: dict[str, Pattern] = {
    "plain": plain,
    "checker": checker,
    "stripes": stripes,
    "tiles": tiles,
    "bricks": bricks,
    "planks": planks,
    "dots": dots,
    "marble": marble,
    "mottled": mottled,
}


def noise(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Smooth fractal noise (M,) of mean 0 and deviation 1, periodic every 4 m."""
    scale = np.float32(_NOISE_SIZE / _NOISE_METRES)
    x, y = u * scale, v * scale
    left, top = np.floor(x), np.floor(y)
    x -= left
    y -= top
    mask = _NOISE_SIZE - 1
    column, row = left.astype(np.int32) & mask, (top.astype(np.int32) & mask) * _NOISE_SIZE
    field = _noise_field()
    next_column = (column + 1) & mask
    upper = field.take(row + column)
    upper += x * (field.take(row + next_column) - upper)
    row += _NOISE_SIZE
    row &= _NOISE_SIZE * _NOISE_SIZE - 1
    lower = field.take(row + column)
    lower += x * (field.take(row + next_column) - lower)
    return upper + y * (lower - upper)


@cache
def _noise_field() -> np.ndarray:
    """White noise shaped to fall with frequency, (size * size,)."""
    spectrum = np.fft.rfft2(np.random.default_rng(0).standard_normal((_NOISE_SIZE, _NOISE_SIZE)))
    rows = np.fft.fftfreq(_NOISE_SIZE)[:, None] * _NOISE_SIZE
    columns = np.fft.rfftfreq(_NOISE_SIZE)[None, :] * _NOISE_SIZE
    cycles = np.hypot(rows, columns)
    field = np.fft.irfft2(spectrum * np.exp(-((cycles / 90) ** 2)) / np.maximum(cycles, 4) ** 1.3)
    field = (field - field.mean()) / field.std()
    return np.clip(field, -2.5, 2.5).astype(np.float32).ravel()


@cache
def _tint_table() -> np.ndarray:
    return np.random.default_rng(1).uniform(-1, 1, _TINTS).astype(np.float32)


def _square_wave(x: np.ndarray, wide: np.ndarray, period: float) -> np.ndarray:
    """A wave of -1 and 1 that changes every ``period`` metres, averaged over a width."""
    unit = np.float32(0.5 / period)
    half = np.maximum(wide * unit, np.float32(1e-3)) * np.float32(0.5)
    return (_triangle(x * unit + half) - _triangle(x * unit - half)) / (2 * half)


def _triangle(x: np.ndarray) -> np.ndarray:
    """The integral of the square wave that changes every half."""
    return np.abs(x - np.floor(x) - np.float32(0.5))


def _joint(x: np.ndarray, wide: np.ndarray, share: float) -> np.ndarray:
    """Pulses around the whole numbers, each ``share`` wide, averaged over a width; (M,) in [0, 1]."""
    half = np.float32(0.5) * np.maximum(wide, np.float32(1e-3))
    x = x + np.float32(0.5 * share)
    return (_pulse_integral(x + half, share) - _pulse_integral(x - half, share)) / (2 * half)


def _pulse_integral(x: np.ndarray, share: float) -> np.ndarray:
    whole = np.floor(x)
    return whole * np.float32(share) + np.minimum(x - whole, np.float32(share))


def _masonry(
    u: np.ndarray,
    v: np.ndarray,
    wide_u: np.ndarray,
    wide_v: np.ndarray,
    texture: Texture,
    aspect: float,
    stagger: float,
    joint: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Courses of stones ``period`` long and ``aspect`` times as high, every one with a tint of its own.

    ``stagger`` is how far a course is shifted along the one below, and ``joint`` how wide a joint is, in lengths.
    """
    length, height = np.float32(texture.period), np.float32(texture.period * aspect)
    y = v / height
    course = np.floor(y)
    x = u / length + np.float32(stagger) * course
    stone = np.floor(x)
    unit_u, unit_v = wide_u / length, wide_v / height
    upright = _joint(x, unit_u, joint)
    level = _joint(y, unit_v, joint / aspect)
    blend = upright + level - upright * level
    index = (stone.astype(np.int32) * 73 + course.astype(np.int32) * 151) & (_TINTS - 1)
    fade = np.clip(np.float32(1.2) - np.maximum(unit_u, unit_v), 0, 1)
    tone = 1 + fade * np.float32(0.16 * texture.contrast) * _tint_table()[index]
    return blend, tone
