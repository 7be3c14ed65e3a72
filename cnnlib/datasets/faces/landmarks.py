"""The 68 points of a face: 51 marked on the front of the head, and 17 on its outline."""

from __future__ import annotations

import numpy as np

from cnnlib.datasets.face_68 import FLIP_ORDER
from cnnlib.datasets.faces.blobs import Blobs
from cnnlib.datasets.faces.face import Face
from cnnlib.datasets.faces.head import EYE_LEVEL, JAW_DROP, MOUTH_LEVEL, NOSE_BASE, NOSE_TIP, rotation

_JAW = 17
_JAW_DEGREES = 101.0
"""Of the first and last point of the jaw, from the chin, seen from the middle of the face."""
_FORWARD = np.radians(np.arange(-10, 81, 3.0))


def landmarks(face: Face, head: Blobs, size: int) -> np.ndarray:
    """Pixels x, y (68, 2), float32, with (0, 0) at the centre of the first; hidden ones too."""
    front = front_marks(face)[_JAW:].T
    lifted = np.concatenate([front, head.first_hit(*front)[None]])
    turn = rotation(face.pose)
    seen = turn @ np.concatenate([_jaw(head, turn), lifted], axis=1)
    shares = np.array(face.pose.center)[:, None] + face.pose.scale * seen[:2]
    return (shares.T * size - 0.5).astype(np.float32)


def front_marks(face: Face) -> np.ndarray:
    """Points x, y (68, 2) on the head as seen from in front; those of the jaw are 0."""
    marks = np.zeros((68, 2))
    marks[17:22] = _right_brow(face)
    marks[27:31] = np.stack([np.zeros(4), np.linspace(-0.07, NOSE_TIP * face.shape.nose_length, 4)], 1)
    marks[31:34] = _right_nostril(face)
    marks[36:42] = _right_eye(face)
    _fill_right_mouth(marks, face)
    mirrored = marks[list(FLIP_ORDER)] * (-1, 1)
    return np.where(np.any(marks != 0, axis=1, keepdims=True), marks, mirrored)


def _right_brow(face: Face) -> np.ndarray:
    shape, raised = face.shape, face.expression.raised_brows
    x = -np.array([0.6, 0.51, 0.4, 0.28, 0.16]) * shape.eye_gap
    bow = np.array([0.5, -0.5, -0.95, -0.8, -0.3]) * (0.03 + shape.brow_arch)
    mood = np.array([-0.2, -0.5, -0.7, -0.9, -1.0]) * 0.06 * raised
    return np.stack([x, EYE_LEVEL - 0.2 + bow + mood], 1)


def _right_nostril(face: Face) -> np.ndarray:
    x = -np.array([0.155, 0.08, 0.0]) * face.shape.nose_width
    return np.stack([x, NOSE_BASE * face.shape.nose_length + np.array([0, 0.025, 0.045])], 1)


def _right_eye(face: Face) -> np.ndarray:
    """From the outer corner over the upper lid to the inner corner, and back along the lower lid."""
    shape, openness = face.shape, face.expression.open_eyes
    half = 0.165 * shape.eye_size
    squint = 0.02 * max(face.expression.smile, 0)
    upper, lower = 0.105 * shape.eye_size * openness, (0.06 * shape.eye_size - squint) * max(openness, 0.4)
    if openness < 0.2:  # a closed lid lies on the lower one
        upper = -lower * 0.8
    x = half * np.array([-1, -0.4, 0.4, 1, 0.4, -0.4])
    y = np.array([0, -upper, -upper, 0, lower, lower])
    tilt = np.array([-1, -0.4, 0.4, 1, 0.4, -0.4]) * shape.eye_tilt
    return np.stack([x - 0.345 * shape.eye_gap, EYE_LEVEL + y + tilt], 1)


def _fill_right_mouth(marks: np.ndarray, face: Face) -> None:
    """The picture's left half of both lips; where mouths are open the lower lip goes down with the jaw."""
    shape, expression = face.shape, face.expression
    half = 0.27 * shape.mouth_width * (1 + 0.14 * expression.smile - 0.12 * expression.open_mouth)
    gap = 1.1 * JAW_DROP * expression.open_mouth
    corner = MOUTH_LEVEL - 0.025 - 0.085 * expression.smile + gap * 0.35
    line = MOUTH_LEVEL - 0.02 + 0.015 * expression.smile
    top, bottom = line - 0.085 * shape.lips, line + gap + 0.105 * shape.lips
    parted = line + gap
    marks[48] = (-half, corner)
    marks[49] = (-0.6 * half, 0.35 * corner + 0.65 * top)
    marks[50] = (-0.2 * half, top)
    marks[51] = (0, top + 0.018)
    marks[57] = (0, bottom)
    marks[58] = (-0.34 * half, bottom - 0.012)
    marks[59] = (-0.7 * half, 0.45 * corner + 0.55 * bottom)
    marks[60] = (-0.88 * half, 0.9 * corner + 0.1 * line)
    marks[61] = (-0.34 * half, line)
    marks[62] = (0, line + 0.008)
    marks[66] = (0, parted + 0.01)
    marks[67] = (-0.34 * half, parted)


def _jaw(head: Blobs, turn: np.ndarray) -> np.ndarray:
    """Points (3, 17) of the head's outline as seen from in front; where that is hidden, of the outline that is seen.

    Each point lies on a curve that runs over the surface from behind the jaw to the front of the face: it is the first
    of the curve that is seen both from in front and by the viewer.
    """
    around = np.radians(np.linspace(-_JAW_DEGREES, _JAW_DEGREES, _JAW))[:, None]
    flat = np.cos(_FORWARD)
    directions = np.stack(np.broadcast_arrays(np.sin(around) * flat, np.cos(around) * flat, np.sin(_FORWARD)))
    points = _leave(head, np.array([0, 0.1, 0.0]), directions.reshape(3, -1))
    normals = head.normals(points).astype(np.float64)
    facing = np.minimum(normals[2], turn[2] @ normals).reshape(_JAW, -1)
    return _first_seen(points.reshape(3, _JAW, -1), facing)


def _first_seen(curves: np.ndarray, facing: np.ndarray) -> np.ndarray:
    """Points (3, K) on curves (3, K, S) where ``facing`` (K, S) turns positive, between two samples."""
    after = np.maximum(np.argmax(facing > 0, axis=1), 1)
    rows = np.arange(len(facing))
    low, high = facing[rows, after - 1], facing[rows, after]
    share = np.clip(low / np.minimum(low - high, -1e-9), 0, 1)
    return curves[:, rows, after - 1] * (1 - share) + curves[:, rows, after] * share


def _leave(solid: Blobs, inside: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Points (3, M) where rays from a point inside leave the solid, by bisection."""
    near, far = np.zeros(directions.shape[1]), np.full(directions.shape[1], 2.0)
    for _ in range(16):
        middle = (near + far) / 2
        within = solid.level(inside[:, None] + middle * directions) > 0
        near, far = np.where(within, middle, near), np.where(within, far, middle)
    return inside[:, None] + near * directions
