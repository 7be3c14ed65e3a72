"""Turning the view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le

from cnnlib.augmentations.base import Geometric
from cnnlib.augmentations.parameters import Probability, happens, uniform
from cnnlib.augmentations.similarity import Similarity
from cnnlib.checks import checked


@checked
@dataclass
class Rotate(Geometric):
    """Turns the view about the centre of the image, by an angle drawn from [-degrees, degrees].

    The camera rolls about its viewing axis, so depths along that axis keep their values. Corners that come
    in from outside are black in the image, and not valid in the targets.

    Args:
        degrees: the largest angle.
        p: probability of turning at all.
    """

    degrees: Annotated[float, Ge(0), Le(180)] = 10.0
    p: Probability = 1.0

    def draw(self, height: int, width: int) -> Similarity:
        if not happens(self.p):
            return Similarity()
        return Similarity(angle=uniform(-self.degrees, self.degrees))
