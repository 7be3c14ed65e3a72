"""The front of a foot, farther away than its heel: instep, ball and toes, as one round solid."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cnnlib.datasets.faces.blobs import Ellipsoid, union
from cnnlib.datasets.faces.painting import blend, coverage
from cnnlib.datasets.faces.render import shaded
from cnnlib.datasets.feet.foot import Foot
from cnnlib.datasets.feet.skin import skin_colors

_TOES = 5
_ROUND = 0.2
"""About the radius of what is seen, for the width of its soft edge."""


def draw_front(colors: np.ndarray, foot: Foot, across: np.ndarray, up: np.ndarray, width: float) -> None:
    """Over ``colors`` (M, 3) in place, at places (M,) to the inner side and up the picture."""
    turn = _turn(foot)
    solid = union(_ellipsoids(foot), blend=0.05).turned(turn)
    low, high = solid.box()
    index = np.flatnonzero((across > low[0]) & (across < high[0]) & (-up > low[1]) & (-up < high[1]))
    z = solid.first_hit(across[index], -up[index])
    hit = np.isfinite(z)
    index, z = index[hit], z[hit]
    points = np.stack([across[index], -up[index], z])
    normals = solid.normals(points)
    side, down, _ = turn.T @ points
    own = shaded(skin_colors(foot, side, -down, width), normals, foot.light)
    own *= (0.68 + 0.32 * np.clip(-down / 0.16, 0, 1))[:, None]  # little light comes under the foot
    shown = colors[index]
    blend(shown, own, coverage(-0.5 * _ROUND * normals[2] ** 2, width))
    colors[index] = shown


def _turn(foot: Foot) -> np.ndarray:
    """(3, 3): from the foot's own space, x to its inner side, y down, z backwards, to the picture's."""
    out, down = np.radians([foot.side * foot.view.azimuth - foot.shape.toe_out, foot.view.elevation])
    around = np.array([[np.cos(out), 0, -np.sin(out)], [0, 1, 0], [np.sin(out), 0, np.cos(out)]])
    over = np.array([[1, 0, 0], [0, np.cos(down), np.sin(down)], [0, -np.sin(down), np.cos(down)]])
    return over @ around


def _ellipsoids(foot: Foot) -> Iterator[Ellipsoid]:
    """The arch lifts the inner side of the instep off the ground."""
    wide, arch = foot.shape.forefoot, foot.shape.arch
    yield (0.02, -0.36 - 0.04 * arch, -0.5), (0.27 + 0.04 * (1 - arch), 0.3, 0.35)
    yield (-0.02 - 0.04 * arch, -0.3 - 0.05 * arch, -0.85), (0.28 * wide, 0.24, 0.45)
    yield (-0.13, -0.12, -0.9), (0.17, 0.12, 0.6)  # the outer edge, on the ground
    yield (0.0, -0.2 - 0.02 * arch, -1.25), (0.34 * wide, 0.18, 0.42)
    yield (0.02, -0.14, -1.65), (0.42 * wide, 0.13, 0.3)
    for toe in range(_TOES):
        inner = 1 - toe / (_TOES - 1)  # 1 is the big toe
        size = 0.065 + 0.04 * inner**2
        yield (wide * (-0.35 + 0.66 * inner), -size, -1.85 - 0.3 * inner**0.6), (size, size, 0.22)
