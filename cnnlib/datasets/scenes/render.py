"""Pictures and exact targets of scenes, each a pure function of (seed, split, index, size).

Targets come from the one ray through each pixel's centre.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from cnnlib.datasets.scenes.backdrop import MAX_DEPTH, sky_color
from cnnlib.datasets.scenes.colors import radiance
from cnnlib.datasets.scenes.layout import Scene, sample_scene
from cnnlib.datasets.scenes.objects import LANDMARKS
from cnnlib.datasets.scenes.solids import FAMILIES, Family
from cnnlib.datasets.scenes.tracing import Trace, trace, world_normals
from cnnlib.datasets.scenes.vectors import rotated
from cnnlib.types import Split

CLASSES = ("sky", "hills", "ground", "floor", "wall", "ceiling", *FAMILIES)
"""What a pixel shows; ``classes`` holds the index. The objects' families come last."""

SPLITS: tuple[Split, ...] = ("train", "val", "test")


def render(
    seed: int,
    split: Split,
    indices: Iterable[int],
    size: int,
    families: Sequence[Family] = tuple(FAMILIES),
    objects: int | None = None,
) -> dict[str, np.ndarray]:
    """Renders N scenes, at least one, with objects of these families, so many in each (by default one to three).

    Returns:
        image: uint8 (N, 6, size, size), without the objects, then with them.
        mask: bool (N, size, size), whether an object is seen.
        depth: float32 (N, size, size), metres along the viewing axis; 0 where not known.
        depth_valid: bool (N, size, size), false for sky, hills and ground farther than ``MAX_DEPTH``.
        normals: float32 (N, 3, size, size), unit, in the camera's axes (x right, y down, z ahead); 0 where
            the depth is not known.
        classes: uint8 (N, size, size), indices into ``CLASSES``.
        instances: uint8 (N, size, size), 0 for the backdrop, then 1, 2, 3 for the objects.
        object_class: uint8 (N,), of the main object, the one with the most pixels; an index into ``CLASSES``.
        object_box: float32 (N, 4), xyxy: the edges of the pixels in which the main object is seen.
        object_center: float32 (N, 2), the pixel x, y of its middle, behind its surface.
        object_landmarks: float32 (N, 5, 2), pixels x, y in the order of ``LANDMARKS``; hidden ones too.
    """
    pictures = []
    for index in indices:
        rng = generator(seed, split, index)
        scene = sample_scene(rng, families, objects)
        centers = trace(scene, scene.camera.pixel_rays(size))
        normals = world_normals(scene, centers)
        image = photographs(scene, centers, normals, size, rng)
        pictures.append({"image": image, **targets_of(scene, centers, normals, size)})
    return {key: np.stack([picture[key] for picture in pictures]) for key in pictures[0]}


def targets_of(scene: Scene, seen: Trace, normals: np.ndarray, size: int) -> dict[str, np.ndarray]:
    """Everything that ``render`` returns but the picture, of one scene.

    ``seen`` is the trace through the pixels' centres, and ``normals`` (3, size * size) what is seen there.
    """
    valid = seen.depth <= MAX_DEPTH
    kinds = np.array([CLASSES.index(surface.kind) for surface in scene.surfaces], np.uint8)
    families = np.array([CLASSES.index(item.family) for item in scene.objects], np.uint8)
    classes = np.where(seen.item >= 0, families[seen.item], kinds[seen.surface])
    nothing = np.flatnonzero((seen.surface < 0) & (seen.item < 0))
    _, hills = sky_color(scene.sky, seen.directions[:, nothing])
    classes[nothing] = np.where(hills, CLASSES.index("hills"), CLASSES.index("sky"))

    main = int(np.argmax([(seen.item == i).sum() for i in range(len(scene.objects))]))
    rows, columns = np.nonzero((seen.item == main).reshape(size, size))
    landmarks = scene.objects[main].landmarks(scene.camera.axes[0])
    projected = scene.camera.project(landmarks, size).astype(np.float32)
    square = (size, size)
    return {
        "mask": (seen.item >= 0).reshape(square),
        "depth": np.where(valid, seen.depth, 0).astype(np.float32).reshape(square),
        "depth_valid": valid.reshape(square),
        "normals": (rotated(scene.camera.axes, normals) * valid).reshape(3, *square),
        "classes": classes.reshape(square),
        "instances": (seen.item + 1).astype(np.uint8).reshape(square),
        "object_class": families[main],
        "object_box": np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], np.float32),
        "object_center": projected[LANDMARKS.index("center")],
        "object_landmarks": projected,
    }


def photographs(
    scene: Scene, seen: Trace, normals: np.ndarray, size: int, rng: np.random.Generator
) -> np.ndarray:
    """Without the objects, then with them, uint8 (6, size, size); ``seen`` and ``normals`` as in ``targets_of``."""
    empty, full = radiance(scene, seen, normals, size)
    brightness = rng.uniform(0.32, 0.5) / max(float(empty.mean()), 1e-3)
    return np.concatenate([_exposed(empty, brightness, rng), _exposed(full, brightness, rng)])


def generator(seed: int, split: Split, index: int) -> np.random.Generator:
    """Of one scene alone."""
    return np.random.default_rng([seed, SPLITS.index(split), index])


def _exposed(color: np.ndarray, brightness: float, rng: np.random.Generator) -> np.ndarray:
    """Linear colours (3, H, W) as a camera stores them, uint8: two shots differ a little in all but the view."""
    gains = brightness * rng.uniform(0.95, 1.05) * (1 + rng.normal(0, 0.01, (3, 1, 1)))
    shown = np.sqrt(1 - np.exp(-color * gains.astype(np.float32)))
    shown += np.float32(rng.uniform(0.003, 0.01)) * rng.standard_normal(color.shape, np.float32)
    return (np.clip(shown, 0, 1) * 255 + np.float32(0.5)).astype(np.uint8)
