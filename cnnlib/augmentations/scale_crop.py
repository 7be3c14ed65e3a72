"""Zooming in and out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le
from torch import Tensor

from cnnlib.augmentations.base import Geometric
from cnnlib.augmentations.parameters import Probability, happens, uniform
from cnnlib.augmentations.similarity import Similarity
from cnnlib.checks import checked
from cnnlib.types import CnnlibError


@checked
@dataclass
class ScaleCrop(Geometric):
    """Zooms by a factor s and keeps the size of the image: a crop at random if s > 1, a margin if s < 1.

    A target of depths is divided by s, one of inverse depths multiplied. A pinhole camera of focal length f sees the
    point (X, Y, Z) at ``u = f X / Z``, so the zoomed picture, ``s u = f X / (Z / s)``, is the one that the same camera
    has of the point at depth Z / s: a net that must estimate metres from one picture, without knowing f, can only learn
    sizes in pixels to go with depths if the two change together. The pixels of a margin are black in the
    image, and not valid in the targets.

    Args:
        min_scale, max_scale: the range of s, drawn so that log s is uniform.
        p: probability of zooming at all.

    Raises:
        CnnlibError: unless ``min_scale <= max_scale``.
    """

    min_scale: Annotated[float, Ge(0.1), Le(10)] = 0.8
    max_scale: Annotated[float, Ge(0.1), Le(10)] = 1.25
    p: Probability = 1.0

    def __post_init__(self) -> None:
        if self.min_scale > self.max_scale:
            raise CnnlibError(f"min_scale must not exceed max_scale; got {self}")

    def draw(self, height: int, width: int, places: Tensor) -> Similarity:
        if not happens(self.p):
            return Similarity()
        zoom = math.exp(uniform(math.log(self.min_scale), math.log(self.max_scale)))
        # Zoomed in, the frame stays filled; zoomed out, the picture stays inside the frame.
        margin = abs(zoom - 1) / 2
        return Similarity(
            zoom=zoom, shift=(uniform(-margin, margin) * width, uniform(-margin, margin) * height)
        )
