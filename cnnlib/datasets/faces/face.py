"""What a face is made of: numbers, drawn at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Color = tuple[float, float, float]
"""Red, green and blue, 0 to 1, as a screen shows them."""

SKIN_TONES = (
    (0.99, 0.88, 0.80),
    (0.96, 0.80, 0.68),
    (0.90, 0.70, 0.54),
    (0.80, 0.57, 0.40),
    (0.64, 0.42, 0.28),
    (0.47, 0.30, 0.20),
    (0.33, 0.21, 0.15),
)
HAIR_COLORS = (
    (0.10, 0.08, 0.08),
    (0.16, 0.11, 0.09),
    (0.27, 0.17, 0.11),
    (0.42, 0.27, 0.16),
    (0.52, 0.25, 0.13),
    (0.72, 0.38, 0.18),
    (0.83, 0.66, 0.40),
    (0.92, 0.82, 0.60),
    (0.60, 0.59, 0.58),
    (0.88, 0.87, 0.85),
)
IRIS_COLORS = (
    (0.20, 0.12, 0.07),
    (0.32, 0.19, 0.10),
    (0.40, 0.30, 0.14),
    (0.28, 0.42, 0.26),
    (0.25, 0.45, 0.60),
    (0.42, 0.52, 0.58),
)
STYLES = ("bald", "horseshoe", "cropped", "quiff", "parted", "fringe", "bob", "long", "curls", "afro", "bun")
COVERS = ("beanie", "scarf")
"""Worn instead of visible hair."""
BEARDS = ("none", "stubble", "moustache", "goatee", "full")
GLASSES = ("none", "round", "square")


@dataclass(frozen=True)
class Pose:
    """Angles in degrees; ``yaw`` turns the nose to the right of the picture, ``pitch`` down, ``roll`` clockwise.

    ``center`` is where the head's middle is, and ``scale`` how long a unit is, in widths of the picture.
    """

    yaw: float
    pitch: float
    roll: float
    center: tuple[float, float]
    scale: float


@dataclass(frozen=True)
class Shape:
    """Factors around 1 of what their names say; ``eye_tilt`` and ``brow_arch`` are lengths around 0."""

    width: float
    jaw: float
    chin: float
    cheeks: float
    nose_width: float
    nose_length: float
    eye_size: float
    eye_gap: float
    eye_tilt: float
    brow_arch: float
    brow_thickness: float
    mouth_width: float
    lips: float


@dataclass(frozen=True)
class Expression:
    """``smile`` from -1 (sad) to 1, ``open_mouth`` and ``open_eyes`` from 0 to 1, ``raised_brows`` from -1 to 1.

    ``gaze`` says where the eyes look: right and down, from -1 to 1.
    """

    smile: float
    open_mouth: float
    open_eyes: float
    raised_brows: float
    gaze: tuple[float, float]


@dataclass(frozen=True)
class Look:
    """Colours, hair and what is worn; ``age`` is 0 (no wrinkles) to 1, ``pattern`` the seed of strands and curls."""

    skin: Color
    lips: Color
    iris: Color
    hair: Color
    clothes: Color
    frame: Color
    style: str
    beard: str
    glasses: str
    blush: float
    age: float
    pattern: int


@dataclass(frozen=True)
class Face:
    """Everything that is drawn of a person; ``light`` is the direction (3,) towards the lamp."""

    pose: Pose
    shape: Shape
    expression: Expression
    look: Look
    light: tuple[float, float, float]


def sample_face(rng: np.random.Generator) -> Face:
    """A random person in a random pose, most of the face inside of the picture."""
    light = (rng.uniform(-0.75, 0.75), rng.uniform(-0.75, -0.1), rng.uniform(0.6, 1))
    return Face(_pose(rng), _shape(rng), _expression(rng), _look(rng), light)


def _pose(rng: np.random.Generator) -> Pose:
    yaw, pitch, roll = np.clip(rng.normal(0, (17, 7, 8)), (-35, -15, -20), (35, 15, 20))
    scale = rng.uniform(0.22, 0.35)
    slack = 0.5 - 1.08 * scale
    center = 0.5 + rng.uniform(-1, 1, 2) * (slack + 0.02)
    return Pose(float(yaw), float(pitch), float(roll), (float(center[0]), float(center[1])), float(scale))


def _shape(rng: np.random.Generator) -> Shape:
    def around(middle: float, spread: float) -> float:
        return float(middle + spread * np.clip(rng.normal(), -2, 2))

    return Shape(
        width=around(1, 0.04),
        jaw=around(1, 0.07),
        chin=around(1, 0.05),
        cheeks=around(1, 0.1),
        nose_width=around(1, 0.14),
        nose_length=around(1, 0.07),
        eye_size=around(1, 0.07),
        eye_gap=around(1, 0.035),
        eye_tilt=around(0.008, 0.012),
        brow_arch=around(0.03, 0.02),
        brow_thickness=around(1, 0.2),
        mouth_width=around(1, 0.08),
        lips=around(1, 0.17),
    )


def _expression(rng: np.random.Generator) -> Expression:
    talks = rng.random() < 0.4
    return Expression(
        smile=float(np.clip(rng.normal(0.5, 0.4), -0.5, 1)),
        open_mouth=float(rng.uniform(0.25, 1)) if talks else 0.0,
        open_eyes=float(rng.uniform(0.6, 1)) if rng.random() < 0.95 else 0.08,
        raised_brows=float(np.clip(rng.normal(0.2, 0.45), -0.8, 1)),
        gaze=(float(rng.uniform(-1, 1)), float(rng.uniform(-0.7, 0.7))),
    )


def _look(rng: np.random.Generator) -> Look:
    tone = rng.uniform(0, len(SKIN_TONES) - 1)
    skin = np.array(
        [np.interp(tone, range(len(SKIN_TONES)), channel) for channel in np.transpose(SKIN_TONES)]
    )
    skin = np.clip(skin * rng.normal(1, (0.015, 0.02, 0.035)), 0, 1)
    age = float(rng.uniform(0, 1))
    darkest = np.clip(1 - tone / 6, 0.05, 1)  # fair hair is rare on dark skin
    rank = int(rng.integers(8) * darkest) if rng.random() > age**3 else int(rng.integers(8, 10))
    style = str(rng.choice(COVERS if rng.random() < 0.1 else STYLES))
    beard = str(rng.choice(BEARDS, p=(0.64, 0.1, 0.07, 0.07, 0.12)))
    return Look(
        skin=_color(skin),
        lips=_color(skin * rng.uniform(0.55, 0.8) + np.array([0.75, 0.22, 0.25]) * rng.uniform(0.14, 0.3)),
        iris=IRIS_COLORS[int(rng.integers(len(IRIS_COLORS)) * np.clip(1.25 - tone / 5, 0.2, 1))],
        hair=HAIR_COLORS[rank],
        clothes=_color(_vivid(rng)),
        frame=_color(_vivid(rng) * 0.45),
        style=style,
        beard="none" if style == "scarf" else beard,
        glasses=str(rng.choice(GLASSES, p=(0.76, 0.12, 0.12))),
        blush=float(rng.uniform(0, 1)),
        age=age,
        pattern=int(rng.integers(1 << 30)),
    )


def _vivid(rng: np.random.Generator) -> np.ndarray:
    """A colour (3,) of any hue."""
    hue, strength, value = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.75), rng.uniform(0.35, 0.95)
    wave = 0.5 + 0.5 * np.cos(hue - np.array([0, 2, 4]) * np.pi / 3)
    return value * (1 - strength + strength * wave)


def _color(values: np.ndarray) -> Color:
    red, green, blue = np.clip(values, 0, 1).tolist()
    return (red, green, blue)
