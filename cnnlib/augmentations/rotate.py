"""Turning the view."""

from __future__ import annotations

from cnnlib.augmentations.base import Geometric
from cnnlib.augmentations.motion import Motion
from cnnlib.augmentations.parameters import happens, uniform
from cnnlib.checks import check_range


class Rotate(Geometric):
    """Turns the view about the centre of the image, by an angle drawn from [-degrees, degrees].

    The camera rolls about its viewing axis, so depths along that axis keep their values. Corners that come
    in from outside are black in the image, and not valid in the targets.

    Args:
        degrees: the largest angle, 0 to 180.
        p: probability of turning at all.

    Raises:
        CnnlibError: unless ``degrees`` is in [0, 180] and ``p`` in [0, 1].
    """

    def __init__(self, degrees: float = 10.0, p: float = 1.0) -> None:
        check_range("rotate: degrees", degrees, least=0, most=180)
        check_range("rotate: p", p, least=0, most=1)
        self.degrees = degrees
        self.p = p

    def draw(self, height: int, width: int) -> Motion:
        if not happens(self.p):
            return Motion()
        return Motion(angle=uniform(-self.degrees, self.degrees))
