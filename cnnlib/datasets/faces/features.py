"""What is painted on the front of a head: eyes, brows, nose, mouth, beard and the years.

Everything is drawn from the landmarks themselves, at x and y as seen from in front.
"""

from __future__ import annotations

import numpy as np

from cnnlib.datasets.faces.face import Face
from cnnlib.datasets.faces.landmarks import front_marks
from cnnlib.datasets.faces.painting import Curve, along, between, blend, coverage, spot, stroke
from cnnlib.datasets.scenes.textures import noise

_DARK = (0.09, 0.06, 0.06)
_WHITE = (0.97, 0.96, 0.94)
_MOUTH, _TONGUE = (0.27, 0.07, 0.08), (0.75, 0.35, 0.36)


def paint_front(colors: np.ndarray, face: Face, x: np.ndarray, y: np.ndarray, pixel: float) -> None:
    """Paints skin colours (M, 3) in place, at x, y (M,); ``pixel`` is the width of one there."""
    marks = front_marks(face)
    _complexion(colors, face, x, y)
    _beard(colors, face, marks, x, y)
    _nose(colors, face, marks, x, y)
    _mouth(colors, face, marks, x, y, pixel)
    for eye, brow in ((marks[36:42], marks[17:22]), (marks[42:48], marks[22:27])):
        _eye(colors, face, eye, x, y, pixel)
        _brow(colors, face, brow, x, y, pixel)


def _near(points: np.ndarray, x: np.ndarray, y: np.ndarray, margin: float) -> np.ndarray:
    """Indices of what lies in the box around points (K, 2), grown by a margin."""
    low, high = points.min(0) - margin, points.max(0) + margin
    return np.flatnonzero((x > low[0]) & (x < high[0]) & (y > low[1]) & (y < high[1]))


def _complexion(colors: np.ndarray, face: Face, x: np.ndarray, y: np.ndarray) -> None:
    look, skin = face.look, np.array(face.look.skin)
    side = np.abs(x)
    rosy = skin * (1.0, 0.72, 0.68) + (0.04, 0, 0)
    blend(colors, rosy, 0.75 * look.blush * spot(side, y, (0.42, 0.3), (0.22, 0.15)))
    blend(colors, rosy, 0.3 * spot(x, y, (0, 0.3), (0.14, 0.12)))
    socket = spot(side, y, (0.31, -0.1), (0.26, 0.13))
    blend(colors, skin * (0.62, 0.52, 0.5), 0.36 * socket)
    _wrinkles(colors, face, side, y)


def _wrinkles(colors: np.ndarray, face: Face, side: np.ndarray, y: np.ndarray) -> None:
    """The folds beside the mouth, deeper with age and with a smile, and lines on old foreheads."""
    deep, smile = face.look.age, max(face.expression.smile, 0)
    shadow = np.array(face.look.skin) * (0.6, 0.48, 0.46)
    fold = Curve(np.array([[0.2, 0.4], [0.29, 0.5], [0.36 + 0.04 * smile, 0.68]]))
    blend(colors, shadow, (0.2 * smile + 0.4 * deep**2) * np.exp(-((along(fold, side, y) / 0.022) ** 2)))
    for level in (-0.52, -0.63):
        line = Curve(np.array([[-0.01, level], [0.2, level - 0.015], [0.4, level + 0.03]]))
        blend(colors, shadow, 0.35 * deep**3 * np.exp(-((along(line, side, y) / 0.014) ** 2)))
    bag = Curve(np.array([[0.2, 0.09], [0.33, 0.13], [0.46, 0.08]]))
    blend(colors, shadow, 0.35 * deep**2 * np.exp(-((along(bag, side, y) / 0.018) ** 2)))


def _nose(colors: np.ndarray, face: Face, marks: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    skin, side = np.array(face.look.skin), np.abs(x)
    wing, base = marks[35], marks[33, 1]
    blend(colors, skin * (0.55, 0.42, 0.4), 0.5 * spot(x, y, (0, base + 0.03), (0.17, 0.045)))
    blend(
        colors, skin * (0.6, 0.46, 0.44), 0.6 * spot(side, y, (wing[0] + 0.02, wing[1] - 0.05), (0.025, 0.06))
    )
    nostril = spot(side, y, (0.5 * wing[0], base - 0.028), (0.042, 0.022))
    blend(colors, skin * (0.25, 0.15, 0.14), np.clip(1.4 * nostril, 0, 1) * 0.85)
    blend(colors, np.minimum(skin * 1.14 + 0.05, 1), 0.5 * spot(x, y, marks[30] - (0, 0.02), (0.05, 0.05)))
    blend(colors, np.minimum(skin * 1.1 + 0.03, 1), 0.35 * spot(x, y, marks[28], (0.035, 0.14)))


def _eye(
    colors: np.ndarray, face: Face, corners: np.ndarray, x: np.ndarray, y: np.ndarray, pixel: float
) -> None:
    index = _near(corners, x, y, 0.16)
    part, x, y = colors[index], x[index], y[index]
    left = corners[:, 0].argmin()
    right = corners[:, 0].argmax()
    upper = Curve(corners[sorted({left, right, 1, 2})], rounded=True)
    lower = Curve(corners[sorted({left, right, 4, 5})], rounded=True)
    skin = np.array(face.look.skin)
    crease = -0.05 - upper.below(x, y)
    inside = np.clip(-upper.beyond(x) / 0.06, 0, 1)
    blend(part, skin * (0.55, 0.42, 0.4), 0.5 * inside * np.exp(-((crease / 0.016) ** 2)))
    eyeball = np.broadcast_to(np.float32(_WHITE), part.shape).copy()
    _iris(eyeball, face, corners.mean(0), x, y, pixel)
    blend(eyeball, _DARK, 0.38 * np.exp(-((upper.below(x, y) / 0.035) ** 2)))  # the lid's shadow
    blend(part, eyeball, coverage(between(upper, lower, x, y), pixel))
    blend(part, skin * (0.45, 0.3, 0.28), 0.6 * coverage(stroke(lower, x, y, 0.007), 1.6 * pixel))
    outer = corners[0, 0] * np.sign(corners[0, 0])
    thick = 0.009 + 0.012 * np.clip(1 - (outer - np.abs(x)) / 0.3, 0, 1)
    blend(part, _DARK, 0.92 * coverage(stroke(upper, x, y, thick), pixel))
    colors[index] = part


def _iris(
    colors: np.ndarray, face: Face, middle: np.ndarray, x: np.ndarray, y: np.ndarray, pixel: float
) -> None:
    shape, gaze = face.shape, face.expression.gaze
    x = x - middle[0] - 0.035 * gaze[0]
    y = y - middle[1] + 0.012 - 0.018 * gaze[1]
    radius, size = np.hypot(x, y), 0.083 * shape.eye_size
    iris = np.array(face.look.iris)
    blend(colors, iris * 0.45, coverage(radius - size, pixel))
    blend(
        colors, iris * (0.95 + 0.5 * np.clip(y / size, -1, 1))[:, None], coverage(radius - 0.84 * size, pixel)
    )
    blend(colors, (0.02, 0.02, 0.03), coverage(radius - 0.46 * size, pixel))
    toward = 0.36 * size * np.array([np.sign(face.light[0]), -1])
    blend(colors, (1.7, 1.7, 1.7), coverage(np.hypot(x - toward[0], y - toward[1]) - 0.27 * size, pixel))


def _brow(
    colors: np.ndarray, face: Face, points: np.ndarray, x: np.ndarray, y: np.ndarray, pixel: float
) -> None:
    index = _near(points, x, y, 0.08)
    part, x, y = colors[index], x[index], y[index]
    curve = Curve(points)
    inner, outer = np.abs(points[:, 0]).min(), np.abs(points[:, 0]).max()
    share = np.clip((np.abs(x) - inner) / (outer - inner), 0, 1)
    thick = 0.034 * face.shape.brow_thickness * (1 - 0.75 * share**1.6)
    hairs = 0.85 + 0.1 * noise((x * 1.5).astype(np.float32), (y * 2 + np.abs(x) * 2).astype(np.float32))
    color = np.array(face.look.hair) * 0.75
    blend(part, color, np.clip(hairs, 0, 1) * coverage(along(curve, x, y) - thick, 1.5 * pixel))
    colors[index] = part


def _mouth(
    colors: np.ndarray, face: Face, marks: np.ndarray, x: np.ndarray, y: np.ndarray, pixel: float
) -> None:
    index = _near(marks[48:60], x, y, 0.1)
    part, x, y = colors[index], x[index], y[index]
    top, bottom = Curve(marks[48:55]), Curve(marks[[48, *range(54, 60)]])
    line, under = Curve(marks[60:65]), Curve(marks[[60, *range(64, 68)]])
    lips, skin = np.array(face.look.lips), np.array(face.look.skin)
    blend(part, skin * (0.6, 0.46, 0.45), 0.45 * spot(x, y, marks[57] + (0, 0.045), (0.14, 0.03)))
    blend(part, skin * (0.6, 0.46, 0.45), 0.4 * spot(np.abs(x), y, marks[54], (0.035, 0.03)))
    tone = np.where(line.below(x, y) < 0, 0.86, 1.06)[:, None] * lips
    tone = tone + 0.16 * spot(x, y, (0, (marks[66, 1] + marks[57, 1]) / 2), (0.1, 0.025))[:, None]
    blend(part, tone, coverage(between(top, bottom, x, y), 1.3 * pixel))
    cavity = np.broadcast_to(np.float32(_MOUTH), part.shape).copy()
    blend(cavity, _TONGUE, coverage(-0.05 - under.below(x, y), 0.04))
    blend(cavity, _WHITE, coverage(line.below(x, y) - 0.062, pixel) * 0.96)
    blend(part, cavity, coverage(between(line, under, x, y) + 0.004, pixel))
    blend(part, lips * (0.32, 0.24, 0.26), 0.8 * coverage(along(line, x, y) - 0.009, pixel))
    colors[index] = part


def _beard(colors: np.ndarray, face: Face, marks: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    kind = face.look.beard
    if kind == "none":
        return
    side, drop = np.abs(x), marks[57, 1] - marks[51, 1]
    cheek = np.interp(side, [0, 0.3, 0.5, 0.7, 0.9], [0.78, 0.66, 0.5, 0.18, -0.1])
    lip = (marks[50, 1] + marks[33, 1]) / 2
    moustache = np.hypot(side / 0.34, (y - lip - 0.35 * side) / 0.085) - 1
    jaw = (cheek - y) / 0.09
    goatee = np.hypot(side / 0.3, (y - marks[57, 1] - 0.17) / (0.16 + 0.3 * drop)) - 1
    areas = {
        "stubble": np.minimum(jaw, moustache),
        "moustache": moustache,
        "goatee": np.minimum(goatee, moustache),
        "full": np.minimum(jaw, np.minimum(goatee, moustache)),
    }
    grain = noise((1.3 * x).astype(np.float32), (0.6 * y + face.look.pattern % 97).astype(np.float32))
    density = {"stubble": 0.4, "moustache": 0.95, "goatee": 0.92, "full": 0.96}[kind]
    share = density * np.clip(0.5 - areas[kind] * 2.2 + 0.12 * grain, 0, 1)
    blend(colors, np.array(face.look.hair) * (0.85 + 0.14 * grain[:, None]), share)
