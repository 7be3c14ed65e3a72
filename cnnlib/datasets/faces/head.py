"""The solid parts of a person, in the head's own space: the face looks along +z."""

from __future__ import annotations

import numpy as np

from cnnlib.datasets.faces.blobs import Blobs, Ellipsoid, union
from cnnlib.datasets.faces.face import Face, Pose

CRANIUM: Ellipsoid = ((0, -0.42, -0.15), (0.84, 0.9, 0.98))
EYE_LEVEL, NOSE_TIP, NOSE_BASE, MOUTH_LEVEL = -0.05, 0.29, 0.4, 0.66
JAW_DROP = 0.16
"""How much lower the chin of an open mouth is."""


def rotation(pose: Pose) -> np.ndarray:
    """(3, 3), from the head's space to the viewer's."""
    yaw, pitch, roll = np.radians([pose.yaw, pose.pitch, pose.roll])
    turn = [[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]]
    nod = [[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]]
    tilt = [[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
    return np.array(tilt) @ nod @ turn


def head(face: Face) -> Blobs:
    """Skull, jaw, cheeks and nose."""
    shape, drop = face.shape, JAW_DROP * face.expression.open_mouth
    lift = 0.05 * max(face.expression.smile, 0)
    chin = 0.96 * shape.chin + drop
    tip, wing = NOSE_TIP * shape.nose_length, shape.nose_width
    paired = [
        ((0.4, 0.27 - lift, 0.4), (0.3 * shape.cheeks, 0.28, 0.28)),
        ((0.26, 0.52 + drop / 2, 0.12), (0.35 * shape.jaw, 0.42, 0.48)),
        ((0.34, EYE_LEVEL, 0.62), (0.18, 0.14, 0.13)),
        ((0.115 * wing, NOSE_BASE * shape.nose_length - 0.05, 0.88), (0.085 * wing, 0.075, 0.1)),
    ]
    single = [
        CRANIUM,
        ((0, 0.15, 0.1), (0.72, 0.8, 0.72)),
        ((0, 0.6 + drop / 2, 0.3), (0.45 * shape.jaw, 0.5 + drop / 2, 0.5)),
        ((0, chin, 0.53), (0.25 * shape.jaw, 0.16, 0.2)),
        ((0, -0.27, 0.66), (0.52, 0.12, 0.15)),
        ((0, MOUTH_LEVEL + drop / 2, 0.68), (0.34, 0.2 + drop / 2, 0.17)),
        ((0, -0.02, 0.8), (0.075, 0.24, 0.1)),
        ((0, 0.15, 0.88), (0.075, 0.18, 0.12)),
        ((0, tip, 1.0), (0.11 * wing, 0.1, 0.13)),
    ]
    return union([*widened([*single, *both_sides(paired)], shape.width)])


def ears(face: Face) -> Blobs:
    pair = [((0.86, 0.03, -0.1), (0.085, 0.22, 0.13)), ((0.83, 0.2, -0.05), (0.06, 0.1, 0.07))]
    return union(widened(both_sides(pair), face.shape.width), blend=0.03)


def neck() -> Blobs:
    return union([((0, 1.2, -0.3), (0.43, 1.3, 0.4))])


def body() -> Blobs:
    """Shoulders, dressed."""
    ellipsoids = [
        ((0, 3.2, -0.35), (1.3, 1.75, 0.6)),
        ((0, 1.68, -0.35), (0.72, 0.28, 0.44)),
        *both_sides([((0.98, 2.07, -0.35), (0.5, 0.48, 0.46)), ((1.1, 3.2, -0.35), (0.42, 1.4, 0.42))]),
    ]
    return union(ellipsoids, blend=0.08)


def both_sides(ellipsoids: list[Ellipsoid]) -> list[Ellipsoid]:
    return [((side * x, y, z), axes) for (x, y, z), axes in ellipsoids for side in (-1, 1)]


def widened(ellipsoids: list[Ellipsoid], factor: float) -> list[Ellipsoid]:
    return [((x * factor, y, z), (a * factor, b, c)) for (x, y, z), (a, b, c) in ellipsoids]
