"""The light that each pixel receives.

Textures are filtered, so one ray a pixel is enough; four go through each pixel on an edge.
"""

from __future__ import annotations

import numpy as np

from cnnlib.datasets.scenes import shading
from cnnlib.datasets.scenes.backdrop import MAX_DEPTH, haze, sky_color, surface_albedo
from cnnlib.datasets.scenes.layout import Scene
from cnnlib.datasets.scenes.tracing import Trace, trace
from cnnlib.datasets.scenes.vectors import column, dot, pick, put, unit

# A turned square: four columns and four rows, so that steep and flat edges get three shades between.
_SUBPIXELS = np.array([[-0.125, -0.375], [0.375, -0.125], [0.125, 0.375], [-0.375, 0.125]], np.float32)
_HORIZON = np.float32(500)  # metres; from there on all is haze
_SMOOTH = 0.95  # the cosine between the normals of neighbours, above which they are no edge


def radiance(scene: Scene, centers: Trace, normals: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Linear colours (3, size, size), without the objects and with them.

    ``centers`` is the trace through the pixels' centres, and ``normals`` (3, size * size) what is seen there.
    """
    edge = _edges(centers.item.astype(np.int16) * 256 + centers.surface, normals, size)
    split = np.flatnonzero(edge)
    places = np.stack([split % size, split // size], axis=1).astype(np.float32)[:, None] + 0.5 + _SUBPIXELS
    fine = trace(scene, scene.camera.rays(*(places.reshape(-1, 2).T / np.float32(size))))
    rays = centers.join(fine)
    pixel = np.concatenate([np.arange(size * size), split.repeat(len(_SUBPIXELS))])
    # Rays that meet the same surface stand side by side: slices are quicker than lists of indices.
    order = np.argsort(rays.surface, kind="stable")
    rays, pixel = rays.select(order), pixel[order]

    empty, full = _backdrop_colors(scene, rays, pixel, _backdrop_shadow(scene, centers, size), size)
    for i in range(len(scene.objects)):
        index = np.flatnonzero(rays.item == i)
        if len(index):
            shadow = _object_shadow(scene, i, centers, size)[pixel[index]]
            put(full, index, _object_colors(scene, i, rays.select(index), shadow, size))

    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    # Without the objects only the backdrop has edges: nothing must show where an object is to come.
    backdrop_edge = _edges(centers.surface, None, size)[split]
    return (
        _picture(pick(empty, place), size, split, backdrop_edge),
        _picture(pick(full, place), size, split, np.ones_like(backdrop_edge)),
    )


def _picture(colors: np.ndarray, size: int, split: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Colours of a ray for each pixel and then of four for each pixel of ``split``, to (3, size, size).

    ``used`` bool says for which of these the mean of the four is taken.
    """
    picture, fine = colors[:, : size * size].copy(), colors[:, size * size :]
    means = (fine[:, 0::4] + fine[:, 1::4] + fine[:, 2::4] + fine[:, 3::4]) * np.float32(0.25)
    put(picture, split[used], means[:, used])
    return picture.reshape(3, size, size)


def _edges(labels: np.ndarray, normals: np.ndarray | None, size: int) -> np.ndarray:
    """The pixels with a neighbour of another label or (if normals are given) another slope, bool (size * size,)."""
    labels = labels.reshape(size, size)
    edge = np.zeros((size, size), bool)
    for one, other in ((np.s_[:, 1:], np.s_[:, :-1]), (np.s_[1:, :], np.s_[:-1, :])):
        differs = labels[one] != labels[other]
        if normals is not None:
            facing = normals.reshape(3, size, size)
            cosine = dot(facing[:, *one], facing[:, *other])
            differs |= (cosine < _SMOOTH) & facing[:, *one].any(0)  # the sky, whose normal is 0, has no edges
        edge[one] |= differs
        edge[other] |= differs
    return edge.ravel()


def _backdrop_shadow(scene: Scene, centers: Trace, size: int) -> np.ndarray:
    """How much of the lamp the objects hide from what is behind them, (size * size,) in [0, 1]."""
    index = np.flatnonzero(centers.backdrop_depth < 2 * MAX_DEPTH)
    points = column(scene.camera.position) + pick(centers.directions, index) * centers.backdrop_depth[index]
    return shading.soft_shadow(scene.light, scene.objects, points, index, size)


def _object_shadow(scene: Scene, i: int, centers: Trace, size: int) -> np.ndarray:
    """How much of the lamp the other objects hide from object ``i``, (size * size,) in [0, 1]."""
    index = np.flatnonzero(centers.item == i)
    points = column(scene.camera.position) + pick(centers.directions, index) * centers.depth[index]
    return shading.soft_shadow(scene.light, scene.objects[:i] + scene.objects[i + 1 :], points, index, size)


def _backdrop_colors(
    scene: Scene, rays: Trace, pixel: np.ndarray, shadow: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Colours (3, M) of what is behind the objects: without them, and with their shadows.

    The rays are in the order of their surfaces, the sky first; ``pixel`` (M,) is where they belong.
    """
    camera, light = scene.camera, scene.light
    outdoors = scene.surfaces[0].kind == "ground"
    empty, full = np.empty_like(rays.directions), np.empty_like(rays.directions)
    bounds = np.searchsorted(rays.surface, np.arange(-1, len(scene.surfaces) + 1))
    nothing = slice(*bounds[:2])
    empty[:, nothing] = full[:, nothing] = sky_color(scene.sky, rays.directions[:, nothing])[0]
    for surface, start, stop in zip(scene.surfaces, bounds[1:-1], bounds[2:], strict=True):
        part = slice(start, stop)
        directions, depth = rays.directions[:, part], np.minimum(rays.backdrop_depth[part], _HORIZON)
        points = column(camera.position) + directions * depth
        albedo = surface_albedo(surface, camera, directions, points, depth, 1 / (size * camera.focal))
        normal = column(surface.normal)
        open_share = shading.corner_openness(scene.surfaces, points)
        ambient = albedo * shading.ambient_light(light, normal)
        lamp = albedo * (column(light.color) * shading.lamp_light(light, points, normal)[0])
        empty_color = ambient * open_share + lamp
        for item in scene.objects:
            open_share *= 1 - shading.contact_shade(item, points, normal)
        full_color = ambient * open_share + lamp * (1 - shadow[pixel[part]])
        if outdoors:
            empty_color, full_color = haze(empty_color, depth, scene.sky), haze(full_color, depth, scene.sky)
        empty[:, part], full[:, part] = empty_color, full_color
    return empty, full


def _object_colors(scene: Scene, i: int, rays: Trace, shadow: np.ndarray, size: int) -> np.ndarray:
    """Colours (3, K) of K rays that see object ``i``; ``shadow`` (K,) is how much of the lamp is hidden."""
    item, light = scene.objects[i], scene.light
    points = column(scene.camera.position) + rays.directions * rays.depth
    local = item.local_points(points)
    local_normals = item.solid.body.normal(local)
    normals, view = item.to_world(local_normals), unit(-rays.directions)
    facing = np.maximum(dot(normals, view), np.float32(0.15))
    albedo = item.albedo(local, local_normals, rays.depth / (facing * np.float32(size * scene.camera.focal)))

    strength, toward = shading.lamp_light(light, points, normals)
    strength *= 1 - shadow
    ambient = shading.ambient_light(light, normals) * shading.corner_openness(scene.surfaces, points)
    for k, other in enumerate(scene.objects):
        if k != i:
            ambient *= 1 - shading.contact_shade(other, points, normals)
    lamp = column(light.color)
    color = albedo * (ambient + lamp * strength)
    if item.gloss > 0:
        shine = (strength > 0) * (1 - shadow) * shading.highlight(normals, view, toward, item.gloss)
        color += lamp * shine + ambient * shading.mirror_share(normals, view, item.gloss)
    return color
