"""Zooming in and out."""

from __future__ import annotations

import math

from cnnlib.augmentations.base import Geometric
from cnnlib.augmentations.motion import Motion
from cnnlib.augmentations.parameters import happens, uniform
from cnnlib.checks import check_range
from cnnlib.types import CnnlibError


class ScaleCrop(Geometric):
    """Zooms by a factor s and keeps the size of the image: a crop at random if s > 1, a margin if s < 1.

    A target of depths is divided by s. A pinhole camera of focal length f sees the point (X, Y, Z) at
    ``u = f X / Z``, so the zoomed picture, ``s u = f X / (Z / s)``, is the one that the same camera has of
    the point at depth Z / s: a net that must tell metres from one picture, without knowing f, can only learn
    sizes in pixels to go with depths if the two change together. The pixels of a margin are black in the
    image, and not valid in the targets.

    Args:
        min_scale, max_scale: the range of s, drawn so that log s is uniform.
        p: probability of zooming at all.

    Raises:
        CnnlibError: unless ``0.1 <= min_scale <= max_scale <= 10`` and ``p`` is in [0, 1].
    """

    def __init__(self, min_scale: float = 0.8, max_scale: float = 1.25, p: float = 1.0) -> None:
        check_range("scale_crop: min_scale", min_scale, least=0.1, most=10)
        check_range("scale_crop: max_scale", max_scale, least=0.1, most=10)
        check_range("scale_crop: p", p, least=0, most=1)
        if min_scale > max_scale:
            raise CnnlibError(
                f"scale_crop: min_scale must not exceed max_scale; got min_scale={min_scale}, "
                f"max_scale={max_scale}"
            )
        self.min_scale = min_scale
        self.max_scale = max_scale
        self.p = p

    def draw(self, height: int, width: int) -> Motion:
        if not happens(self.p):
            return Motion()
        zoom = math.exp(uniform(math.log(self.min_scale), math.log(self.max_scale)))
        # Zoomed in, the frame stays filled; zoomed out, the picture stays inside the frame.
        room = abs(zoom - 1) / 2
        return Motion(zoom=zoom, shift=(uniform(-room, room) * width, uniform(-room, room) * height))
