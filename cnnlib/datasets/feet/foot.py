"""What a foot and its picture are made of: numbers, drawn at random.

Lengths are in units of about twice the width of a heel; the height is above the ground. A left foot is described, whose
inner side is to the right when it is seen from behind; a right foot is its mirror image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cnnlib.datasets.faces.face import SKIN_TONES, Color

POSES = ("pronation", "neutral", "supination")
COVERS = ("bare", "sock", "trousers")

_ANGLES = ((14.0, 25.0), (-2.0, 2.0), (-26.0, -16.0))
"""Of each pose, in degrees: how far the heel's lower end points outwards from the line of the calf."""


@dataclass(frozen=True)
class View:
    """Where the camera is; angles in degrees.

    ``elevation`` looks down, ``azimuth`` stands to the right of the picture's middle, ``roll`` turns the picture
    clockwise. ``heel``, where the heel meets the ground, and ``scale``, a unit's length, are shares of the picture.
    """

    elevation: float
    azimuth: float
    roll: float
    heel: tuple[float, float]
    scale: float


@dataclass(frozen=True)
class Shape:
    """Factors around 1 of what their names say; ``lean`` of the calf and ``toe_out`` of the foot in degrees, the
    latter outwards; ``arch`` from 0 (flat) to 1."""

    heel: float
    ankle: float
    calf: float
    calf_height: float
    knobs: float
    tendon: float
    arch: float
    forefoot: float
    lean: float
    toe_out: float


@dataclass(frozen=True)
class Look:
    """Colours and what is worn, ``cover``, from the height ``hem`` on: downwards a sock, upwards trousers that are at
    least about twice as wide as ``flare``."""

    skin: Color
    blush: float
    mottling: float
    cover: str
    hem: float
    cloth: Color
    second: Color
    stripes: float
    flare: float


@dataclass(frozen=True)
class Foot:
    """A foot in a pose; ``angle`` in degrees, above 0 in pronation; ``side`` 1 for a left foot, -1 for a right one.

    ``light`` is the direction (3,) towards the lamp: right, down, towards the viewer.
    """

    pose: int
    angle: float
    side: int
    shape: Shape
    look: Look
    view: View
    light: tuple[float, float, float]


def sample_foot(rng: np.random.Generator, shares: tuple[float, ...]) -> Foot:
    """A random foot; ``shares`` say how often each pose comes, and change nothing else."""
    pose = int(np.searchsorted(np.cumsum(shares)[:-1] / sum(shares), rng.random(), side="right"))
    low, high = _ANGLES[pose]
    angle = low + (high - low) * rng.random()
    light = (rng.uniform(-0.8, 0.8), rng.uniform(-0.9, -0.3), rng.uniform(0.5, 1))
    return Foot(
        pose, angle, 1 if rng.random() < 0.5 else -1, _shape(rng, angle), _look(rng), _view(rng), light
    )


def other_foot(foot: Foot, rng: np.random.Generator) -> tuple[Foot, float, float]:
    """The other foot of the same person, how far away it is to the inner side, and how far up the picture.

    It stands much like the first one, at the edge of the picture or beyond.
    """
    angle = foot.angle * rng.uniform(0.5, 1.1)
    shape = replace(foot.shape, lean=float(rng.normal(0, 2)), toe_out=foot.shape.toe_out + rng.uniform(-3, 3))
    return (
        replace(foot, angle=angle, side=-foot.side, shape=shape),
        rng.uniform(0.95, 1.5),
        rng.uniform(-0.06, 0.1),
    )


def _shape(rng: np.random.Generator, angle: float) -> Shape:
    """A pronated foot is flatter and turns outwards, a supinated one the other way: on average."""

    def around(middle: float, spread: float) -> float:
        return float(middle + spread * np.clip(rng.normal(), -2, 2))

    return Shape(
        heel=around(1, 0.07),
        ankle=around(1, 0.08),
        calf=around(1, 0.1),
        calf_height=around(1, 0.06),
        knobs=around(1, 0.3),
        tendon=around(1, 0.3),
        arch=float(np.clip(around(0.5 - 0.022 * angle, 0.15), 0, 1)),
        forefoot=around(1, 0.07),
        lean=around(0, 1.5),
        toe_out=around(13 + 0.45 * angle, 2),
    )


def _view(rng: np.random.Generator) -> View:
    scale = rng.uniform(0.42, 0.54)
    return View(
        elevation=rng.uniform(5, 24),
        azimuth=float(np.clip(rng.normal(0, 2.5), -5, 5)),
        roll=float(np.clip(rng.normal(0, 2.5), -5, 5)),
        heel=(rng.uniform(0.42, 0.58), rng.uniform(0.8, 0.9)),
        scale=scale,
    )


def _look(rng: np.random.Generator) -> Look:
    tone = rng.uniform(0, len(SKIN_TONES) - 1)
    skin = [np.interp(tone, range(len(SKIN_TONES)), channel) for channel in np.transpose(SKIN_TONES)]
    cover = str(rng.choice(COVERS, p=(0.5, 0.2, 0.3)))
    return Look(
        skin=_color(np.array(skin) * rng.normal(1, (0.02, 0.025, 0.04))),
        blush=rng.uniform(0.2, 1),
        mottling=rng.uniform(0.2, 1),
        cover=cover,
        hem=rng.uniform(0.7, 1.5) if cover == "sock" else rng.uniform(1.1, 2.0),
        cloth=_cloth(rng),
        second=_cloth(rng),
        stripes=rng.uniform(0.1, 0.3) if rng.random() < 0.35 else 0.0,
        flare=rng.uniform(0.28, 0.5),
    )


def _cloth(rng: np.random.Generator) -> Color:
    """Any hue, mostly dull."""
    hue, strength, value = rng.uniform(0, 2 * np.pi), rng.uniform(0, 1) ** 2, rng.uniform(0.12, 0.95)
    wave = 0.5 + 0.5 * np.cos(hue - np.array([0, 2, 4]) * np.pi / 3)
    return _color(value * (1 - strength + strength * wave))


def _color(values: np.ndarray) -> Color:
    red, green, blue = np.clip(values, 0, 1).tolist()
    return (red, green, blue)
