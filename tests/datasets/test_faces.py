"""The embedded faces: solids and curves against slow oracles, points against pixels, and the data set's promises."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.path import Path as Polygon
from scipy.interpolate import CubicHermiteSpline

from cnnlib.datasets import Faces
from cnnlib.datasets.face_68 import FLIP_ORDER
from cnnlib.datasets.faces import source
from cnnlib.datasets.faces.blobs import Blobs
from cnnlib.datasets.faces.face import BEARDS, COVERS, GLASSES, STYLES, Expression, Face, sample_face
from cnnlib.datasets.faces.head import body, head, rotation
from cnnlib.datasets.faces.landmarks import landmarks
from cnnlib.datasets.faces.painting import Curve, _slopes
from cnnlib.datasets.faces.render import draw, render

SIZE, COUNT = 96, 40


def face(number: int) -> Face:
    return sample_face(np.random.default_rng(number))


def plain(number: int, **pose: float) -> Face:
    """Looks straight ahead in soft light, with open eyes and nothing on the face, in the middle of the picture."""
    person = face(number)
    ahead = {"yaw": 0.0, "pitch": 0.0, "roll": 0.0, "center": (0.5, 0.5), "scale": 0.35}
    calm = Expression(smile=0.3, open_mouth=0.8, open_eyes=1.0, raised_brows=0.0, gaze=(0.0, 0.0))
    bare = {
        "style": "bald",
        "beard": "none",
        "glasses": "none",
        "lips": (0.85, 0.1, 0.2),
        "skin": (0.9, 0.7, 0.5),
    }
    return replace(
        person,
        pose=replace(person.pose, **{**ahead, **pose}),
        expression=calm,
        look=replace(person.look, **bare),
        light=(0, 0, 1),
    )


def points_of(person: Face, size: int = SIZE) -> np.ndarray:
    return landmarks(person, head(person), size)


def picture(person: Face, size: int) -> np.ndarray:
    """(size, size, 3), 0 to 1."""
    return draw(person, size, np.random.default_rng(0)).transpose(1, 2, 0) / 255


def inside(polygon: np.ndarray, size: int) -> np.ndarray:
    """Which pixels' centres lie in a polygon (K, 2) of pixels x, y; (size, size), bool."""
    rows, columns = np.mgrid[:size, :size]
    return Polygon(polygon).contains_points(np.stack([columns, rows], -1).reshape(-1, 2)).reshape(size, size)


# Solids and curves


@pytest.mark.parametrize("solid", [head(face(1)), head(face(2)).turned(rotation(face(2).pose)), body()])
def test_a_ray_meets_a_solid_where_small_steps_first_find_its_inside(solid: Blobs) -> None:
    low, high = solid.box()
    x, y = np.random.default_rng(3).uniform(low[:2], high[:2], (400, 2)).T
    found = solid.first_hit(x, y)
    steps = np.arange(high[2], low[2], -0.005)
    grid = np.stack(np.broadcast_arrays(x, y, steps[:, None])).reshape(3, -1)
    within = (solid.level(grid) > 0).reshape(len(steps), -1)
    first = np.where(within.any(0), steps[np.argmax(within, axis=0)], -np.inf)
    both = np.isfinite(first) & np.isfinite(found)
    assert both.sum() > 100
    assert (np.isfinite(first) != np.isfinite(found)).mean() < 0.02  # at the outline a step may miss it
    assert (np.abs(first[both] - found[both]) < 0.01).mean() > 0.99


def test_normals_are_the_direction_in_which_the_level_falls() -> None:
    solid, step = head(face(4)), 1e-2
    x, y = np.random.default_rng(5).uniform(-0.6, 0.6, (2, 200))
    points = np.stack([x, y, solid.first_hit(x, y)])
    falls = -np.stack(
        [solid.level(points + d) - solid.level(points - d) for d in step * np.eye(3)[:, :, None]]
    )
    falls /= np.linalg.norm(falls, axis=0)
    assert ((falls * solid.normals(points)).sum(0) > 0.99).all()


@pytest.mark.parametrize("rounded", [True, False])
def test_a_curve_goes_through_its_points_and_is_nowhere_broken(rounded: bool) -> None:
    points = np.array([[0.0, 0.0], [0.2, -0.1], [0.3, -0.1], [0.6, 0.05]])
    curve = Curve(points, rounded)
    np.testing.assert_allclose(curve.below(points[:, 0], points[:, 1]), 0, atol=1e-3)
    assert np.abs(np.diff(curve.y)).max() < 0.02
    assert (curve.y.min() < -0.1001) == rounded


def test_a_curve_is_the_cubic_that_its_slopes_ask_for() -> None:
    points = np.array([[0.0, 0.3], [0.2, -0.1], [0.3, 0.2], [0.6, 0.05]])
    expected = CubicHermiteSpline(*points.T, _slopes(*points.T, rounded=True))
    curve = Curve(points, rounded=True)
    np.testing.assert_allclose(curve.y, expected(curve.x), atol=1e-12)


# Points


@pytest.mark.parametrize("number", range(12))
def test_a_mirrored_face_has_the_mirrored_points_in_the_flipped_order(number: int) -> None:
    person = face(number)
    pose = person.pose
    mirrored = replace(pose, yaw=-pose.yaw, roll=-pose.roll, center=(1 - pose.center[0], pose.center[1]))
    expected = points_of(person)[list(FLIP_ORDER)] * (-1, 1) + (SIZE - 1, 0)
    np.testing.assert_allclose(points_of(replace(person, pose=mirrored)), expected, atol=0.1)


def test_points_grow_with_the_picture() -> None:
    for number in range(5):
        small, large = points_of(face(number), 96), points_of(face(number), 192)
        np.testing.assert_allclose((large + 0.5) / 2, small + 0.5, atol=1e-3)


def test_points_stand_as_in_every_face() -> None:
    x, y = points_of(plain(0)).T
    assert (np.diff(x[:17]) > 0).all()  # the jaw, from the picture's left to its right
    assert y[8] == y.max()
    assert (np.diff(x[17:27]) > 0).all()
    assert y[17:27].max() < y[36:48].min()
    assert y[36:48].max() < y[30] < y[33] < y[48:68].min()
    assert (np.diff(y[27:31]) > 0).all()
    assert y[37] < y[41]
    assert y[51] < y[62] < y[66] < y[57]


def test_most_points_are_in_the_picture_and_faces_fill_it_well() -> None:
    points = render(0, "val", range(COUNT), 16)["points"]
    assert ((points >= -0.5) & (points <= 15.5)).all(-1).mean() > 0.97
    widths = np.ptp(points, axis=1).max(1) / 16
    assert widths.min() > 0.3
    assert widths.max() < 0.95


# Points against pixels


@pytest.mark.parametrize("pose", [{}, {"yaw": 25.0}, {"yaw": -20.0, "pitch": 8.0, "roll": 15.0}])
def test_what_is_drawn_is_where_the_points_are(pose: dict[str, float]) -> None:
    person, size = plain(6, **pose), 192
    image, points = picture(person, size), points_of(person, size)
    for eye in (points[36:42], points[42:48]):
        shown = image[inside(eye, size)]
        assert shown.min(axis=0).max() < 0.25  # the pupil
        assert (shown.min(axis=1) > 0.6).mean() > 0.1  # the white
    lips = inside(points[48:60], size) & ~inside(points[60:68], size)
    red = image[..., 0] - image[..., 1]
    assert np.median(red[lips]) > 0.35
    grown = (points[48:60] - points[48:60].mean(0)) * 1.25 + points[48:60].mean(0)
    around = inside(grown, size) & ~inside(points[48:60], size)
    assert np.quantile(red[around], 0.75) < 0.35
    for brow in (points[17:22], points[22:27]):
        columns, rows = np.rint(brow[1:4]).astype(int).T
        assert image[rows, columns].mean() < image[rows - 12, columns].mean() - 0.1


@pytest.mark.parametrize("number", [1, 3])
def test_the_corners_of_the_eyes_are_exact_to_half_a_pixel(number: int) -> None:
    """The eyes are found as what changes when they close, in a picture three times as large."""
    person, zoom = plain(number), 3
    size = SIZE * zoom
    shut = replace(person, expression=replace(person.expression, open_eyes=0.0))
    changed = np.abs(picture(person, size) - picture(shut, size)).max(-1) > 0.15
    points = points_of(person, size)
    for left, right in ((36, 39), (42, 45)):
        low, high = points[left, 0], points[right, 0]
        columns = np.flatnonzero(changed[:, int(low) - 9 : int(high) + 9].any(0)) + int(low) - 9
        assert abs(columns.min() - low) < zoom / 2
        assert abs(columns.max() - high) < zoom / 2


@pytest.mark.parametrize("pose", [{}, {"yaw": 30.0}, {"yaw": -30.0, "roll": 10.0}])
def test_the_jaw_lies_on_the_outline_or_on_the_head(pose: dict[str, float]) -> None:
    """No point of the jaw is outside of the head, and those of the far side are on its very edge."""
    person = plain(7, **pose)
    solid = head(person).turned(rotation(person.pose))
    shares = (points_of(person, 1)[:17] + 0.5 - person.pose.center) / person.pose.scale
    nearer = shares * 0.97 + 0.03 * shares.mean(0)
    assert np.isfinite(solid.first_hit(*nearer.T)).all()
    outward = shares + 0.05 * (shares - (0, 0)) / np.linalg.norm(shares, axis=1, keepdims=True)
    beyond = np.isinf(solid.first_hit(*outward.T))
    yaw = person.pose.yaw
    assert beyond[7:10].all()
    assert yaw < 0 or beyond[9:15].all()
    assert yaw > 0 or beyond[2:8].all()


# Pictures


def test_every_style_can_be_drawn() -> None:
    person = face(8)
    pictures = []
    for number, style in enumerate((*STYLES, *COVERS)):
        look = replace(
            person.look,
            style=style,
            beard=BEARDS[number % len(BEARDS)],
            glasses=GLASSES[number % len(GLASSES)],
        )
        pictures.append(draw(replace(person, look=look), 48, np.random.default_rng(0)).astype(float))
    for one, other in pairwise(pictures):
        assert np.abs(one - other).mean() > 1


def test_people_differ() -> None:
    faces = [face(number) for number in range(200)]
    brightness = [np.mean(person.look.skin) for person in faces]
    assert min(brightness) < 0.27
    assert max(brightness) > 0.85
    assert {person.look.style for person in faces} == {*STYLES, *COVERS}
    assert {person.look.glasses for person in faces} == set(GLASSES)
    assert {person.look.beard for person in faces} == set(BEARDS)
    yaws = [person.pose.yaw for person in faces]
    assert min(yaws) < -30
    assert max(yaws) > 30


# The data set


def test_a_face_depends_on_its_index_alone() -> None:
    many, one = render(0, "train", range(4), 32), render(0, "train", [2], 32)
    for key in many:
        np.testing.assert_array_equal(many[key][2], one[key][0])
    for seed, split in ((1, "train"), (0, "val")):
        other = render(seed, split, [2], 32)
        assert np.abs(other["points"] - one["points"]).max() > 1


def test_few_samples_are_the_first_of_many(tmp_path: Path) -> None:
    few = Faces(size=24, train=3, cache_dir=str(tmp_path)).split("train")
    many = Faces(size=24, train=6, cache_dir=str(tmp_path)).split("train")
    for index in range(3):
        assert torch.equal(few[index]["image"], many[index]["image"])
        assert torch.equal(few[index]["points"].value, many[index]["points"].value)


def test_points_outside_of_the_picture_are_not_valid(tmp_path: Path) -> None:
    split = Faces(size=16, train=40, cache_dir=str(tmp_path)).split("train")
    targets = [split[index]["points"] for index in range(len(split))]
    value, valid = (torch.stack(parts) for parts in zip(*targets, strict=True))
    torch.testing.assert_close(valid, ((value + 0.5 - 8).abs() <= 8).all(-1))
    assert 0 < (~valid).sum() < 0.1 * valid.numel()


def test_a_new_version_is_rendered_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Faces(size=16, train=1, cache_dir=str(tmp_path)).split("train")
    calls = []
    monkeypatch.setattr(source, "render", lambda *args: calls.append(args) or render(*args))
    Faces(size=16, train=1, cache_dir=str(tmp_path)).split("train")
    assert not calls
    monkeypatch.setattr(source, "VERSION", source.VERSION + 1)
    Faces(size=16, train=1, cache_dir=str(tmp_path)).split("train")
    assert calls
