"""The form of a leg from behind: a bent axis, and how wide the leg is around it on either side at each height."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnnlib.datasets.faces.painting import Curve
from cnnlib.datasets.feet.foot import Foot

JOINT = 0.5
"""The height of the joint between heel and ankle, at which the axis bends."""

_BEND = 0.1
_LOWEST, _STEP = -0.5, 0.015
_HEIGHTS = _LOWEST + _STEP * np.arange(301)
_PROFILE = np.array(
    [
        *((-0.5, 0.2), (0.0, 0.245), (0.15, 0.3), (0.32, 0.3), (0.55, 0.262), (0.8, 0.215), (1.05, 0.2)),
        *((1.3, 0.225), (1.6, 0.31), (2.0, 0.43), (2.4, 0.5), (2.8, 0.5), (3.3, 0.44), (4.0, 0.4)),
    ]
)  # height, half width
_INNER_CALF = np.array([(-0.5, 0.0), (1.2, 0.0), (1.7, 0.03), (2.2, 0.05), (2.8, 0.0), (4.0, 0.0)])


@dataclass(frozen=True)
class Knob:
    """A bone under the skin beside the ankle: where, how far it stands out, and how large it is."""

    height: float
    side: int
    out: float
    size: float = 0.13


@dataclass(frozen=True)
class Leg:
    """Tables of the leg by height: where its axis is, and its half widths to the outer (left) and inner side."""

    axis: np.ndarray
    outer: np.ndarray
    inner: np.ndarray
    knobs: tuple[Knob, Knob]

    def at(self, height: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The three tables at these heights, float32."""
        place = np.clip((height - _LOWEST) / _STEP, 0, len(_HEIGHTS) - 1.01)
        low = place.astype(np.int32)
        share = place - low.astype(np.float32)
        tables = (self.axis, self.outer, self.inner)
        axis, outer, inner = (table[low] + share * (table[low + 1] - table[low]) for table in tables)
        return axis, outer, inner


def leg_of(foot: Foot) -> Leg:
    shape = foot.shape
    profile = _PROFILE.copy()
    low, middle, high = (
        profile[:, 0] < 0.5,
        (profile[:, 0] >= 0.5) & (profile[:, 0] < 1.4),
        profile[:, 0] >= 1.4,
    )
    for part, factor in ((low, shape.heel), (middle, shape.ankle), (high, shape.calf)):
        profile[part, 1] *= factor
    profile[high, 0] *= shape.calf_height
    width = np.interp(_HEIGHTS, *_table(profile))
    inner = width + np.interp(_HEIGHTS, *_table(_INNER_CALF))
    pronation = np.clip(foot.angle / 20, -1, 1)
    # The ankle sinks to the inner side in pronation, and stands out on the outer side in supination.
    knobs = (
        Knob(0.54, -1, 0.035 * shape.knobs * (1 - 0.35 * pronation)),
        Knob(0.66, 1, 0.045 * shape.knobs * (1 + 0.35 * pronation)),
    )
    outer = width + _bump(knobs[0])
    inner = inner + _bump(knobs[1]) + 0.05 * max(pronation, 0) * np.exp(-(((_HEIGHTS - 0.4) / 0.12) ** 2))
    return Leg(*(each.astype(np.float32) for each in (axis(foot, _HEIGHTS), outer, inner)), knobs)


def axis(foot: Foot, height: np.ndarray) -> np.ndarray:
    """Where the middle of the leg is at these heights; 0 at the ground."""
    calf, heel = (np.tan(np.radians(angle)) for angle in (foot.shape.lean, foot.shape.lean + foot.angle))
    above = _BEND * np.logaddexp(0, (height - JOINT) / _BEND)
    below = _BEND * np.logaddexp(0, (JOINT - height) / _BEND)
    start = -heel * _BEND * np.logaddexp(0, JOINT / _BEND) + calf * _BEND * np.logaddexp(0, -JOINT / _BEND)
    return calf * above - heel * below - start


def _bump(knob: Knob) -> np.ndarray:
    return knob.out * np.exp(-(((_HEIGHTS - knob.height) / knob.size) ** 2))


def _table(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    curve = Curve(points)
    return curve.x, curve.y
