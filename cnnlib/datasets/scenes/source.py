"""The embedded data set: procedural scenes with exact targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Le, MinLen
from torch import Tensor

from cnnlib.checks import checked
from cnnlib.datasets.cache import ArraySpec
from cnnlib.datasets.options import Seed
from cnnlib.datasets.scenes.objects import LANDMARKS
from cnnlib.datasets.scenes.render import CLASSES, render
from cnnlib.datasets.scenes.rendered import Count, Pixels, RenderedSource, RenderedSplit
from cnnlib.datasets.scenes.solids import FAMILIES, Family
from cnnlib.types import Split, Target, TargetInfo

VERSION = 4
"""Counted up whenever what is stored changes: what is on disk of another version is rendered again."""

_MILLIMETRES = 1000
_NORMAL_STEPS = 32767
"""Normals are stored as int16: rounding turns them by less than 0.002 degrees."""


def stored(scenes: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What ``render`` gives, as it is stored."""
    return {
        "image": scenes["image"],
        "mask": scenes["mask"].astype(np.uint8),
        "depth": np.rint(scenes["depth"] * _MILLIMETRES).astype(np.uint16),
        "normals": np.rint(scenes["normals"] * _NORMAL_STEPS).astype(np.int16),
        "semantic": scenes["classes"],
        "points": scenes["object_landmarks"]
        - np.float32(0.5),  # from the corner to the centre of the first pixel
        "box": scenes["object_box"],
        "label": (scenes["object_class"] - CLASSES.index(next(iter(FAMILIES)))).astype(np.uint8),
    }


class SceneSplit(RenderedSplit):
    """The scenes of one split, read from its arrays, which are as ``stored`` gives them."""

    def label_class(self, index: int) -> str:
        return tuple(FAMILIES)[self._arrays["label"][index]]

    def _targets(self, arrays: Mapping[str, Tensor]) -> dict[str, Target]:
        size = arrays["image"].shape[-1]
        depth = arrays["depth"].float()[None] / _MILLIMETRES
        points = arrays["points"]
        return {
            "mask": Target(arrays["mask"].float()[None]),
            "depth": Target(depth, depth > 0),
            "normals": Target(arrays["normals"].float() / _NORMAL_STEPS, depth > 0),
            "semantic": Target(arrays["semantic"].long()[None]),
            "points": Target(points, ((points >= -0.5) & (points <= size - 0.5)).all(-1)),
            "box": Target(arrays["box"]),
            "label": Target(arrays["label"].long()),
        }


class Scenes(RenderedSource):
    """Procedural scenes: 1 to 3 objects in a room, a courtyard or on open ground.

    A sample is a pure function of (seed, split, index, size): the first 100 of 800 scenes are the 100 of 100, and
    no scene of one split is in another.

    Args:
        size: height and width in pixels.
        train, val, test: number of scenes in each split.
        seed: other seeds give other scenes.
        cache_dir: where rendered scenes are kept; by default ``$CNNLIB_CACHE`` or the user's cache folder.
        families: the shapes that objects have; by default all ten, which are ``sphere``, ``ellipsoid``, ``box``,
            ``cylinder``, ``cone``, ``pot``, ``torus``, ``capsule``, ``pyramid`` and ``prism``. The classes of
            ``semantic`` and ``label`` stay the same.
        objects: how many there are in every scene; by default one to three.

    Targets, all exact: of every pixel its ``mask`` (any object), ``depth`` in metres, ``normals`` (in the camera's
    axes) and ``semantic`` class; of the main object, the one with the most pixels, its ``points`` (those outside of the
    picture are not valid), ``box`` and ``label``. Depth and normals of sky, hills and far ground are not valid.
    """

    title = "scenes"
    read = SceneSplit
    inputs: ClassVar[Mapping[str, int]] = {"bg": 3, "fg_bg": 3}
    targets: ClassVar[Mapping[str, TargetInfo]] = {
        "mask": TargetInfo("mask"),
        "depth": TargetInfo("depth", unit="m"),
        "normals": TargetInfo("normals"),
        "semantic": TargetInfo("semantic", names=CLASSES),
        "points": TargetInfo(
            "points",
            names=LANDMARKS,
            flip_order=tuple(
                LANDMARKS.index({"left": "right", "right": "left"}.get(name, name)) for name in LANDMARKS
            ),
        ),
        "box": TargetInfo("box"),
        "label": TargetInfo("label", names=tuple(FAMILIES)),
    }

    @checked
    def __init__(
        self,
        size: Pixels = 96,
        train: Count = 800,
        val: Count = 100,
        test: Count = 100,
        seed: Seed = 0,
        cache_dir: str | None = None,
        families: Annotated[list[Family], MinLen(1)] | None = None,
        objects: Annotated[int, Ge(1), Le(3)] | None = None,
    ) -> None:
        super().__init__(size, train, val, test, seed, cache_dir)
        self.families = tuple(name for name in FAMILIES if families is None or name in families)
        self.objects = objects

    def _rows(self) -> dict[str, ArraySpec]:
        square = (self.size, self.size)
        return {
            "image": ArraySpec((6, *square), "|u1"),
            "mask": ArraySpec(square, "|u1"),
            "depth": ArraySpec(square, "<u2"),
            "normals": ArraySpec((3, *square), "<i2"),
            "semantic": ArraySpec(square, "|u1"),
            "points": ArraySpec((len(LANDMARKS), 2), "<f4"),
            "box": ArraySpec((4,), "<f4"),
            "label": ArraySpec((), "|u1"),
        }

    def _versions(self) -> dict[str, int]:
        return {"renderer": VERSION}

    def _variant(self) -> dict[str, Any]:
        variant: dict[str, Any] = {}
        if self.families != tuple(FAMILIES):
            variant["families"] = "-".join(self.families)
        if self.objects is not None:
            variant["objects"] = self.objects
        return variant

    def _render(self, part: Split, indices: Sequence[int]) -> Mapping[str, np.ndarray]:
        return stored(render(self.seed, part, indices, self.size, self.families, self.objects))
