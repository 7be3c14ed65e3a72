"""Which rays of the camera meet what."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from cnnlib.datasets.scenes.backdrop import nearest_surface
from cnnlib.datasets.scenes.layout import Scene
from cnnlib.datasets.scenes.vectors import column, pick, put


@dataclass(frozen=True)
class Trace:
    """What each of M rays from the camera meets.

    Attributes:
        directions: (3, M), one unit is a metre of depth.
        backdrop_depth: (M,), of the surface behind the objects, infinite for the sky.
        surface: (M,), its index, -1 for the sky.
        depth: (M,), of what is seen.
        item: (M,), index of the object that is seen, -1 for the backdrop.
    """

    directions: np.ndarray
    backdrop_depth: np.ndarray
    surface: np.ndarray
    depth: np.ndarray
    item: np.ndarray

    def select(self, index: np.ndarray) -> Trace:
        """The rays of these indices."""
        return Trace(*(np.take(getattr(self, field.name), index, axis=-1) for field in fields(self)))

    def join(self, other: Trace) -> Trace:
        """The rays of both."""
        return Trace(
            *(
                np.concatenate([getattr(self, field.name), getattr(other, field.name)], axis=-1)
                for field in fields(self)
            )
        )


def trace(scene: Scene, directions: np.ndarray) -> Trace:
    """Follows rays (3, M) from the camera."""
    camera = scene.camera
    backdrop_depth, surface = nearest_surface(scene.surfaces, camera, directions)
    depth, item = backdrop_depth.copy(), np.full(backdrop_depth.shape, -1, np.int8)
    for i, candidate in enumerate(scene.objects):
        hit, t = candidate.hits(camera.position[:, None], directions)
        seen = t < depth[hit]
        depth[hit[seen]] = t[seen]
        item[hit[seen]] = i
    return Trace(directions, backdrop_depth, surface, depth, item)


def world_normals(scene: Scene, seen: Trace) -> np.ndarray:
    """Unit normals (3, M) of what is seen, in the world; 0 for the sky."""
    known = [surface.normal for surface in scene.surfaces]
    table = np.stack([*known, np.zeros(3)], axis=1).astype(np.float32)  # the sky's index is -1
    normals = pick(table, seen.surface)
    for i, item in enumerate(scene.objects):
        index = np.flatnonzero(seen.item == i)
        directions = pick(seen.directions, index)
        points = column(scene.camera.position) + directions * seen.depth[index]
        normal = item.to_world(item.solid.body.normal(item.local_points(points)))
        put(normals, index, _facing(normal, directions))
    return normals


def _facing(normals: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """What is seen faces the ray; at a silhouette, rounding of the hit point may turn a normal a little beyond it."""
    away = np.maximum((normals * directions).sum(0), 0) / (directions**2).sum(0)
    turned = normals - away * directions
    return turned / np.linalg.norm(turned, axis=0)
