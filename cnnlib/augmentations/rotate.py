"""Turning the view."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from annotated_types import Ge, Le
from torch import Tensor

from cnnlib.augmentations.base import Geometric
from cnnlib.augmentations.parameters import Probability, happens, uniform
from cnnlib.augmentations.similarity import Similarity
from cnnlib.checks import checked
from cnnlib.types import Size


@checked
@dataclass
class Rotate(Geometric):
    """Turns the view about the centre of the image, by an angle drawn from [-degrees, degrees].

    The camera rolls about its viewing axis, so depths along that axis keep their values. Corners that come
    in from outside are black in the image, and not valid in the targets.

    Args:
        degrees: the largest angle.
        p: probability of turning at all.
        keep_points: the turned image is made smaller, just so much that each point and each box that was in it
            stays in it. Depths grow with it, as under ``scale_crop``.
    """

    degrees: Annotated[float, Ge(0), Le(180)] = 10.0
    p: Probability = 1.0
    keep_points: bool = False

    def draw(self, height: int, width: int, places: Tensor) -> Similarity:
        if not happens(self.p):
            return Similarity()
        turn = Similarity(angle=uniform(-self.degrees, self.degrees))
        return replace(turn, zoom=_fitting_zoom(turn, (height, width), places)) if self.keep_points else turn


def _fitting_zoom(turn: Similarity, size: Size, places: Tensor) -> float:
    """The largest zoom, 1 at most, after which all ``places`` are in the image."""
    centre = places.new_tensor([size[1] / 2, size[0] / 2]).double()
    from_centre = (turn.view(size).points(places.double()) - centre).abs()
    return min([1.0, *(centre / from_centre).flatten().tolist()])
