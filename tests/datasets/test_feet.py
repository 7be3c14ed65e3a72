"""The embedded feet: the poses against the points, the points against the pixels, and the data set's own promises."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from cnnlib.datasets import Feet
from cnnlib.datasets.feet import source
from cnnlib.datasets.feet.foot import COVERS, POSES, Foot, sample_foot
from cnnlib.datasets.feet.render import _draw_foot, places, render
from cnnlib.datasets.scenes.render import generator
from cnnlib.types import CnnlibError

SIZE, COUNT = 96, 300
ALIKE = (1.0, 1.0, 1.0)


@pytest.fixture(scope="module")
def feet() -> list[Foot]:
    return [sample_foot(generator(0, "train", index), ALIKE) for index in range(COUNT)]


def mirrored(foot: Foot) -> Foot:
    (u, v), view = foot.view.heel, foot.view
    view = replace(view, azimuth=-view.azimuth, roll=-view.roll, heel=(1 - u, v))
    return replace(foot, side=-foot.side, view=view, light=(-foot.light[0], *foot.light[1:]))


def grid(foot: Foot, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Right and up of each pixel's centre from the heel, in units, (size * size,), by a matrix of its own."""
    turn = np.radians(foot.view.roll)
    matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    rows, columns = np.mgrid[:size, :size].reshape(2, -1)
    seen = np.stack([(columns + 0.5) / size - foot.view.heel[0], foot.view.heel[1] - (rows + 0.5) / size])
    right, up = np.linalg.solve(matrix, seen / foot.view.scale).astype(np.float32)
    return right, up


def alone(foot: Foot, size: int = SIZE, around: float = 0.5) -> np.ndarray:
    """The foot before a plain background, (size, size, 3)."""
    colors = np.full((size * size, 3), around, np.float32)
    right, up = grid(foot, size)
    _draw_foot(colors, foot, foot.side * right, up, 1 / (size * foot.view.scale))
    return colors.reshape(size, size, 3)


def angles(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the calf and of the heel, in degrees from the upright, leaning to the right above 0; of points (N, 3, 2)."""
    calf, heel = points[:, 0] - points[:, 1], points[:, 1] - points[:, 2]
    return tuple(np.degrees(np.arctan2(part[:, 0], -part[:, 1])) for part in (calf, heel))


# Poses and points


def test_the_pose_is_how_far_the_heel_points_away_from_the_other_foot(feet: list[Foot]) -> None:
    calf, heel = angles(np.stack([places(foot, SIZE) for foot in feet]))
    outwards = np.array([foot.side for foot in feet]) * (heel - calf)
    poses = np.array([foot.pose for foot in feet])
    found = np.where(outwards > 6, 0, np.where(outwards < -6, 2, 1))
    np.testing.assert_array_equal(found, poses)
    np.testing.assert_allclose(
        outwards, [foot.angle for foot in feet], atol=6
    )  # bent over a short way, and seen from above
    assert set(poses) == {0, 1, 2}


def test_no_single_line_tells_the_pose(feet: list[Foot]) -> None:
    """Neither the calf's nor the heel's tilt in the picture, nor the place of the heel, without the side."""
    from sklearn.linear_model import LogisticRegression

    points = np.stack([places(foot, SIZE) for foot in feet])
    calf, heel = angles(points)
    poses = np.array([foot.pose for foot in feet])
    for known in (calf[:, None], heel[:, None], points[:, 2] / SIZE, np.stack([calf, heel], axis=1)):
        guess = LogisticRegression().fit(known[:200], poses[:200]).score(known[200:], poses[200:])
        assert guess < 0.62
    side = np.array([foot.side for foot in feet])
    known = (side * (heel - calf))[:, None]
    assert LogisticRegression().fit(known[:200], poses[:200]).score(known[200:], poses[200:]) > 0.97


def test_points_lie_in_the_middle_of_what_is_drawn(feet: list[Foot]) -> None:
    """What does not change with the background is the foot; trousers hang, and the calf is wider on the inner side."""
    for foot in [each for each in feet if each.look.cover != "trousers"][:25]:
        upright = replace(foot, view=replace(foot.view, roll=0.0))
        drawn = np.abs(alone(upright, around=0.0) - alone(upright, around=1.0)).max(-1) < 0.5
        (calf_x, calf_y), _, (heel_x, heel_y) = places(upright, SIZE)
        row = np.flatnonzero(drawn[round(max(calf_y, 0))])
        assert abs(row.mean() - calf_x) < 4
        assert drawn[round(heel_y) - 3, round(heel_x)]
        lowest = np.flatnonzero(drawn.any(1)).max()
        assert abs(lowest - heel_y) < 0.2 * foot.view.scale * SIZE


@pytest.mark.parametrize("number", range(8))
def test_the_mirror_image_of_a_foot_is_the_other_foot_in_the_same_pose(feet: list[Foot], number: int) -> None:
    foot, other = feet[number], mirrored(feet[number])
    expected = places(foot, SIZE) * (-1, 1) + (SIZE - 1, 0)
    np.testing.assert_allclose(places(other, SIZE), expected, atol=1e-4)
    difference = np.abs(alone(other) - alone(foot)[:, ::-1])
    assert np.quantile(difference, 0.99) < 0.01
    assert np.abs(alone(foot) - alone(foot)[:, ::-1]).mean() > 0.02  # it is not its own mirror image


def test_points_grow_with_the_picture() -> None:
    for index in range(5):
        foot = sample_foot(generator(0, "train", index), ALIKE)
        np.testing.assert_allclose((places(foot, 192) + 0.5) / 2, places(foot, 96) + 0.5, atol=1e-3)


def test_feet_differ(feet: list[Foot]) -> None:
    assert Counter(foot.side for foot in feet)[1] == pytest.approx(COUNT / 2, abs=40)
    assert {foot.look.cover for foot in feet} == set(COVERS)
    brightness = [np.mean(foot.look.skin) for foot in feet]
    assert min(brightness) < 0.3
    assert max(brightness) > 0.8
    rolls = [foot.view.roll for foot in feet]
    assert min(rolls) < -4
    assert max(rolls) > 4
    sides = {pose: {foot.side for foot in feet if foot.pose == pose} for pose in range(3)}
    assert all(each == {-1, 1} for each in sides.values())


# The data set


def test_a_picture_depends_on_seed_split_index_and_size_alone() -> None:
    together, one = render(0, "train", [4, 5, 6], 32, ALIKE), render(0, "train", [5], 32, ALIKE)
    for key in together:
        np.testing.assert_array_equal(together[key][1], one[key][0])
    for seed, split, index in ((1, "train", 5), (0, "val", 5), (0, "test", 5), (0, "train", 6)):
        assert (render(seed, split, [index], 32, ALIKE)["image"] != one["image"]).mean() > 0.5


@pytest.mark.parametrize("shares", [ALIKE, (6, 3, 1), (0.05, 0.9, 0.05)])
def test_poses_come_as_often_as_asked(shares: tuple[float, ...]) -> None:
    poses = Counter(sample_foot(generator(3, "train", index), shares).pose for index in range(600))
    expected = 600 * np.array(shares) / sum(shares)
    assert chisquare([poses[pose] for pose in range(3)], expected).pvalue > 0.001


def test_shares_change_the_pose_and_nothing_else() -> None:
    for index in range(20):
        one, other = (sample_foot(generator(0, "train", index), shares) for shares in (ALIKE, (1, 1, 50)))
        assert (one.view, one.look, one.side, one.light) == (other.view, other.look, other.side, other.light)


def test_samples_hold_what_was_rendered(tmp_path: Path) -> None:
    few = Feet(size=32, train=3, cache_dir=str(tmp_path)).split("train")
    more = Feet(size=32, train=8, cache_dir=str(tmp_path)).split("train")
    truth = render(0, "train", range(3), 32, ALIKE)
    for index in range(3):
        assert few[index].keys() == {"image", "label", "points", "name"}
        assert torch.equal(few[index]["image"], more[index]["image"])
        np.testing.assert_array_equal(few[index]["image"], truth["image"][index] / np.float32(255))
        np.testing.assert_array_equal(few[index]["points"].value, truth["points"][index])
        assert few[index]["label"].value == truth["label"][index]
        assert few.label_class(index) == POSES[truth["label"][index]]


def test_points_outside_of_the_picture_are_not_valid(tmp_path: Path) -> None:
    split = Feet(size=16, train=40, cache_dir=str(tmp_path)).split("train")
    value, valid = (torch.stack(part) for part in zip(*(split[i]["points"] for i in range(40)), strict=True))
    torch.testing.assert_close(valid, ((value + 0.5 - 8).abs() <= 8).all(-1))
    assert valid.float().mean() > 0.9


def test_other_shares_and_a_new_version_are_rendered_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    monkeypatch.setattr(source, "render", lambda *args: calls.append(1) or render(*args))

    def opened(shares: list[float] | None = None) -> None:
        Feet(size=16, train=1, cache_dir=str(tmp_path), shares=shares).split("train")

    opened()
    opened([1, 1, 1])
    assert len(calls) == 1
    opened([3, 1, 1])
    assert len(calls) == 2
    monkeypatch.setattr(source, "VERSION", source.VERSION + 1)
    opened()
    assert len(calls) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 8}, "size must be at least 16; it is 8"),
        ({"shares": [1, 0, 1]}, r"shares\[1\] must be above 0; it is 0"),
        ({"shares": [1, 1]}, "shares must be a list of at least 3"),
        ({"shares": [1, 1, 1, 1]}, "shares must be a list of at most 3"),
    ],
)
def test_bad_options_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(CnnlibError, match=message):
        Feet(**options)
