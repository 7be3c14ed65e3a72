"""Normals: moved as the geometry demands, stored to a fraction of a degree."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from cnnlib.augmentations.similarity import Similarity
from cnnlib.metrics.normals import angle_between
from cnnlib.tasks import DepthTask, NormalsTask
from cnnlib.types import CnnlibError, Target, TargetInfo

SIZE = (48, 48)
FOCAL = 60.0
TASK = NormalsTask(TargetInfo("normals"))
DEPTH = DepthTask(TargetInfo("depth"))


def random_normals(seed: int = 0) -> Tensor:
    normals = F.normalize(torch.randn(3, *SIZE, generator=torch.Generator().manual_seed(seed)), dim=0)
    return torch.cat([normals[:2], -normals[2:].abs()])


def rays() -> Tensor:
    """The direction of each pixel's ray, z = 1: float64 (3, H, W)."""
    y, x = torch.meshgrid(
        *((torch.arange(side, dtype=torch.float64) + 0.5 - side / 2) for side in SIZE), indexing="ij"
    )
    return torch.stack([x / FOCAL, y / FOCAL, torch.ones_like(x)])


def fitted_normal(depth: Target) -> Tensor:
    """Of the plane through the points that a depth map shows, towards the camera: float64 (3,)."""
    points = (rays() * depth.value)[:, depth.valid[0]].T
    normal = torch.linalg.svd(points - points.mean(0)).Vh[2]
    return -normal.sign()[2] * normal


@settings(max_examples=40)
@given(
    tilt=st.tuples(st.floats(-0.8, 0.8), st.floats(-0.8, 0.8)),
    mirrored=st.booleans(),
    angle=st.floats(-180, 180),
    zoom=st.floats(0.7, 1.6),
)
def test_a_tilted_plane_has_the_normal_that_its_moved_depth_has(
    tilt: tuple[float, float], mirrored: bool, angle: float, zoom: float
) -> None:
    normal = F.normalize(torch.tensor([*tilt, -1.0], dtype=torch.float64), dim=0)
    depth = 3 * normal[2] / torch.einsum("c,chw->hw", normal, rays())
    everywhere = torch.ones(1, *SIZE, dtype=torch.bool)
    view = Similarity(mirrored=mirrored, angle=angle, zoom=zoom).view(SIZE)
    moved_depth = DEPTH.move(Target(depth[None], everywhere), view)
    moved = TASK.move(Target(normal.view(3, 1, 1).expand(3, *SIZE).float(), everywhere), view)
    known = moved.value[:, moved.valid[0]]
    torch.testing.assert_close(known, known[:, :1].expand_as(known))
    angle_off = angle_between(known[None, :, 0].double(), fitted_normal(moved_depth)[None])
    assert angle_off.item() < 1  # nearest neighbour moves pixels by up to half of one


def test_colours_may_have_green_down() -> None:
    pixel = np.array([[[128, 218, 218]]], np.uint8)  # half way between green and the viewer
    up, down = (TASK.from_pixels(pixel, green=green).value[:, 0, 0] for green in ("up", "down"))
    half = math.sqrt(0.5)
    torch.testing.assert_close(up, torch.tensor([0.0, -half, -half]), atol=0.01, rtol=0)
    torch.testing.assert_close(down, torch.tensor([0.0, half, -half]), atol=0.01, rtol=0)


def test_decoding_normalises() -> None:
    raw = torch.randn(2, 3, *SIZE)
    torch.testing.assert_close(TASK.decode(raw, SIZE), F.normalize(raw, dim=1))


def test_stored_directions_read_back_to_less_than_the_stated_error() -> None:
    normals = F.normalize(torch.randn(3, 300, 300, generator=torch.Generator().manual_seed(0)), dim=0)
    stored = TASK.store(normals)
    assert (stored.dtype, stored.shape) == (np.uint8, (300, 300, 3))
    file = io.BytesIO()
    Image.fromarray(stored).save(file, "png")
    loaded = TASK.load(np.asarray(Image.open(file)))
    assert angle_between(loaded[None], normals[None]).max() < 0.4
    assert "by less than 0.4 degrees" in TASK.file_note


def test_the_colours_are_those_of_the_legend() -> None:
    """Red to the right, green up, blue towards the viewer; y points down and z ahead."""
    axes = torch.tensor([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]]).T.view(3, 1, 3)
    right, up, towards = TASK.draw(axes, torch.zeros(3, 1, 3))[:, 0].T.tolist()
    assert (right, up, towards) == ([255, 128, 128], [128, 255, 128], [128, 128, 255])
    assert TASK.legend == "red: to the right; green: up; blue: towards the viewer"


def test_an_error_is_brighter_the_larger_it_is_up_to_thirty_degrees() -> None:
    angle = torch.tensor([0.0, 10, 20, 30, 60]).deg2rad()
    pred = torch.stack([angle.sin(), torch.zeros(5), -angle.cos()])[:, None]
    truth = pred[:, :, :1].expand(3, 1, 5)
    valid = torch.tensor([True, True, True, True, True]).view(1, 1, 5)
    brightness = TASK.draw_error(pred, Target(truth, valid), torch.zeros(3, 1, 5)).float().mean(0)[0]
    assert brightness[:4].diff().min() > 0
    assert brightness[3] == brightness[4]


def test_the_constant_is_a_direction_that_most_have_and_not_one_between() -> None:
    everywhere = torch.ones(1, 1, 2, dtype=torch.bool)
    floor, wall = torch.tensor([0.0, -0.8, -0.6]), torch.tensor([0.8, 0.0, -0.6])
    targets = [
        Target(torch.stack([one, other], dim=1)[:, None], everywhere)
        for one, other in ((floor, wall), (floor, floor), (wall, wall))
    ]
    constant = TASK.constant(targets)
    torch.testing.assert_close(constant[:, 0], torch.stack([floor, wall], dim=1))
    between = TASK.constant([targets[0], Target(targets[0].value.flip(2), everywhere)])
    torch.testing.assert_close(between.norm(dim=0), torch.ones(1, 2))


def test_resized_directions_keep_their_length() -> None:
    resized = TASK.resize(random_normals(), SIZE, (30, 70))
    assert resized.shape == (3, 30, 70)
    torch.testing.assert_close(resized.norm(dim=0), torch.ones(30, 70))


def test_the_score_is_a_share_of_a_right_angle() -> None:
    assert [TASK.score({"median": median}) for median in (0.0, 9.0, 90.0)] == [1.0, 0.9, 0.0]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (torch.tensor([[0.0, 0, -1], [0, 0, -2]]), "must have length 1; some have 1 to 2: divide them"),
        (torch.tensor([[0.0, 0, 1], [0, 0, 1], [0, 0, -1]]), "most normals point away from the camera"),
        (torch.tensor([[math.nan, 0, -1]]), "NaN or infinite"),
    ],
)
def test_broken_normals_are_refused(values: Tensor, message: str) -> None:
    TASK.check_values(TASK.valid_values(Target(random_normals(), torch.ones(1, *SIZE, dtype=torch.bool))))
    with pytest.raises(CnnlibError, match=message):
        TASK.check_values(values)


def test_files_of_something_else_are_refused() -> None:
    """Black and grey pixels are not known; a file may hold nothing else, or few pixels that are no direction."""
    photo = np.random.default_rng(0).integers(70, 190, (*SIZE, 3), dtype=np.uint8)
    with pytest.raises(CnnlibError, match="of its pixels that are neither black nor grey are no direction"):
        TASK.from_pixels(photo)
    depth = np.repeat(np.linspace(0, 250, SIZE[0] * SIZE[1]).astype(np.uint8).reshape(*SIZE, 1), 3, axis=2)
    with pytest.raises(CnnlibError, match="levels of grey alone"):
        TASK.from_pixels(depth)
    for level in (0, 128):
        assert not TASK.from_pixels(np.full((*SIZE, 3), level, np.uint8)).valid.any()
    colors = TASK.store(random_normals())
    colors[:20], colors[20:40], colors[40:43] = 0, 128, photo[40:43]
    assert TASK.from_pixels(colors).valid[0, 43:].all()
    assert not TASK.from_pixels(colors).valid[0, :40].any()
