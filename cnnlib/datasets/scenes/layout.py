"""Draws a scene: where the camera, the walls, the light and the objects are, and what they are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from cnnlib.datasets.scenes import materials
from cnnlib.datasets.scenes.backdrop import Sky, Surface
from cnnlib.datasets.scenes.camera import Camera
from cnnlib.datasets.scenes.objects import SceneObject
from cnnlib.datasets.scenes.solids import FAMILIES, Family, Solid

Place: TypeAlias = Literal["room", "courtyard", "open"]
PLACES: tuple[Place, ...] = (*["room"] * 11, *["courtyard"] * 4, *["open"] * 5)

_TRIES = 40
_GAP = 0.06
_SUN_DISTANCE = 200.0
_EYE_HEIGHT = 1.5
_GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))


@dataclass(frozen=True)
class Light:
    """One lamp (or the sun, far away) and the light that comes from everywhere.

    Attributes:
        position: (3,), world.
        radius: metres; a larger lamp casts softer shadows.
        color: (3,), what a surface gets that faces the lamp at ``reach`` metres.
        reach: metres.
        above, below: (3,), what a surface gets from above and from below.
    """

    position: np.ndarray
    radius: float
    color: np.ndarray
    reach: float
    above: np.ndarray
    below: np.ndarray

    def spots(self, count: int) -> np.ndarray:
        """Points spread evenly over the lamp's disc, float32 (3, count)."""
        x, y, z = self.position / np.linalg.norm(self.position)
        level = np.array([y, -x, 0.0]) / np.hypot(x, y)
        upright = np.array([level[1] * z, -level[0] * z, level[0] * y - level[1] * x])
        order = np.arange(count)
        radius, turn = self.radius * np.sqrt((order + 0.5) / count), order * _GOLDEN_ANGLE
        disc = np.outer(level, radius * np.cos(turn)) + np.outer(upright, radius * np.sin(turn))
        return (self.position[:, None] + disc).astype(np.float32)


@dataclass(frozen=True)
class Scene:
    """Everything there is to be rendered, independent of the size of the picture."""

    camera: Camera
    surfaces: tuple[Surface, ...]
    sky: Sky
    light: Light
    objects: tuple[SceneObject, ...]


def sample_scene(
    rng: np.random.Generator, families: Sequence[Family] = tuple(FAMILIES), count: int | None = None
) -> Scene:
    """Draws a scene with objects of these families; the same state of ``rng`` gives the same scene.

    There are ``count`` objects, by default one to three.
    """
    scene = _any_scene(rng, families, count)
    while count not in (None, len(scene.objects)):  # there was no place for one of them
        scene = _any_scene(rng, families, count)
    return scene


def _any_scene(rng: np.random.Generator, families: Sequence[Family], count: int | None) -> Scene:
    """At most ``count`` objects."""
    place = materials.chosen(rng, PLACES)
    yaw, pitch = np.radians(rng.uniform(-33, 33)), np.radians(rng.uniform(5, 30))
    # Height and focal length cannot be inferred from a picture alone: they vary less than what can.
    position, focal = np.array([0, 0, rng.uniform(1.45, 1.6)]), rng.uniform(0.975, 1.025)
    camera = Camera.looking(position, yaw, pitch, roll=np.radians(rng.normal(0, 1.2)), focal=focal)
    surfaces = surfaces_of(rng, place)
    objects = _objects(rng, yaw, pitch, surfaces, families, count)
    return Scene(camera, surfaces, materials.sky_of(rng), light_of(rng, place, yaw, surfaces), objects)


def surfaces_of(rng: np.random.Generator, place: Place) -> tuple[Surface, ...]:
    up = np.array([0.0, 0.0, 1.0])
    if place == "open":
        return (Surface("ground", up, 0.0, materials.ground_texture(rng)),)
    left, right, back = rng.uniform(2.1, 4.2), rng.uniform(2.1, 4.2), rng.uniform(3.4, 7.8)
    sides = (
        (np.array([0.0, -1, 0]), -back),
        (np.array([1.0, 0, 0]), -left),
        (np.array([-1.0, 0, 0]), -right),
    )
    texture = materials.wall_texture(rng)
    if place == "courtyard":
        top = rng.uniform(1.7, 2.6)  # nobody looks over it, at what would be farther than MAX_DEPTH
        ground = Surface("ground", up, 0.0, materials.ground_texture(rng))
        return (ground, *(Surface("wall", normal, offset, texture, top) for normal, offset in sides))
    skirting = materials.skirting_color(rng)
    feature = materials.wall_texture(rng) if rng.random() < 0.5 else texture
    walls = [
        Surface("wall", normal, offset, feature if i == 0 else texture, skirting=skirting)
        for i, (normal, offset) in enumerate(sides)
    ]
    ceiling = Surface("ceiling", -up, -rng.uniform(2.4, 3.1), materials.ceiling_texture(rng))
    return (Surface("floor", up, 0.0, materials.floor_texture(rng)), *walls, ceiling)


def light_of(rng: np.random.Generator, place: Place, yaw: float, surfaces: tuple[Surface, ...]) -> Light:
    warmth = rng.uniform(0, 1)
    color = np.array([1.0, 0.96 - 0.14 * warmth, 0.92 - 0.32 * warmth])
    if place == "room":
        height = -surfaces[-1].offset
        position = np.array([rng.uniform(-1.3, 1.3), rng.uniform(-0.6, 2.6), rng.uniform(2.0, height - 0.2)])
        reach = float(np.linalg.norm(position - [0, 3.0, 0.4]))
        ambient = rng.uniform(0.2, 0.36) * np.array([1.0, 0.98, 0.95])
        return Light(position, rng.uniform(0.12, 0.28), color, reach, ambient, 0.6 * ambient)
    # From behind the viewer or from the sides: against the sun everything is a silhouette.
    turn, height = yaw + rng.uniform(-2.4, 2.4) + np.pi, np.radians(rng.uniform(28, 62))
    toward = np.array([np.sin(turn) * np.cos(height), np.cos(turn) * np.cos(height), np.sin(height)])
    ambient = rng.uniform(0.2, 0.36) * np.array([0.84, 0.95, 1.15])
    radius = _SUN_DISTANCE * rng.uniform(0.01, 0.06)
    return Light(_SUN_DISTANCE * toward, radius, color, _SUN_DISTANCE, ambient, 0.5 * ambient)


def _objects(
    rng: np.random.Generator,
    yaw: float,
    pitch: float,
    surfaces: tuple[Surface, ...],
    families: Sequence[Family],
    count: int | None,
) -> tuple[SceneObject, ...]:
    """Objects that stand clear of the walls and of each other; the first is in the middle of the view."""
    walls = [surface for surface in surfaces if surface.normal[2] == 0]
    # As near as the floor is seen, near the lower edge of the picture, which is 27 degrees below its middle.
    nearest = max(2.0, _EYE_HEIGHT / np.tan(pitch + np.radians(22)))
    first = _any_object(rng, families)
    spot = _free_spot(rng, first, yaw, walls, [], nearest, nearest + 0.7, spread=0.28)
    # Every room has the other place; it is taken only where the first object found none.
    objects = [moved(first, _spot(yaw, 0.0, 2.1) if spot is None else spot)]
    for _ in range(materials.chosen(rng, (0, 0, 0, 1, 1, 1, 2, 2)) if count is None else count - 1):
        item = _any_object(rng, families)
        spot = _free_spot(rng, item, yaw, walls, objects, nearest, 4.2, spread=0.42)
        if spot is not None:
            objects.append(moved(item, spot))
    return tuple(objects)


def _any_object(rng: np.random.Generator, families: Sequence[Family]) -> SceneObject:
    family = materials.chosen(rng, families)
    return resting_object(rng, family, FAMILIES[family](rng))


def resting_object(rng: np.random.Generator, family: str, solid: Solid) -> SceneObject:
    """An object above the world's origin, on the floor."""
    turn = rng.uniform(0, 2 * np.pi)
    axes = np.array([[np.cos(turn), np.sin(turn), 0], [-np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    if solid.lies and rng.random() < 0.4:
        axes = np.stack([axes[0], axes[2], -axes[1]])
    texture = materials.object_texture(rng, solid.girth)
    item = SceneObject(
        family, solid, np.zeros(3), axes, texture, gloss=materials.chosen(rng, (0.0, 0.25, 0.6, 1.0))
    )
    return moved(item, -item.support(np.array([[0.0, 0.0, -1.0]]))[0] * [0, 0, 1])


def _free_spot(
    rng: np.random.Generator,
    item: SceneObject,
    yaw: float,
    walls: list[Surface],
    others: list[SceneObject],
    nearest: float,
    farthest: float,
    spread: float,
) -> np.ndarray | None:
    """Where the object may stand, (3,), metres from nearest to farthest ahead; None where no place was found."""
    normals = np.array([wall.normal for wall in walls]).reshape(-1, 3)
    reach = ((item.support(-normals) - item.position) * -normals).sum(1)
    limits = np.array([wall.offset for wall in walls]) + reach + _GAP
    for _ in range(_TRIES):
        ahead = rng.uniform(nearest, farthest)
        spot = _spot(yaw, ahead * rng.uniform(-spread, spread), ahead)
        if (normals @ spot > limits).all() and all(
            np.hypot(*(spot - other.position)[:2]) > item.footprint + other.footprint + _GAP
            for other in others
        ):
            return spot
    return None


def _spot(yaw: float, aside: float, ahead: float) -> np.ndarray:
    """A point of the floor (3,), in metres to the right and ahead of a camera turned by ``yaw``."""
    return np.array(
        [ahead * np.sin(yaw) + aside * np.cos(yaw), ahead * np.cos(yaw) - aside * np.sin(yaw), 0.0]
    )


def moved(item: SceneObject, by: np.ndarray) -> SceneObject:
    return replace(item, position=item.position + by)
