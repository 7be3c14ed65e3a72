"""Glasses: a flat frame before the eyes and two temples, drawn as lines."""

from __future__ import annotations

import numpy as np

from cnnlib.datasets.faces.face import Face
from cnnlib.datasets.faces.head import EYE_LEVEL

_PLANE = 0.92
"""z of the frame, in the head's space."""
_THICKNESS = 0.02
_EAR = (0.87, EYE_LEVEL - 0.06, -0.05)


def frame_distance(face: Face, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Distance to the frame's lines from points of its plane, in the head's space; below 0 on them."""
    side, y = np.abs(x), y - EYE_LEVEL - 0.035
    middle = 0.35 * face.shape.eye_gap
    rim = _round(side - middle, y) if face.look.glasses == "round" else _square(side - middle, y)
    bridge = np.hypot(np.maximum(side - (middle - 0.23), 0), y + 0.06 + 0.03 * np.cos(side * 12))
    return np.minimum(np.abs(rim), bridge) - _THICKNESS


def lens_distance(face: Face, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    side, y = np.abs(x) - 0.35 * face.shape.eye_gap, y - EYE_LEVEL - 0.035
    return _round(side, y) if face.look.glasses == "round" else _square(side, y)


def in_plane(turn: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where rays at x, y of the viewer's space meet the frame's plane: the head's x and y there, the viewer's z."""
    z = (_PLANE - turn[0, 2] * x - turn[1, 2] * y) / turn[2, 2]
    local = turn.T @ np.stack([x, y, z])
    return local[0], local[1], z


def temples(face: Face) -> np.ndarray:
    """Ends (2, 2, 3) of both temples, from the frame to the ear, in the head's space."""
    hinge = np.array([0.35 * face.shape.eye_gap + 0.235, EYE_LEVEL - 0.03, _PLANE])
    ends = np.stack([hinge, np.multiply(_EAR, (face.shape.width, 1, 1))])
    return np.stack([ends * (-1, 1, 1), ends])


def _round(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.hypot(x, y) - 0.225


def _square(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A box with round corners."""
    corner = 0.08
    dx, dy = np.abs(x) - (0.235 - corner), np.abs(y) - (0.175 - corner)
    return np.hypot(np.maximum(dx, 0), np.maximum(dy, 0)) + np.minimum(np.maximum(dx, dy), 0) - corner
