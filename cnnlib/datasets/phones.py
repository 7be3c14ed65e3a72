"""The embedded data set for finding one point: a phone on the floor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from torch import Tensor

from cnnlib.datasets.cache import ArraySpec
from cnnlib.datasets.scenes import source
from cnnlib.datasets.scenes.phone_layout import sample_phone_scene
from cnnlib.datasets.scenes.render import generator, photographs
from cnnlib.datasets.scenes.rendered import RenderedSource, RenderedSplit
from cnnlib.datasets.scenes.tracing import trace, world_normals
from cnnlib.types import Split, Target, TargetInfo

VERSION = 1
"""Counted up whenever what is stored changes."""


class PhoneSplit(RenderedSplit):
    """The pictures of one split."""

    def _targets(self, arrays: Mapping[str, Tensor]) -> dict[str, Target]:
        return {"points": Target(arrays["points"])}


class Phones(RenderedSource):
    """A phone on a floor, somewhere in the picture: the stand-in for photographs of one.

    The floors, walls and light are those of ``scenes``; the camera looks down more steeply. Phones are 1.6 times as
    large as in life. In about half of the pictures another object lies near, sometimes a dark one. A sample is a pure
    function of (seed, split, index, size), as in ``scenes``.

    Args:
        size: height and width in pixels.
        train, val, test: number of pictures in each split.
        seed: other seeds give other pictures.
        cache_dir: where rendered pictures are kept; by default ``$CNNLIB_CACHE`` or the user's cache folder.

    The target ``points`` is the middle of the phone's body. It is always in the picture, and the phone always whole.
    """

    title = "phones"
    read = PhoneSplit
    inputs: ClassVar[Mapping[str, int]] = {"image": 3}
    targets: ClassVar[Mapping[str, TargetInfo]] = {"points": TargetInfo("points", names=("phone",))}

    def _rows(self) -> dict[str, ArraySpec]:
        return {"image": ArraySpec((3, self.size, self.size), "|u1"), "points": ArraySpec((1, 2), "<f4")}

    def _versions(self) -> dict[str, int]:
        return {"renderer": source.VERSION, "phones": VERSION}

    def _render(self, part: Split, indices: Sequence[int]) -> dict[str, np.ndarray]:
        return render_phones(self.seed, part, indices, self.size)


def render_phones(seed: int, split: Split, indices: Sequence[int], size: int) -> dict[str, np.ndarray]:
    """Renders N pictures, at least one.

    Returns:
        image: uint8 (N, 3, size, size).
        points: float32 (N, 1, 2), the pixel x, y of the phone's middle, (0, 0) at the centre of the first pixel.
    """
    images, points = [], []
    for index in indices:
        rng = generator(seed, split, index)
        scene = sample_phone_scene(rng)
        seen = trace(scene, scene.camera.pixel_rays(size))
        images.append(photographs(scene, seen, world_normals(scene, seen), size, rng)[3:])
        points.append(scene.camera.project(scene.objects[0].position[None], size) - 0.5)
    return {"image": np.stack(images), "points": np.stack(points).astype(np.float32)}
