"""Hair styles and what is worn instead: solids around the skull, cut open where the face looks out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cnnlib.datasets.faces.blobs import Blobs, Ellipsoid, union
from cnnlib.datasets.faces.face import Face
from cnnlib.datasets.faces.head import CRANIUM, both_sides, widened
from cnnlib.datasets.scenes.textures import noise


@dataclass(frozen=True)
class Cut:
    """Where hair ends.

    Attributes:
        hairline: y of its middle at the forehead.
        lean: by how much the hairline falls from one side to the other.
        reach: half the width of the opening, and z from which on it is open.
        sideburns, nape: y of the lower end, in front of the ears and at the back.
        ragged: how uneven the ends are.
        crown: y above which the head is bald.
        chin: y down to which the opening reaches.
    """

    hairline: float
    reach: tuple[float, float]
    sideburns: float
    nape: float
    lean: float = 0.0
    ragged: float = 0.03
    crown: float = -9.0
    chin: float = 1.6


@dataclass(frozen=True)
class Style:
    cut: Cut
    ellipsoids: Callable[[np.random.Generator], list[Ellipsoid]]
    strands: tuple[float, float] = (3.0, 0.35)
    """How often the tone changes around the head and from top to bottom."""


def _cap(thickness: float) -> list[Ellipsoid]:
    (x, y, z), axes = CRANIUM
    return [((x, y, z), tuple(axis + thickness for axis in axes))]


def _locks(length: float) -> list[Ellipsoid]:
    return both_sides([((0.8, 0.05 + length / 2, -0.12), (0.2, 0.35 + length / 2, 0.32))])


def _curtain(length: float) -> list[Ellipsoid]:
    """What hangs down behind the neck."""
    return [((0, 0.1 + length / 2, -0.62), (0.8, 0.5 + length / 2, 0.34))]


def _curls(rng: np.random.Generator, radius: float, lowest: float) -> list[Ellipsoid]:
    directions = rng.normal(size=(32, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    directions = directions[(directions[:, 1] < lowest)]
    middles = np.array(CRANIUM[0]) + directions * np.array(CRANIUM[1]) * radius
    sizes = rng.uniform(0.22, 0.34, len(middles))
    return [((x, y, z), (s, s, s)) for (x, y, z), s in zip(middles.tolist(), sizes.tolist(), strict=True)]


STYLES: dict[str, Style] = {
    "horseshoe": Style(Cut(-0.74, (0.78, 0.2), 0.1, 0.5, ragged=0.015, crown=-0.5), lambda rng: _cap(0.035)),
    "cropped": Style(Cut(-0.74, (0.78, 0.2), 0.1, 0.45), lambda rng: _cap(0.045)),
    "quiff": Style(
        Cut(-0.74, (0.76, 0.2), 0.06, 0.45),
        lambda rng: [
            *_cap(0.06),
            ((0.05, -1.18, 0.36), (0.5, 0.25, 0.42)),
            ((0.2, -1.25, 0.5), (0.3, 0.2, 0.3)),
        ],
    ),
    "parted": Style(
        Cut(-0.68, (0.76, 0.2), 0.12, 0.5, lean=0.45),
        lambda rng: [*_cap(0.08), ((-0.25, -1.05, 0.2), (0.55, 0.26, 0.6))],
    ),
    "fringe": Style(
        Cut(-0.42, (0.72, 0.2), 0.15, 0.6, ragged=0.06),
        lambda rng: [*_cap(0.1), ((0, -0.72, 0.45), (0.66, 0.4, 0.46))],
    ),
    "bob": Style(
        Cut(-0.55, (0.73, 0.1), 0.95, 1.0, lean=0.2),
        lambda rng: [*_cap(0.11), *_locks(0.9), *_curtain(0.9)],
    ),
    "long": Style(
        Cut(-0.7, (0.72, 0.1), 2.2, 2.2, lean=0.12, ragged=0.05),
        lambda rng: [*_cap(0.1), *_locks(1.9), *_curtain(1.9)],
    ),
    "curls": Style(
        Cut(-0.6, (0.74, 0.15), 0.45, 0.8, ragged=0.05),
        lambda rng: [*_cap(0.1), *_curls(rng, 1.06, 0.45)],
        strands=(2.0, 2.0),
    ),
    "afro": Style(
        Cut(-0.66, (0.76, 0.2), 0.4, 0.7, ragged=0.05),
        lambda rng: [((0, -0.55, -0.2), (1.18, 1.08, 1.05)), *_curls(rng, 1.25, 0.1)],
        strands=(4.0, 4.0),
    ),
    "bun": Style(
        Cut(-0.76, (0.77, 0.2), 0.0, 0.5),
        lambda rng: [*_cap(0.05), ((0, -1.38, -0.25), (0.36, 0.3, 0.36))],
    ),
    "beanie": Style(
        Cut(-0.5, (3.0, 0.0), -0.3, -0.15, ragged=0.0),
        lambda rng: [*_cap(0.1), ((0, -0.95, -0.1), (0.62, 0.5, 0.7))],
        strands=(6.0, 0.0),
    ),
    "scarf": Style(
        Cut(-0.6, (0.76, 0.12), 3.0, 3.0, ragged=0.0, chin=1.2),
        lambda rng: [
            *_cap(0.1),
            *_locks(0.9),
            *_curtain(0.9),
            ((0, 1.45, -0.05), (0.75, 0.42, 0.6)),
            ((0, 1.12, 0.1), (0.58, 0.2, 0.45)),
        ],
        strands=(0.7, 0.5),
    ),
}


def hair(face: Face) -> Blobs | None:
    """The solid, in the head's space; None where there is none."""
    style = STYLES.get(face.look.style)
    if style is None:
        return None
    rng = np.random.default_rng(face.look.pattern)
    return union(widened(style.ellipsoids(rng), face.shape.width), blend=0.04)


def stays(face: Face, points: np.ndarray, nothing_behind: np.ndarray) -> np.ndarray:
    """Whether hair at points (3, M) of its surface is left by the cut; (M,), bool.

    Where there is nothing behind it, hair stays before the face: between both one would see the background.
    """
    cut, pattern = STYLES[face.look.style].cut, face.look.pattern
    x, y, z = points / np.array([[face.shape.width], [1], [1]])
    if cut.reach[0] > 1:  # a straight edge around the head
        return y < cut.hairline + (cut.nape - cut.hairline) * np.clip(0.5 - z / 2, 0, 1)
    grain = cut.ragged * noise((0.9 * x).astype(np.float32), (0.9 * z + pattern % 89).astype(np.float32))
    rise = (-1 if pattern % 2 else 1) * cut.lean * x + grain
    middle, half = (cut.chin + cut.hairline) / 2, (cut.chin - cut.hairline) / 2
    opening = (x / cut.reach[0]) ** 2 + ((y - rise - middle) / half) ** 2 < 1
    closed = ~(opening & (z > cut.reach[1])) | nothing_behind
    end = cut.sideburns + (cut.nape - cut.sideburns) * np.clip((0.1 - z) / 0.8, 0, 1)
    return closed & (y < end + 2 * grain) & (y > cut.crown + 0.25 * z + grain)


def hair_colors(face: Face, points: np.ndarray, normals: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Colours (M, 3) before shading, at points (3, M); normals and light in the same space."""
    style = STYLES[face.look.style]
    covers = face.look.style in ("beanie", "scarf")
    base = np.array(face.look.frame if covers else face.look.hair)
    x, y, z = points
    around, down = np.arctan2(x, z + 0.3), y + 0.4 * np.hypot(x, z)
    often, rarely = style.strands
    tone = noise(
        (often * around * 0.5).astype(np.float32), (rarely * down + face.look.pattern % 83).astype(np.float32)
    )
    colors = base * (1 + (0.1 if covers else 0.16) * tone[:, None])
    if not covers:
        half = light + np.array([0, 0, 1.0])
        shine = np.exp(-(((normals.T @ (half / np.linalg.norm(half))) - 0.93) ** 2) / 0.003)
        colors = colors + (0.22 * shine * (0.6 + 0.4 * np.clip(tone, -1, 1)))[:, None] * (0.35 + 0.65 * base)
    return colors
