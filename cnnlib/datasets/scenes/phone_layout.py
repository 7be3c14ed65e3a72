"""Draws a scene with a phone on its floor, seen by somebody who looks down at it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cnnlib.datasets.scenes import materials
from cnnlib.datasets.scenes.backdrop import Surface
from cnnlib.datasets.scenes.camera import Camera
from cnnlib.datasets.scenes.layout import PLACES, Scene, light_of, moved, resting_object, surfaces_of
from cnnlib.datasets.scenes.objects import SceneObject
from cnnlib.datasets.scenes.phone import Phone, phone
from cnnlib.datasets.scenes.solids import FAMILIES, scaled
from cnnlib.datasets.scenes.textures import Texture

_MARGIN = 0.08  # between the phone's middle and the picture's edge, as a share of the picture
_FARTHEST = 2.0  # metres
_GAP = 0.03
_TRIES = 10
_DARK = ("16181b", "22262b", "2b2320", "1c2430")


def sample_phone_scene(rng: np.random.Generator) -> Scene:
    """The phone is the first object; all of it is in the picture, and nothing hides it.

    The same state of ``rng`` gives the same scene.
    """
    place = materials.chosen(rng, PLACES)
    surfaces = surfaces_of(rng, place)
    camera, found = _view_of_a_phone(rng, surfaces)
    other = _thing_nearby(rng, camera, found, surfaces) if rng.random() < 0.6 else None
    objects = (found,) if other is None else (found, other)
    yaw = float(np.arctan2(*camera.axes[2, :2]))
    return Scene(camera, surfaces, materials.sky_of(rng), light_of(rng, place, yaw, surfaces), objects)


def _view_of_a_phone(rng: np.random.Generator, surfaces: tuple[Surface, ...]) -> tuple[Camera, Phone]:
    """The phone's place in the picture is drawn first, so that all places are about equally likely."""
    aim = rng.uniform(_MARGIN, 1 - _MARGIN, (2, 1)).astype(np.float32)
    while True:  # until no wall stands there and it is near enough
        yaw, pitch, roll = rng.uniform(-np.pi, np.pi), rng.uniform(42, 80), rng.normal(0, 6)
        position = np.array([rng.uniform(-1.2, 1.2), rng.uniform(-1, 2.4), rng.uniform(1.0, 1.45)])
        camera = Camera.looking(position, yaw, *np.radians([pitch, roll]), focal=rng.uniform(0.975, 1.025))
        ray = camera.rays(*aim)[:, 0]
        depth = -position[2] / ray[2]  # it falls, for the whole picture is below the horizon
        found = moved(phone(rng), (position + depth * ray) * [1, 1, 0])
        if depth < _FARTHEST and _is_clear(found, surfaces) and _is_in_the_picture(found, camera):
            return camera, found


def _thing_nearby(
    rng: np.random.Generator, camera: Camera, found: Phone, surfaces: tuple[Surface, ...]
) -> SceneObject | None:
    """Something small, sometimes as dark as a screen; None where no place was found."""
    family = materials.chosen(rng, tuple(FAMILIES))
    item = resting_object(rng, family, scaled(FAMILIES[family](rng), rng.uniform(0.15, 0.4)))
    if rng.random() < 0.35:
        dark = materials.linear(materials.chosen(rng, _DARK))
        item = replace(item, texture=Texture("plain", np.stack([dark, dark]), 1.0))
    for _ in range(_TRIES):
        turn = rng.uniform(0, 2 * np.pi)
        away = item.footprint + found.footprint + _GAP + rng.uniform(0, 0.6)
        beside = moved(item, (found.position + away * np.array([np.cos(turn), np.sin(turn), 0])) * [1, 1, 0])
        if _is_clear(beside, surfaces) and not _hides(beside, found, camera):
            return beside
    return None


def _is_clear(item: SceneObject, surfaces: tuple[Surface, ...]) -> bool:
    """Of the walls."""
    walls = [surface for surface in surfaces if surface.normal[2] == 0]
    return all(
        float(item.support(-wall.normal[None])[0] @ wall.normal) > wall.offset + _GAP for wall in walls
    )


def _is_in_the_picture(item: SceneObject, camera: Camera) -> bool:
    shares = camera.project(_corners(item), 1)
    return bool((shares > 0).all() and (shares < 1).all())


def _hides(item: SceneObject, found: Phone, camera: Camera) -> bool:
    """Whether a ray from the camera to a corner or the middle of the phone meets the item."""
    places = np.concatenate([_corners(found), found.position[None]])
    toward = (places - camera.position).astype(np.float32).T
    return len(item.hits(camera.position[:, None], toward)[0]) > 0


def _corners(item: SceneObject) -> np.ndarray:
    """(K, 3), world, of a solid without round parts."""
    return item.position + item.solid.hull.points @ item.axes
