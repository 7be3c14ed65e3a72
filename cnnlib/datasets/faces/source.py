"""The embedded data set of faces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from torch import Tensor

from cnnlib.datasets.cache import ArraySpec
from cnnlib.datasets.face_68 import FLIP_ORDER, NAMES
from cnnlib.datasets.faces.render import render
from cnnlib.datasets.scenes.rendered import RenderedSource, RenderedSplit
from cnnlib.types import Split, Target, TargetInfo

VERSION = 2
"""Counted up whenever what is stored changes: what is on disk of another version is rendered again."""


class FaceSplit(RenderedSplit):
    """The pictures of one split."""

    def _targets(self, arrays: Mapping[str, Tensor]) -> dict[str, Target]:
        points, size = arrays["points"], arrays["image"].shape[-1]
        return {"points": Target(points, ((points >= -0.5) & (points <= size - 0.5)).all(-1))}


class Faces(RenderedSource):
    """Drawn faces with 68 points: the stand-in for photographs of people.

    Faces differ in shape, expression, skin, hair, beard, glasses, light and background; the head turns by up to 35
    degrees to a side, 15 up or down, and leans by up to 20. A sample is a pure function of (seed, split, index, size):
    the first 100 of 800 faces are the 100 of 100, and no face of one split is in another.

    Args:
        size: height and width in pixels.
        train, val, test: number of faces in each split.
        seed: other seeds give other faces.
        cache_dir: where rendered faces are kept; by default ``$CNNLIB_CACHE`` or the user's cache folder.

    The target ``points`` has the 68 points of the iBUG scheme, exact to what is drawn. Points that hair, the nose or
    glasses hide are given too; those outside of the picture are not valid. Where the head hides a part of the jaw,
    its points lie on the outline of the cheek, as in photographs that people mark.
    """

    title = "faces"
    read = FaceSplit
    inputs: ClassVar[Mapping[str, int]] = {"image": 3}
    targets: ClassVar[Mapping[str, TargetInfo]] = {
        "points": TargetInfo("points", names=NAMES, flip_order=FLIP_ORDER)
    }

    def _rows(self) -> dict[str, ArraySpec]:
        return {
            "image": ArraySpec((3, self.size, self.size), "|u1"),
            "points": ArraySpec((len(NAMES), 2), "<f4"),
        }

    def _versions(self) -> dict[str, int]:
        return {"faces": VERSION}

    def _render(self, part: Split, indices: Sequence[int]) -> dict[str, np.ndarray]:
        return render(self.seed, part, indices, self.size)
