"""Pictures and points of faces, each a pure function of (seed, split, index, size).

Every pixel is the mean of 2 x 2 samples. Each follows a ray to the solid that is nearest to the viewer: the head, its
hair, ears, neck or body.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from cnnlib.datasets.faces.backdrop import backdrop
from cnnlib.datasets.faces.blobs import Blobs
from cnnlib.datasets.faces.face import Face, sample_face
from cnnlib.datasets.faces.features import paint_front
from cnnlib.datasets.faces.glasses import frame_distance, in_plane, lens_distance, temples
from cnnlib.datasets.faces.hair import hair, hair_colors, stays
from cnnlib.datasets.faces.head import body, ears, head, neck, rotation
from cnnlib.datasets.faces.landmarks import landmarks
from cnnlib.datasets.faces.painting import blend, coverage, spot
from cnnlib.datasets.scenes.render import generator
from cnnlib.types import Split

_SAMPLES = 2
"""Along each side of a pixel."""

Painter = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Colours (M, 3) before shading, of points and normals (3, M) in the part's own space."""


def render(seed: int, split: Split, indices: Iterable[int], size: int) -> dict[str, np.ndarray]:
    """Renders N faces, at least one.

    Returns:
        image: uint8 (N, 3, size, size).
        points: float32 (N, 68, 2), pixels x, y with (0, 0) at the centre of the first; hidden ones too.
    """
    images, points = [], []
    for index in indices:
        rng = generator(seed, split, index)
        face = sample_face(rng)
        images.append(draw(face, size, rng))
        points.append(landmarks(face, head(face), size))
    return {"image": np.stack(images), "points": np.stack(points)}


def draw(face: Face, size: int, rng: np.random.Generator) -> np.ndarray:
    """The picture, uint8 (3, size, size); ``rng`` chooses what stands behind the face."""
    shares = (np.arange(size * _SAMPLES) + 0.5) / (size * _SAMPLES)
    v, u = (grid.ravel() for grid in np.meshgrid(shares, shares, indexing="ij"))
    colors = backdrop(rng, u, v)
    x, y = (u - face.pose.center[0]) / face.pose.scale, (v - face.pose.center[1]) / face.pose.scale
    depth = np.full(x.shape, -np.inf, np.float32)
    _draw_person(colors, depth, face, x.astype(np.float32), y.astype(np.float32), _pixel(face, size))
    shown = colors.reshape(size, _SAMPLES, size, _SAMPLES, 3).mean((1, 3)).transpose(2, 0, 1)
    shown = shown + rng.uniform(0.002, 0.012) * rng.standard_normal(shown.shape)
    return (np.clip(shown, 0, 1) * 255 + 0.5).astype(np.uint8)


def _pixel(face: Face, size: int) -> float:
    """The width of a sample, in units of the head."""
    return 1 / (size * _SAMPLES * face.pose.scale)


def _draw_person(
    colors: np.ndarray, depth: np.ndarray, face: Face, x: np.ndarray, y: np.ndarray, pixel: float
) -> None:
    """Draws over ``colors`` (M, 3) and ``depth`` (M,) in place, the parts in any order."""
    upright = replace(face.pose, yaw=0.5 * face.pose.yaw, pitch=0, roll=0.25 * face.pose.roll)
    turn, level = rotation(face.pose), rotation(upright)
    parts: list[tuple[Blobs, np.ndarray, Painter]] = [
        (head(face), turn, lambda points, normals: _head(face, points, pixel)),
        (ears(face), turn, lambda points, normals: _ear(face, points)),
        (neck(), level, lambda points, normals: _neck(face, points)),
        (body(), level, lambda points, normals: _cloth(face, points)),
    ]
    for solid, own, painter in parts:
        _draw_part(colors, depth, face, solid.turned(own), own, painter, x, y)
    if (solid := hair(face)) is not None:
        light = turn.T @ face.light

        def painter(points: np.ndarray, normals: np.ndarray) -> np.ndarray:
            return hair_colors(face, points, normals, light)

        _draw_part(colors, depth, face, solid.turned(turn), turn, painter, x, y, cut=True)
    if face.look.glasses != "none":
        _draw_glasses(colors, depth, face, turn, x, y, pixel)


def _draw_part(
    colors: np.ndarray,
    depth: np.ndarray,
    face: Face,
    solid: Blobs,
    turn: np.ndarray,
    painter: Painter,
    x: np.ndarray,
    y: np.ndarray,
    cut: bool = False,
) -> None:
    low, high = solid.box()
    index = np.flatnonzero((x > low[0]) & (x < high[0]) & (y > low[1]) & (y < high[1]) & (depth < high[2]))
    z = solid.first_hit(x[index], y[index])
    nearer = z > depth[index]
    index, z = index[nearer], z[nearer]
    points = np.stack([x[index], y[index], z])
    if cut:
        kept = stays(face, turn.T @ points, np.isinf(depth[index]))
        index, points = index[kept], points[:, kept]
    normals = solid.normals(points)
    colors[index] = shaded(painter(turn.T @ points, turn.T @ normals), normals, face.light)
    depth[index] = points[2]


def shaded(colors: np.ndarray, normals: np.ndarray, light: tuple[float, float, float]) -> np.ndarray:
    """Colours (M, 3) under a lamp and the sky; shadows are warm and soft."""
    direction = np.array(light) / np.linalg.norm(light)
    diffuse = np.clip((direction @ normals + 0.4) / 1.4, 0, 1)[:, None]
    grazing = np.clip(1 - normals[2], 0, 1)[:, None] ** 2
    dark, bright = np.array([0.48, 0.42, 0.44]), np.array([1.1, 1.09, 1.06])
    half = direction + np.array([0, 0, 1])
    gloss = np.clip(half / np.linalg.norm(half) @ normals, 0, 1)[:, None] ** 24
    return colors * (dark + diffuse * (bright - dark)) * (1 - 0.22 * grazing) + 0.05 * gloss


def _skin(face: Face, points: np.ndarray) -> np.ndarray:
    return np.tile(np.array(face.look.skin), (points.shape[1], 1))


def _head(face: Face, points: np.ndarray, pixel: float) -> np.ndarray:
    colors = _skin(face, points)
    if face.look.style in ("cropped", "horseshoe", "bun", "quiff"):
        skin = np.array(face.look.skin) * 0.8
        blend(colors, skin, 0.5 * np.clip((-0.55 - points[1]) / 0.25, 0, 1))
    front = np.flatnonzero(points[2] > -0.05)
    part = colors[front]
    paint_front(part, face, points[0, front], points[1, front], pixel)
    colors[front] = part
    return colors


def _ear(face: Face, points: np.ndarray) -> np.ndarray:
    colors = _skin(face, points) * (1.0, 0.94, 0.93)
    shell = spot(np.abs(points[0]), points[1], (0.89 * face.shape.width, 0.03), (0.04, 0.13))
    blend(colors, np.array(face.look.skin) * (0.62, 0.48, 0.45), 0.6 * shell)
    return colors


def _neck(face: Face, points: np.ndarray) -> np.ndarray:
    """In the chin's shadow at its top."""
    shadow = np.clip(1.65 - points[1], 0.2, 0.7)[:, None]
    return _skin(face, points) * (1 - shadow * (0.42, 0.5, 0.5))


def _cloth(face: Face, points: np.ndarray) -> np.ndarray:
    colors = np.tile(np.array(face.look.clothes), (points.shape[1], 1))
    y = points[1]
    width = face.look.pattern % 5
    if width > 2:
        band = coverage(np.abs((y * width) % 1 - 0.5) - 0.25, 0.1)
        blend(colors, 0.35 + 0.6 * np.array(face.look.frame), band)
    blend(colors, np.array(face.look.clothes) * 0.75, coverage(y - 1.57, 0.04))
    return colors


def _draw_glasses(
    colors: np.ndarray,
    depth: np.ndarray,
    face: Face,
    turn: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    pixel: float,
) -> None:
    local_x, local_y, z = in_plane(turn, x, y)
    front = z > depth - 0.1
    blend(colors, (1, 1, 1), 0.1 * front * coverage(lens_distance(face, local_x, local_y), pixel))
    for start, end in temples(face) @ turn.T:
        share, distance = _to_segment(start, end, x, y)
        seen = start[2] + share * (end[2] - start[2]) > depth - 0.03
        blend(colors, face.look.frame, seen * coverage(distance - 0.016, pixel))
    blend(colors, face.look.frame, front * coverage(frame_distance(face, local_x, local_y), pixel))


def _to_segment(
    start: np.ndarray, end: np.ndarray, x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where along a segment each point is nearest, 0 to 1, and its distance there."""
    across, down = end[:2] - start[:2]
    share = ((x - start[0]) * across + (y - start[1]) * down) / max(across**2 + down**2, 1e-9)
    share = np.clip(share, 0, 1)
    return share, np.hypot(x - start[0] - share * across, y - start[1] - share * down)
